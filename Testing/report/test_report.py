"""The report holds what the result says, in one file, and survives missing parts."""

import errno
import json
import re
from importlib.util import find_spec

import numpy as np
import pytest
from scipy import ndimage

from support.fake_dose import write_fake_dose
from support.fake_result import EXPECTED, write_fake_result
from support.phantoms import GRID_PAIRS, textured
from UncertainRegLib.__main__ import main
from UncertainRegLib.geometry import Image, read_image, write_image
from UncertainRegLib.report import summary
from UncertainRegLib.report.html import write_report
from UncertainRegLib.report.overlay import read_overlay
from UncertainRegLib.report.planes import PLANES, draw, plane_grid, png
from UncertainRegLib.report.summary import write_summary_picture
from UncertainRegLib.report.text import ROWS, in_words
from UncertainRegLib.results.reader import read_record
from UncertainRegLib.results.record import Record


@pytest.mark.parametrize("name", PLANES)
def test_planes_go_through_the_point_along_the_patient_axes(name):
    grid = GRID_PAIRS["oblique"][0]
    plane = plane_grid(grid, grid.center, name)
    index = plane.to_index(grid.center)
    assert index[2] == pytest.approx(0, abs=1e-6)
    assert (index[:2] > 0).all()
    assert (index[:2] < plane.size[:2]).all()
    assert np.allclose(np.abs(plane.direction).max(axis=0), 1)


def test_only_values_above_the_threshold_are_coloured():
    grid = GRID_PAIRS["identity"][0]
    fixed = textured(grid)
    values = np.zeros(grid.shape, np.float32)
    values[:, :, 24:] = 5.0
    values[:, :20, :] = np.nan
    picture = draw("axial", grid.center, fixed, Image(values, grid), (0, 5, 1)).astype(int)
    colourful = np.ptp(picture, axis=-1) > 30
    assert colourful[25:40, 30:].mean() > 0.9
    assert not colourful[:12].any()
    assert not colourful[25:40, :20].any()


def test_png_is_a_png():
    assert png(np.zeros((4, 5, 3), np.uint8)).startswith(b"\x89PNG")


def test_the_worst_place_is_never_in_the_noisy_air(tmp_path):
    folder = write_fake_result(tmp_path)
    path = folder / "result.json"
    record = json.loads(path.read_text("utf-8")) | {"labels": [], "warped_labels": None}
    path.write_text(json.dumps(record), "utf-8")
    fixed = read_image(folder / "fixed.nrrd")
    noise = np.random.default_rng(1).rayleigh(3.0, fixed.array.shape).astype(np.float32)
    # As MR has it: soft edges, noise all over; and the map is largest beside the patient.
    soft = ndimage.gaussian_filter(fixed.array, 1.0)
    body = soft > 10.0
    write_image(Image(soft + noise, fixed.grid), folder / "fixed.nrrd")
    name = folder / record["maps"]["expected_error_mm"]["file"]
    values = read_image(name).array.copy()
    values[~body] = 30.0 + noise[~body]
    write_image(Image(values, fixed.grid), name)
    overlay = read_overlay(folder, read_record(folder))
    i, j, k = np.round(fixed.grid.to_index(overlay.point)).astype(int)
    assert body[k, j, i]
    assert overlay.high < 10.0 and np.isnan(overlay.values.array[~body]).mean() > 0.9


def test_report_of_a_result(tmp_path):
    folder = write_fake_result(tmp_path / "result")
    text = write_report(folder).read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == 3
    assert not re.search(r'(src|href)="(?!data:)', text), "everything must be inside the page"
    for words in ("not the error", "For research use only", "Structures", "Landmarks", "sha256"):
        assert words in text


def test_the_report_is_titled_by_what_people_call_the_images(tmp_path):
    folder = write_fake_result(tmp_path / "result")
    assert "<h1>moving registered to fixed</h1>" in write_report(folder).read_text("utf-8")
    record = json.loads((folder / "result.json").read_text("utf-8"))
    record["inputs"]["fixed"]["name"] = "Schädel 1.5 T"
    text = _edit(folder, inputs=record["inputs"])
    assert "<h1>moving registered to Schädel 1.5 T</h1>" in text
    assert record["inputs"]["fixed"]["file"] in text.partition("How it was made")[2]


def test_a_picture_without_pillow_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("UncertainRegLib.report.summary.find_spec", lambda name: None)
    folder = write_fake_result(tmp_path / "result")
    assert main(["report", str(folder), "--picture", str(tmp_path / "page.png")]) == 1
    assert capsys.readouterr().err.startswith("Error: A summary picture needs the package Pillow")


