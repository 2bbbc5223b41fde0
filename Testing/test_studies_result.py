"""Validation and calibration of a result folder, as a run leaves it."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from phantoms import smooth_field, textured

from UncertainRegLib.__main__ import main
from UncertainRegLib.geometry import Grid, Image, invert_at, warp, warp_labels, write_image
from UncertainRegLib.geometry.landmarks import write_points
from UncertainRegLib.studies.result import validate

GRID = Grid.from_spacing((20, 22, 24), (1.5, 1.5, 1.5))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small run with true labels and landmarks: its folder and its job options."""
    folder = tmp_path_factory.mktemp("pair")
    moving, field = textured(GRID), smooth_field(GRID, 2.0)
    labels = np.zeros(GRID.shape, np.uint8)
    labels[6:14, 6:12, 6:16], labels[6:14, 12:17, 6:16] = 1, 4
    labels = Image(labels, GRID)
    points = GRID.to_world(np.random.default_rng(0).uniform(7, 14, (12, 3)))
    fixed_points, _ = invert_at(field, points)
    names = [str(n) for n in range(len(points))]
    options = []
    for name, image in (("moving", moving), ("fixed", warp(moving, field)),
                        ("moving-labels", labels), ("fixed-labels", warp_labels(labels, field))):
        write_image(image, folder / f"{name}.nrrd")
        options += [f"--{name}", str(folder / f"{name}.nrrd")]
    for name, where in (("moving-points", points), ("fixed-points", fixed_points)):
        write_points(names, where, folder / f"{name}.csv")
        options += [f"--{name}", str(folder / f"{name}.csv")]
    out = folder / "result"
    code = main(["run", *options, "--out", str(out), "--samples", "4", "--progress", "none"])
    assert code == 0
    return out


def record_of(folder) -> dict:
    return json.loads((folder / "result.json").read_text())


def table_of(file) -> list[dict]:
    with open(file, newline="") as stream:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(stream)]


def test_a_result_is_validated_with_numbers_and_curves(finished, capsys):
    assert main(["evaluate", "result", str(finished)]) == 0
    printed = capsys.readouterr().out
    record = record_of(finished)
    found = record["validation"]
    rows = [row for row in record["labels"] if row["dice"] is not None]
    assert found["labels"]["dice"] == pytest.approx(np.mean([r["dice"] for r in rows]), abs=1e-6)
    maps = found["labels"]["maps"]
    assert maps["one-hot"]["ece"] == pytest.approx(found["labels"]["mislabelled"])
    assert 0 <= maps["label entropy"]["ece"] <= maps["label entropy"]["mce"] <= 1
    tre = [row["tre_mm"] for row in record["landmarks"]]
    assert found["landmarks"]["count"] == 12
    assert found["landmarks"]["tre_mean_mm"] == pytest.approx(np.mean(tre))
    assert "12 landmarks" in printed and "ring AUROC" in printed
    for file in found["curves"]:
        assert table_of(finished / file)
    curve = table_of(finished / "validation" / "landmarks_sparsification.csv")
    assert curve[0]["remaining_error"] == pytest.approx(np.mean(tre), rel=1e-4)
    oracle = [row["oracle"] for row in curve]
    assert oracle == sorted(oracle, reverse=True)
    back = table_of(finished / "validation" / "landmarks_risk_coverage.csv")
    assert back[-1]["coverage"] == 1 and back[-1]["risk"] == curve[0]["remaining_error"]
    diagram = table_of(finished / "validation" / "reliability.csv")
    ece = sum(r["voxels"] * abs(r["confidence"] - r["accuracy"]) for r in diagram)
    assert ece / sum(r["voxels"] for r in diagram) == pytest.approx(
        maps["label entropy"]["ece"], rel=1e-4)


def test_a_calibration_is_stored_in_the_result(finished, capsys):
    code = main(["evaluate", "calibrate", str(finished), "--warps", "2", "--progress", "json"])
    assert code == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    steps = [line for line in lines if line["event"] == "sample"]
    assert steps[-1]["finished"] == steps[-1]["asked"] == 1 + 4 + 2 * (1 + 4)
    assert lines[-1]["event"] == "finished"
    entry = record_of(finished)["calibration"]
    assert {"factor", "level", "warps", "coverage_check", "competence", "refused",
            "warning"} <= set(entry)
    assert (entry["factor"] is None) == (entry["refused"] is not None)
    if entry["factor"] is not None:
        assert 0 <= entry["landmarks_within"] <= 1
    # whoever was validated before, or is validated again, learns it
    assert record_of(finished)["validation"]["landmarks"]["bound_coverage"] == \
        entry["landmarks_within"]


def test_a_calibration_says_what_it_found(finished, capsys):
    assert main(["evaluate", "calibrate", str(finished), "--warps", "2"]) == 0
    printed = capsys.readouterr().out
    entry = record_of(finished)["calibration"]
    assert f"lie within {entry['factor']:.2f} times the uncertainty" in printed
    assert f"{100 * entry['landmarks_within']:.0f} % of the true landmarks" in printed


def test_a_calibration_can_be_cancelled_and_leaves_the_result_as_it_was(finished, capsys):
    before = (finished / "result.json").read_text()
    (finished / "cancel").touch()
    code = main(["evaluate", "calibrate", str(finished), "--warps", "2", "--progress", "json"])
    lines = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert code == 130 and lines == ["started", "sample"]
    assert (finished / "result.json").read_text() == before
    assert not (finished / "cancel").exists()


def test_a_validation_can_be_cancelled_and_leaves_the_result_as_it_was(finished):
    before = (finished / "result.json").read_text()
    (finished / "cancel").touch()
    assert main(["evaluate", "result", str(finished)]) == 130
    assert (finished / "result.json").read_text() == before
    assert not (finished / "cancel").exists()


def test_label_probabilities_are_broadened_by_what_a_calibration_found_missing(finished, tmp_path):
    record = record_of(finished)
    record["calibration"] = {"factor": None, "missing_mm": 1.0}
    for item in finished.iterdir():
        if item.name != "result.json":
            (tmp_path / item.name).symlink_to(item)
    maps = validate(tmp_path, record)["labels"]["maps"]
    assert maps["label entropy, broadened"]["ece"] != maps["label entropy"]["ece"]
    record["calibration"] = {"factor": None, "missing_mm": None}
    assert "label entropy, broadened" not in validate(tmp_path, record)["labels"]["maps"]


def test_a_result_without_truth_cannot_be_validated(finished, tmp_path, capsys):
    record = record_of(finished)
    for name in ("fixed_labels", "fixed_points"):
        del record["inputs"][name]
    (tmp_path / "result.json").write_text(json.dumps(record))
    assert main(["evaluate", "result", str(tmp_path)]) == 1
    assert "--fixed-labels or --fixed-points" in capsys.readouterr().err


@pytest.mark.parametrize(("change", "words"), [
    ({"status": "partial"}, "run it to the end first"),
    ({"inputs": "changed"}, "has changed since"),
])
def test_a_result_that_cannot_be_calibrated_is_refused(finished, tmp_path, capsys, change, words):
    record = record_of(finished)
    if change.get("inputs") == "changed":
        record["inputs"]["fixed"]["sha256"] = "0" * 64
    else:
        record.update(change)
    (tmp_path / "result.json").write_text(json.dumps(record))
    assert main(["evaluate", "calibrate", str(tmp_path), "--progress", "none"]) == 1
    assert words in capsys.readouterr().err
