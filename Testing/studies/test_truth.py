"""The study of known errors: twins, lists of pairs, rows, resuming, fitting, the command."""

import csv
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from support.phantoms import smooth_field, textured
from UncertainRegLib.__main__ import main
from UncertainRegLib.expected_error.model import ErrorModel
from UncertainRegLib.geometry import (
    DisplacementField,
    Grid,
    Image,
    invert,
    warp,
    warp_labels,
    write_image,
)
from UncertainRegLib.studies.judged import student_factor
from UncertainRegLib.studies.known_errors import _length, read_known
from UncertainRegLib.studies.truth import read_pairs
from UncertainRegLib.studies.twin import twin

GRID = Grid.from_spacing((22, 24, 26), (1.5, 1.5, 1.5), (-10, 5, 3))
SETTINGS = ["--samples", "3", "--backbone-settings", '{"affine": false}', "--progress", "none"]


def organ(grid=GRID):
    """Two structures side by side."""
    away = grid.points(np.zeros(0)) - grid.center
    inside = np.linalg.norm(away / (12, 10, 9), axis=-1) < 1
    return Image(np.where(inside, np.where(away[..., 0] > 0, 2, 1), 0).astype(np.int16), grid)


def write_pair(folder, number):
    """A textured organ, and the same deformed; paths as a list of pairs names them."""
    image = textured(GRID, seed=number)
    labels = organ()
    image = Image(image.array + 2.0 * (labels.array > 0), GRID)
    field = smooth_field(GRID, 1.0 + number % 3)
    files = {
        "fixed": (f"fixed{number}.nrrd", image),
        "moving": (f"moving{number}.nrrd", warp(image, field, outside=None)),
        "fixed_labels": (f"fixed{number}_labels.nrrd", labels),
        "moving_labels": (f"moving{number}_labels.nrrd", warp_labels(labels, field)),
    }
    for name, content in files.values():
        write_image(content, folder / name)
    return {role: name for role, (name, _) in files.items()}


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    rows = [
        {
            "pair": f"p{number}",
            "fixed_subject": f"a{number}",
            "moving_subject": f"b{number}",
            "split": "development" if number < 3 else "test",
            "twin": int(number == 0),
            **write_pair(folder, number),
        }
        for number in range(4)
    ]
    with open(folder / "pairs.csv", "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / "pairs.csv"


@pytest.fixture(scope="module")
def study(listed, tmp_path_factory):
    """Folder of a study that fitted a model to the first three pairs."""
    out = tmp_path_factory.mktemp("study")
    options = ["--fit", str(out / "model.json"), "--fitted-on", "three phantoms."]
    assert main(["evaluate", "truth", str(listed), "--out", str(out), *SETTINGS, *options]) == 0
    return out


def rows_of(study):
    with open(study / "rows.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_pair_is_judged_and_its_twin_beside(study):
    found = {(row["pair"], row["kind"]) for row in rows_of(study)}
    assert {(f"p{n}", kind) for n in range(4) for kind in ("boundary", "volume")} <= found
    assert ("p0", "simulated point") in found and ("p1", "simulated point") not in found
    expected = [row for row in rows_of(study) if row["map"] == "expected error"]
    assert all(0 <= float(row["within"]) <= 1 for row in expected)
    table = (study / "table.txt").read_text("utf-8")
    assert "development" in table and "within bound" in table


def test_the_model_is_that_of_the_development_pairs(study):
    model = ErrorModel.read(study / "model.json")
    assert model.fitted_on == "three phantoms."
    mine = [
        row
        for row in rows_of(study)
        if (row["split"], row["kind"], row["map"]) == ("development", "boundary", "expected error")
    ]
    within = np.mean([float(row["within"]) for row in mine])
    assert 0.85 <= within <= 1.0


def test_errors_are_those_of_the_registration(study):
    """A phantom that is deformed by 1 to 3 mm is found again to half a voxel."""
    errors = read_known(study / "known" / "p1.npz")
    assert 0.0 < np.abs(errors.across_mm).mean() < 0.75
    assert errors.voxel_mm == pytest.approx(1.5)
    assert len(errors.boundaries) == 2 and errors.volumes_ml.shape == (2, 2)
    assert np.isnan(errors.length_mm).all()
    twin_errors = read_known(study / "known" / "p0-twin.npz")
    assert bool(twin_errors.is_simulated) and np.isfinite(twin_errors.length_mm).all()
    inside = np.abs(twin_errors.across_mm) <= twin_errors.length_mm + 1.0  # a part of the whole
    assert inside.mean() > 0.9


def test_what_is_there_is_not_registered_again(study, listed, monkeypatch):
    from UncertainRegLib.studies import truth

    def refuse(*arguments):
        raise AssertionError("registered again")

    monkeypatch.setattr(truth, "known_errors", refuse)
    before = rows_of(study)
    options = ["--fit", str(study / "model.json"), "--fitted-on", "three phantoms."]
    assert main(["evaluate", "truth", str(listed), "--out", str(study), *SETTINGS, *options]) == 0
    assert rows_of(study) == before


def test_a_pair_that_fails_is_named_and_left_out(listed, tmp_path, monkeypatch, capsys):
    from UncertainRegLib.studies import truth

    whole = truth.known_errors

    def fail_once(job, *arguments):
        if job.fixed.endswith("fixed2.nrrd"):
            raise RuntimeError("no overlap")
        return whole(job, *arguments)

    monkeypatch.setattr(truth, "known_errors", fail_once)
    assert main(["evaluate", "truth", str(listed), "--out", str(tmp_path), *SETTINGS]) == 0
    assert {row["pair"] for row in rows_of(tmp_path)} == {"p0", "p1", "p3"}
    assert "p2 is left out" in capsys.readouterr().err


def test_a_list_with_faults_is_refused_before_anything_is_done(tmp_path):
    def written(text):
        (tmp_path / "pairs.csv").write_text(text, "utf-8")
        return tmp_path / "pairs.csv"

    with pytest.raises(ValueError, match="lacks moving_subject"):
        read_pairs(written("pair,fixed_subject,split,fixed,moving\na,b,c,d,e\n"))
    head = "pair,fixed_subject,moving_subject,split,fixed,moving\n"
    with pytest.raises(ValueError, match=r"a: no such file .*d\.nrrd"):
        read_pairs(written(head + "a,s,t,test,d.nrrd,e.nrrd\n"))
    with pytest.raises(ValueError, match="No such file"):
        read_pairs(tmp_path / "missing.csv")


def test_a_twin_is_the_moving_image_under_its_truth_where_nothing_else_differs():
    image = textured(GRID)
    field = smooth_field(GRID, 2.0)
    fixed = warp(image, field, outside=None)
    made, truth = twin(fixed, image, field, np.random.default_rng(1))
    away = np.linalg.norm(truth.vectors - field.vectors, axis=-1)
    assert away.mean() > 0.2  # it is another truth
    expected = warp(image, truth, outside=None)
    assert np.abs(made.array - expected.array).max() < 1e-3 * np.ptp(image.array)


def test_a_twin_differs_from_its_truth_as_much_as_the_real_pair():
    image = textured(GRID)
    noise = np.random.default_rng(5).normal(0.0, 0.3, GRID.shape)
    fixed = Image((1.4 * image.array + 0.2 + noise).astype(np.float32), GRID)
    none = DisplacementField(np.zeros((*GRID.shape, 3), np.float32), GRID)
    made, truth = twin(fixed, image, none, np.random.default_rng(1))
    left = made.array - (1.4 * warp(image, truth, outside=None).array + 0.2)
    assert 0.1 < left.std() < 0.35
    back, _ = invert(truth)
    assert np.isfinite(back.vectors).all()


def test_the_length_of_a_simulated_error_is_one_of_the_fixed_space():
    """Where a registration enlarges twice, what it is off by in the moving space is half of that
    in the fixed one, where landmarks and maps are."""
    double = (GRID.points(np.zeros(0)) - GRID.center).astype(np.float32)
    truth = DisplacementField(double, GRID)
    registration = DisplacementField(double + np.float32([1.5, 0.0, 0.0]), GRID)
    points = GRID.center + np.array([[0.0, 0.0, 0.0], [3.0, -2.0, 4.0]])
    assert _length(registration, truth, points) == pytest.approx(0.75, abs=1e-2)


def test_a_student_bound_holds_a_further_sample_along_an_axis():
    generator = np.random.default_rng(0)
    draws = generator.normal(size=(20_000, 9))
    samples, further = draws[:, :8], draws[:, 8]
    bound = student_factor(8) * samples.std(axis=1)
    assert (np.abs(further - samples.mean(axis=1)) <= bound).mean() == pytest.approx(0.95, abs=0.01)


def test_the_page_is_made_from_the_rows_beside_it():
    file = Path(__file__).parents[1] / "benchmarks" / "truth_report.py"
    spec = spec_from_file_location("truth_report", file)
    report = module_from_spec(spec)
    spec.loader.exec_module(report)
    assert report.PAGE.read_text(encoding="utf-8") == report.page()