@pytest.mark.parametrize("picture", [False, True])
def test_a_report_is_whole_or_as_it_was(tmp_path, monkeypatch, picture, capsys):
    """A full disk is one sentence with the name of the file, and leaves the old report."""
    folder = write_fake_result(tmp_path / "result")
    options = ["report", str(folder)]
    file = folder / "report.html"
    if picture:
        pytest.importorskip("PIL")
        file = tmp_path / "p.png"
        options += ["--picture", str(file)]
    assert main(options) == 0
    before, names = file.read_bytes(), {path.name for path in file.parent.iterdir()}

    def full(*names):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert main(options) == 1
    assert f"{file.name}: No space left on device." in capsys.readouterr().err
    assert file.read_bytes() == before
    assert {path.name for path in file.parent.iterdir()} == names


def test_summary_is_one_picture(tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    folder = write_fake_result(tmp_path / "result")
    assert main(["report", str(folder), "--picture", str(tmp_path / "page.png")]) == 0
    page = np.asarray(pillow.open(tmp_path / "page.png")).astype(int)
    assert page.shape[1] > 1500 and 800 < page.shape[0] < 1500
    black = (page[..., :3].max(-1) == 0).mean()
    assert 0.2 < black < 0.7, "three planes on black"
    planes = page[130:560, :1400]
    assert (np.ptp(planes, axis=-1) > 60).mean() > 0.02, "the map in colours"
    tables = page[700:, :]
    assert (tables.min(-1) < 100).mean() > 0.005, "numbers below"


def test_a_landmark_without_numbers_has_a_row_with_none(tmp_path):
    folder = write_fake_result(tmp_path)
    record = json.loads((folder / "result.json").read_text("utf-8"))
    names = ("mean_lps", "axes_mm", "u_mm", "tre_mm", "inside95", "expected_mm")
    record["landmarks"][0].update(dict.fromkeys(names), lost=6)
    record["landmarks"][1].update(expected_mm=2.5)
    (folder / "result.json").write_text(json.dumps(record), "utf-8")
    text = write_report(folder).read_text(encoding="utf-8")
    rows = re.findall(r"<tr>(<td>(?:apex|base).*?)</tr>", text)
    assert rows[0].count("<td>–</td>") == 3 and "<td>2.50</td>" in rows[1]
    pytest.importorskip("PIL")
    assert write_summary_picture(folder, tmp_path / "page.png").is_file()


def test_half_axes_of_ellipsoids_say_what_they_are(tmp_path):
    folder = write_fake_result(tmp_path, expected=False)
    text = write_report(folder).read_text(encoding="utf-8")
    assert "half-axes (mm)</th>" in text and "<td>±5.6 × ±2.8 × ±1.4</td>" in text
    headings, rows = summary._landmarks(read_record(folder).landmarks)
    assert "half-axes (mm)" in list(headings)[2] and rows[0][2] == "±5.6 x ±2.8 x ±1.4"


def test_summary_needs_a_map(tmp_path):
    folder = write_fake_result(tmp_path / "result")
    path = folder / "result.json"
    record = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(record | {"maps": {}}), "utf-8")
    with pytest.raises(ValueError, match="no map of disagreement"):
        write_summary_picture(folder)


def _edit(folder, **entries) -> str:
    """The report of a result with these entries."""
    path = folder / "result.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | entries), encoding="utf-8")
    return write_report(folder).read_text(encoding="utf-8")


def test_the_expected_error_comes_first_and_its_bound_with_it(tmp_path):
    folder = write_fake_result(tmp_path / "result")
    text = write_report(folder).read_text(encoding="utf-8")
    assert "<h2>Where the registration may be off</h2>" in text
    assert "The <b>expected error</b> is how far off" in text
    assert "The expected error is 1.6 mm on average." in text
    assert "within 2.0 times the value of its map, as found on" in text
    assert text.count("<th>Expected error (mm)</th><th>95 % bound (mm)</th>") == 2
    assert "<td>4.50</td>" in text  # 2.5 x 1.8 mm, across the boundary of the shell
    assert "<td>5.70 – 10.30</td>" in text  # 8 mL, and 0.8 x 16 cm² x 1.8 mm
    assert "<th>Within bound</th>" in text
    assert "1 of 1 true points lie within their 95 % bound." in text


@pytest.mark.parametrize(
    "entries",
    [
        {"expected_error": {**EXPECTED, "refused": "It does not follow."}},
        {"calibration": {"factor": None, "refused": "It does not follow."}},
    ],
)
def test_a_refused_bound_leaves_the_expected_error(tmp_path, entries):
    text = _edit(write_fake_result(tmp_path / "result"), **entries)
    assert text.count("No bound is stated: It does not follow.") == 1
    assert text.count("<th>Expected error (mm)</th>") == 2
    assert "95 % bound" not in text and "95 % interval" not in text
    assert "<td>7.20 – 8.80</td>" in text  # of the samples
    assert "The expected error is 1.6 mm on average." in text


