"""A linear dose seen through shifts: everything is known, on both sides, on an oblique grid."""

import csv
import json

import numpy as np
import pytest

from support.fake_result import write_fake_result
from UncertainRegLib.__main__ import main
from UncertainRegLib.geometry import (
    DisplacementField,
    Grid,
    Image,
    read_field,
    read_image,
    write_field,
    write_image,
)
from UncertainRegLib.geometry.errors import InputError
from UncertainRegLib.results.reader import read_record
from UncertainRegLib.results.schema import FILE
from UncertainRegLib.studies.dose import LIMIT_GY, evaluate_dose

SLOPE = np.array([0.3, -0.2, 0.4])  # Gy per mm, LPS
SHIFTS = np.random.default_rng(4).normal(0, 1.5, (24, 3)) @ np.diag([1.0, 0.5, 2.0])
MEAN_SHIFT = np.array([0.5, 0.0, -0.5])  # of the registration


@pytest.fixture
def folder(tmp_path):
    """A result whose registration and samples are shifts, and a dose around it that is linear."""
    folder = write_fake_result(tmp_path / "result", samples=len(SHIFTS))
    grid = read_field(folder / "transform.nrrd").grid
    for name, shift in [("transform.nrrd", MEAN_SHIFT)] + [
        (f"samples/sample-{n:04d}.nrrd", shift) for n, shift in enumerate(SHIFTS)
    ]:
        vectors = np.broadcast_to(shift.astype(np.float32), (*grid.shape, 3)).copy()
        write_field(DisplacementField(vectors, grid), folder / name)
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    content["samples"]["log_weights"] = [0.0] * len(SHIFTS)
    (folder / FILE).write_text(json.dumps(content), encoding="utf-8")
    around = Grid.from_spacing((40, 50, 44), (3, 3, 3), grid.center - [64, 73, 58])
    gray = 60.0 + (around.points(np.zeros(0)) - grid.center) @ SLOPE
    write_image(Image(gray.astype(np.float32), around), tmp_path / "dose.nrrd")
    return folder


def structures(folder, shift=(0.0, 0.0, 0.0)):
    """A ball of 12 mm about the centre of the fixed image plus ``shift``, as a file."""
    grid = read_field(folder / "transform.nrrd").grid
    grid = grid.at_spacing(1.0)
    distance = np.linalg.norm(grid.points(np.zeros(0)) - grid.center - shift, axis=-1)
    write_image(Image((distance < 12).astype(np.uint8), grid), folder.parent / "ball.nrrd")
    return str(folder.parent / "ball.nrrd")


def evaluated(folder, side, **other):
    given = {"unit": "Gy", "limit_gy": 60.0, **other}
    dose = str(folder.parent / "dose.nrrd")
    return evaluate_dose(folder, read_record(folder), dose, side, **given)


@pytest.mark.parametrize(("side", "sign"), [("moving", 1.0), ("fixed", -1.0)])
def test_a_structure_receives_what_the_shifts_say(folder, side, sign):
    """Moving the dose by t adds g·t to what a resting structure receives; moving the structure
    takes it away, as the samples map fixed to moving points."""
    ball = structures(folder, (0, 0, 0) if side == "moving" else MEAN_SHIFT)
    (row,) = evaluated(folder, side, structures=ball)["dose"]["rows"]
    where = 60.0 if side == "moving" else 60.0 + MEAN_SHIFT @ SLOPE
    registered = where + sign * MEAN_SHIFT @ SLOPE
    each = np.sort(where + sign * SHIFTS @ SLOPE)
    found = [row["mean_gy"], row["mean_low_gy"], row["mean_high_gy"]]
    np.testing.assert_allclose(found, [registered, each[1], each[22]], atol=0.05)
    # of a ball in a linear dose: half of it receives its mean dose or more
    share = 50.0 + 100.0 * 0.75 * (registered - 60.0) / (12 * np.linalg.norm(SLOPE))
    np.testing.assert_allclose(row["above_percent"], share, atol=1.5)