def test_bound_and_verdict_are_stated(tmp_path):
    folder = write_fake_result(tmp_path / "result", expected=False)
    text = write_report(folder).read_text(encoding="utf-8")
    assert "95 % bound" not in text and "xpected error" not in text
    assert "Where the samples disagree" in text and "The disagreement is not calibrated" in text
    samples = json.loads((folder / "result.json").read_text("utf-8"))["samples"] | {
        "proposals": 1200,
        "ess_raw": 1.3,
        "ess_tempered": 600.0,
        "tempering_exponent": 0.01,
    }
    text = _edit(
        folder,
        calibration={"factor": 2.0, "refused": None},
        competence={"followed": {"1.0": 0.97, "10.0": 0.5}, "warnings": []},
        samples=samples,
    )
    assert text.count("95 % bound (mm)") == 2 and "<td>7.00</td>" in text  # 2 x 3.5 mm
    assert "97 % of 1 mm, 50 % of 10 mm" in text
    assert (
        "1.3 (raw effective number); flattened by the exponent 0.01, to keep more of them: 600"
        in text
    )
    for refused in ("It does not follow.", "It does not follow. No bound is stated."):  # as once
        text = _edit(folder, calibration={"factor": None, "refused": refused})
        assert "95 % bound (mm)" not in text and text.count("No bound is stated") == 1
        assert "No bound is stated: It does not follow.<" in text


def _moved(folder) -> dict:
    """The record of a result whose inputs, with a mask among them, are gone."""
    path = folder / "result.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["inputs"]["fixed_mask"] = {"file": str(folder / "mask.nrrd"), "sha256": "0" * 64}
    path.write_text(json.dumps(record), encoding="utf-8")
    for name in ("fixed", "moving", "labels"):
        (folder / f"{name}.nrrd").rename(folder / f"{name}.away")
    return record


def test_where_inputs_have_moved_the_report_says_so_and_shows_the_rest(tmp_path, capsys):
    folder = write_fake_result(tmp_path / "result")
    _moved(folder)
    (folder / "fixed.away").rename(folder / "warped_moving.nrrd")
    assert main(["report", str(folder)]) == 0
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == 3 and "Shell" in text and "apex" in text
    for name, instead in (("fixed", "registered moving image instead"), ("mask", "outside")):
        assert re.search(rf"\({name}: no such file.*?{instead}", text), name
    assert str(folder) not in text.partition("How it was made")[0]
    if not find_spec("PIL"):
        return
    assert main(["report", str(folder), "--picture", str(tmp_path / "page.png")]) == 0


def test_another_image_in_the_place_of_the_fixed_one_is_not_shown(tmp_path):
    folder = write_fake_result(tmp_path / "result")
    (folder / "fixed.nrrd").rename(folder / "warped_moving.nrrd")
    write_image(textured(GRID_PAIRS["identity"][0]), folder / "fixed.nrrd")
    assert "(fixed: is another image now.)" in write_report(folder).read_text(encoding="utf-8")


@pytest.mark.parametrize("gone", ["maps/expected_error_mm.nrrd", "fixed.nrrd"])
def test_a_report_goes_without_pictures_where_nothing_can_be_shown(tmp_path, gone):
    folder = write_fake_result(tmp_path / "result")
    (folder / gone).unlink()
    text = write_report(folder).read_text(encoding="utf-8")
    assert re.search(
        f"There are no pictures: .*{'warped_moving' if 'fixed' in gone else gone}.*: no such file",
        text,
    )
    assert "data:image" not in text and "Shell" in text


def test_the_terminal_leaves_out_empty_columns_and_says_which_rows_are_missing():
    row = {"label": 1, "name": "thalamus", "u_p50_mm": 1.0, "u_p95_mm": 2.0, "volume_ml": 3.0}
    text = in_words(Record.from_dict({"labels": [row] * ROWS}), "out")
    assert "Dice" not in text and "more structures" not in text
    rows = [row] * (ROWS + 3) + [{**row, "dice": 0.5}]
    text = in_words(Record.from_dict({"labels": rows}), "out")
    assert "Dice after" in text and "before" not in text
    assert "4 more structures are in out/result.json" in text.replace("\\", "/")


def test_the_report_has_the_dose_with_its_intervals(tmp_path):
    folder = write_fake_result(tmp_path / "result")
    assert "<h2>Dose</h2>" not in write_report(folder).read_text("utf-8")
    write_fake_dose(folder, file="plan.dcm")
    page = write_report(folder).read_text("utf-8")
    assert "plan, a dose of the moving image" in page and "V20 (%)" in page
    assert "<td>Core</td><td>40.0 (40.0 … 40.0)</td>" in page
    assert "lie near the lowest and the highest" in page