@pytest.mark.parametrize(("side", "sign"), [("moving", 1.0), ("fixed", -1.0)])
def test_the_maps_are_those_of_the_shifts(folder, side, sign):
    """At x: the dose at x + t of a moved dose, at x + m - t of a tissue that the registration
    (a shift by m) puts at x."""
    maps = evaluated(folder, side, structures=structures(folder))["maps"]
    grid = read_field(folder / "transform.nrrd").grid
    base = 60.0 + (grid.points(np.zeros(0)) - grid.center) @ SLOPE
    base += 0.0 if side == "moving" else MEAN_SHIFT @ SLOPE
    each = np.sort(sign * SHIFTS @ SLOPE)
    for name, wanted in (
        ("expected", base + each.mean()),
        ("sd", np.full(grid.shape, each.std())),
        ("low", base + each[1]),
        ("high", base + each[22]),
    ):
        found = read_image(folder / maps[f"dose_{name}_gy"]["file"])
        assert found.grid == grid
        np.testing.assert_allclose(found.array, wanted, atol=0.02)
    assert set(maps) > {"uncertainty_mm"}, "the maps of the run stay"


def test_the_command_extends_the_result_and_says_the_table(folder, capsys):
    dose = str(folder.parent / "dose.nrrd")
    ball = structures(folder)
    assert not main(
        ["evaluate", "dose", str(folder), "--dose", dose, "--unit", "Gy", "--side", "moving"]
        + ["--structures", ball, "--limit", "55", "--progress", "none"]
    )
    record = read_record(folder)
    assert record.dose.side == "moving" and record.dose.samples == len(SHIFTS)
    assert record.dose.limit_gy == 55 and record.dose.rows[0]["name"] == "1"
    out = capsys.readouterr().out
    assert "V55 (%)" in out and f"{record.dose.rows[0]['mean_gy']:.1f} (" in out
    with open(folder / record.dose.curves, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    shares = [[float(row[f"{n}_percent"]) for row in rows] for n in ("low", "registered", "high")]
    assert rows[0]["registered_percent"] == "100.0" and np.all(np.diff(shares, axis=1) <= 0)
    assert np.all(np.array(shares[0]) <= shares[2])


def test_without_a_fixed_segmentation_the_registered_one_is_used_and_said(folder):
    write_image(read_image_labels(folder), folder / "warped_labels.nrrd")
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    content["warped_labels"] = "warped_labels.nrrd"
    (folder / FILE).write_text(json.dumps(content), encoding="utf-8")
    entry = evaluated(folder, "moving")["dose"]
    assert [row["name"] for row in entry["rows"]] == ["Shell", "Core"]
    assert "no segmentation of the fixed image" in entry["warnings"][0]


def read_image_labels(folder):
    from UncertainRegLib.geometry import read_labels

    return read_labels(folder / "labels.nrrd")


def test_a_dose_of_the_fixed_image_has_the_structures_of_the_moving_one(folder):
    rows = evaluated(folder, "fixed", limit_gy=LIMIT_GY)["dose"]["rows"]
    assert [row["name"] for row in rows] == ["Shell", "Core"]


def test_a_structure_beyond_the_dose_is_said(folder):
    """The dose ends 4 mm beyond the centre of the ball: about a third of it lies outside."""
    dose = read_image(folder.parent / "dose.nrrd")
    grid = read_field(folder / "transform.nrrd").grid
    last = int(dose.grid.to_index(grid.center + [0, 0, 4.0])[2])
    part = dose.grid.part([0, 0, 0], (last + 1, *dose.grid.shape[1:]))
    write_image(Image(dose.array[: last + 1], part), folder.parent / "dose.nrrd")
    (said,) = [
        text
        for text in evaluated(folder, "moving", structures=structures(folder))["dose"]["warnings"]
        if "outside the dose" in text
    ]
    assert 20 < int(said.split(" %")[0]) < 40


@pytest.mark.parametrize(
    ("side", "words"),
    [("moving", "vectors of its border"), ("fixed", "the numbers are those of the rest")],
)
def test_a_structure_beyond_the_fixed_image_is_said(folder, side, words):
    """The ball about the middle of a face of the image: half of it lies outside."""
    grid = read_field(folder / "transform.nrrd").grid
    face = grid.to_world(np.array([grid.size[0] - 0.5, *(grid.size[1:] - 1) / 2]))
    wide = grid.part(np.array([-20, -20, -20]), tuple(n + 40 for n in grid.shape))
    wide = wide.at_spacing(1.0)
    distance = np.linalg.norm(wide.points(np.zeros(0)) - face, axis=-1)
    ball = folder.parent / "face.nrrd"
    write_image(Image((distance < 10).astype(np.uint8), wide), ball)
    found = evaluated(folder, side, structures=str(ball))["dose"]["warnings"]
    (said,) = [text for text in found if "outside the fixed image" in text]
    assert 40 < int(said.split(" %")[0]) < 60 and words in said


def test_weights_on_few_samples_are_said(folder):
    ball, record = structures(folder), read_record(folder)
    assert not evaluated(folder, "moving", structures=ball)["dose"]["warnings"]
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    content["samples"]["log_weights"] = [0.0, 0.0] + [-50.0] * (len(SHIFTS) - 2)
    (folder / FILE).write_text(json.dumps(content), encoding="utf-8")
    (said,) = evaluated(folder, "moving", structures=ball)["dose"]["warnings"]
    assert f"the {len(record.samples.files)} samples count as 2.0, so" in said


def test_another_dose_leaves_no_files_of_the_one_before(folder):
    (folder / "maps" / "dose_sd_gy-0badbad0-fixed.nrrd").touch()  # never finished
    ball = structures(folder)
    dose = str(folder.parent / "dose.nrrd")
    for side, limit in (("moving", "55"), ("fixed", "20")):
        asked = ["--dose", dose, "--unit", "Gy", "--side", side, "--limit", limit]
        asked += ["--structures", ball, "--progress", "none"]
        assert not main(["evaluate", "dose", str(folder), *asked])
    record = read_record(folder)
    named = {one.file for name, one in record.maps.items() if name.startswith("dose_")}
    assert len(named) == 4 and record.dose.side == "fixed"
    assert {f"maps/{path.name}" for path in folder.glob("maps/dose_*")} == named
    assert [path.name for path in folder.glob("dose-*")] == [record.dose.curves]


def test_what_cannot_be_judged_is_refused_and_nothing_is_changed(folder):
    before = (folder / FILE).read_bytes()
    far = read_image(folder.parent / "dose.nrrd")
    moved = far.grid.affine.copy()
    moved[:3, 3] += 500
    write_image(Image(far.array, Grid(far.grid.shape, moved)), folder.parent / "far.nrrd")
    record = read_record(folder)
    for file, side, words in (
        ("far.nrrd", "fixed", "lies nowhere in the fixed image"),
        ("dose.nrrd", "moving", "has none; give a segmentation of the fixed image"),
        ("none.nrrd", "fixed", "none.nrrd"),
    ):
        with pytest.raises(InputError, match=words):
            evaluate_dose(folder, record, str(folder.parent / file), side, "Gy")
    assert (folder / FILE).read_bytes() == before
    assert not list((folder / "maps").glob("dose*"))


def test_a_dicom_dose_of_another_frame_of_reference_is_refused(folder):
    pytest.importorskip("pydicom")
    from support.rt_dose import write_rt_dose

    dose = read_image(folder.parent / "dose.nrrd")
    path = write_rt_dose(folder.parent / "dose.dcm", dose.array.clip(0), dose.grid)
    other = write_rt_dose(
        folder.parent / "other.dcm", dose.array.clip(0), dose.grid, FrameOfReferenceUID="9.8.7"
    )
    series = folder.parent / "series"  # as a file manager leaves it
    series.mkdir()
    (series / ".DS_Store").touch()
    (series / "1.dcm").write_bytes(other.read_bytes())
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    for image in (series, other):  # any DICOM file tells its frame
        content["inputs"]["fixed"]["file"] = str(image)
        (folder / FILE).write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(InputError, match="another frame of reference"):
            evaluate_dose(folder, read_record(folder), str(path), "fixed")
    assert evaluate_dose(folder, read_record(folder), str(other), "fixed")["dose"]["rows"]


def test_cancelled_in_the_middle_nothing_is_changed(folder, capsys):
    before = (folder / FILE).read_bytes()
    (folder / "cancel").touch()
    dose = str(folder.parent / "dose.nrrd")
    code = main(
        ["evaluate", "dose", str(folder), "--dose", dose, "--unit", "Gy", "--side", "fixed"]
        + ["--progress", "none"]
    )
    assert code == 130 and (folder / FILE).read_bytes() == before
    assert "as it was" in capsys.readouterr().err
