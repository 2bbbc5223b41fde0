"""Validation and calibration of a result folder, as a run leaves it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from UncertainRegLib.__main__ import __file__ as MAIN
from UncertainRegLib.__main__ import main
from UncertainRegLib.geometry import Grid
from UncertainRegLib.posterior.points import landmark_table
from UncertainRegLib.results.record import Record
from UncertainRegLib.studies.validation import validate

GRID = Grid.from_spacing((20, 22, 24), (1.5, 1.5, 1.5))


def record_of(folder) -> dict:
    return json.loads((folder / "result.json").read_text("utf-8"))


def table_of(file) -> list[dict]:
    with open(file, encoding="utf-8", newline="") as stream:
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
    assert 0 < maps["displacement_entropy"]["ause"] < 1  # AUSE_disp of Structured SIR
    assert 0 < found["labels"]["ece_per_label"] < 1 and found["labels"]["ece_per_label_sd"] >= 0
    assert f"each label {found['labels']['ece_per_label']:.3f}" in printed
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
        maps["label entropy"]["ece"], rel=1e-4
    )


def test_a_perfect_sampler_has_a_perfect_curve_of_ellipsoids(finished):
    """Eight samples and the truth of one Gaussian; chi-squared would hold 66 of 95 %."""
    content = json.loads((finished / "result.json").read_text("utf-8"))
    draws = np.random.default_rng(6).normal(size=(9, 3000, 3))
    names = [str(number) for number in range(3000)]
    content["landmarks"] = landmark_table(draws[1:], draws[0], names, draws[0])
    content["samples"].update(finished=8, effective=8.0)
    (finished / "result.json").write_text(json.dumps(content), "utf-8")
    assert main(["evaluate", "result", str(finished)]) == 0
    curve = table_of(finished / "validation" / "ellipsoids.csv")
    for point in curve:
        assert point["observed"] == pytest.approx(point["nominal"], abs=0.03)
    inside = record_of(finished)["validation"]["landmarks"]["inside95"]
    assert curve[94]["observed"] == pytest.approx(inside, abs=1e-3)


def test_a_landmark_without_an_answer_is_not_judged(finished):
    content = json.loads((finished / "result.json").read_text("utf-8"))
    names = ("mean_lps", "u_mm", "axes_mm", "tre_mm", "mahalanobis", "inside95")
    content["landmarks"][0].update(dict.fromkeys(names))
    content["landmarks"][1].update(tre_mm=None)  # the registration alone has none there
    (finished / "result.json").write_text(json.dumps(content), "utf-8")
    assert main(["evaluate", "result", str(finished)]) == 0
    tre = [row["tre_mm"] for row in content["landmarks"][2:]]
    found = record_of(finished)["validation"]["landmarks"]
    assert found["count"] == 10 and found["tre_mean_mm"] == pytest.approx(np.mean(tre))


def test_a_calibration_is_stored_in_the_result(finished, capsys):
    assert main(["evaluate", "result", str(finished), "--progress", "json"]) == 0
    capsys.readouterr()
    code = main(["evaluate", "calibrate", str(finished), "--warps", "2", "--progress", "json"])
    assert code == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    steps = [line for line in lines if line["event"] == "sample"]
    assert steps[-1]["finished"] == steps[-1]["asked"] == 1 + 4 + 2 * (1 + 4)
    assert lines[-1]["event"] == "finished"
    entry = record_of(finished)["calibration"]
    assert {
        "factor",
        "level",
        "warps",
        "coverage_check",
        "competence",
        "refused",
        "warning",
    } <= set(entry)
    assert (entry["factor"] is None) == (entry["refused"] is not None)
    if entry["factor"] is not None:
        assert 0 <= entry["landmarks_within"] <= 1
    # whoever was validated before, or is validated again, learns it
    assert (
        record_of(finished)["validation"]["landmarks"]["bound_coverage"]
        == entry["landmarks_within"]
    )


def test_a_calibration_says_what_it_found(finished, capsys):
    assert main(["evaluate", "calibrate", str(finished), "--warps", "2"]) == 0
    printed = capsys.readouterr().out
    entry = record_of(finished)["calibration"]
    assert "times the value of its map" in printed
    within = f"{100 * entry['expected_within']:.0f} % of the errors lay within this bound"
    assert f"On 2 known deformations of the fixed image, {within}" in printed
    assert (f"widened by a factor of {entry['wider']:.2f}" in printed) is (entry["wider"] > 1)
    assert f"The deformations were of {entry['amplitude_mm']:.1f} mm." in printed
    assert f"{100 * entry['landmarks_within']:.0f} % of the true landmarks" in printed


def test_without_an_expected_error_a_calibration_finds_the_bound(finished, capsys, monkeypatch):
    from UncertainRegLib.studies import calibration

    entry = {"factor": 2.0, "coverage_check": 0.94, "amplitude_mm": 3.1, "warning": "Smooth."}
    monkeypatch.setattr(calibration, "calibrate", lambda *arguments: dict(entry))
    record = record_of(finished)
    del record["expected_error"]
    (finished / "result.json").write_text(json.dumps(record), "utf-8")
    assert main(["evaluate", "calibrate", str(finished), "--progress", "none"]) == 0
    within = record_of(finished)["calibration"]["landmarks_within"]
    assert capsys.readouterr().out.splitlines() == [
        "On simulated deformations of this image, 95 % of the voxels had an error below 2.00 times "
        "the disagreement (94 % when each was checked by the others).",
        f"{100 * within:.0f} % of the true landmarks lie within the bound.",
        "The deformations were of 3.1 mm. Smooth.",
    ]


def test_what_a_run_refused_no_calibration_lifts(finished, capsys):
    record = record_of(finished)
    record["expected_error"]["refused"] = "It is stuck."
    text = json.dumps(record)
    (finished / "result.json").write_text(text, "utf-8")
    assert main(["evaluate", "calibrate", str(finished), "--progress", "none"]) == 3
    said = capsys.readouterr()
    assert said.err.splitlines() == ["Refused: No bound is stated: It is stuck."] and not said.out
    assert (finished / "result.json").read_text("utf-8") == text, "at once, without registrations"


def test_a_calibration_can_be_cancelled_and_leaves_the_result_as_it_was(finished, capsys):
    before = (finished / "result.json").read_text("utf-8")
    (finished / "cancel").touch()
    code = main(["evaluate", "calibrate", str(finished), "--warps", "2", "--progress", "json"])
    lines = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert code == 130 and lines == ["started", "sample"]
    assert (finished / "result.json").read_text("utf-8") == before
    assert not (finished / "cancel").exists()


def test_a_validation_can_be_cancelled_and_leaves_the_result_as_it_was(finished):
    before = (finished / "result.json").read_text("utf-8")
    (finished / "cancel").touch()
    assert main(["evaluate", "result", str(finished)]) == 130
    assert (finished / "result.json").read_text("utf-8") == before
    assert not (finished / "cancel").exists()


def test_label_probabilities_are_broadened_by_what_a_calibration_found_missing(finished):
    record = record_of(finished)
    record["calibration"] = {"factor": None, "missing_mm": 1.0}
    maps = validate(finished, Record.from_dict(record))["labels"]["maps"]
    assert maps["label entropy, broadened"]["ece"] != maps["label entropy"]["ece"]
    record["calibration"] = {"factor": None, "missing_mm": None}
    maps = validate(finished, Record.from_dict(record))["labels"]["maps"]
    assert "label entropy, broadened" not in maps


def test_a_result_without_truth_cannot_be_validated(finished, tmp_path, capsys):
    record = record_of(finished)
    for name in ("fixed_labels", "fixed_points"):
        del record["inputs"][name]
    (tmp_path / "result.json").write_text(json.dumps(record), "utf-8")
    assert main(["evaluate", "result", str(tmp_path)]) == 1
    assert "--fixed-labels or --fixed-points" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "failed", "error": "The GPU is gone."}, "a failed result (The GPU is gone.)"),
        ({"status": "partial", "maps": {}, "warped_labels": None}, "without a map of disagreement"),
    ],
)
def test_a_result_without_a_map_is_not_judged(finished, tmp_path, capsys, change, words):
    record = {**record_of(finished), **change}
    (tmp_path / "result.json").write_text(json.dumps(record), encoding="utf-8")
    assert main(["evaluate", "result", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error
    assert record_of(tmp_path) == record


@pytest.mark.parametrize("progress", ["none", "bar"])
def test_tables_and_warnings_are_said_without_progress_too(finished, capsys, progress):
    assert main(["evaluate", "result", str(finished), "--progress", progress]) == 0
    assert "12 landmarks" in capsys.readouterr().out
    inputs = record_of(finished)["inputs"]
    files = [f"--{name}={inputs[name]['file']}" for name in ("fixed", "moving")]
    out = finished.parent / progress
    assert main(["run", *files, "--out", str(out), "--samples", "2", "--progress", progress]) == 0
    said = capsys.readouterr()
    assert "Complete: 2 of 2 samples" in said.out
    assert "Warning: Only 2 samples: the map is noisy; use 16 or more." in said.err
    assert ("Registering with" in said.err) == (progress == "bar")


def test_a_preflight_is_answered_without_progress_too(finished, tmp_path, capsys):
    inputs = record_of(finished)["inputs"]
    files = [f"--{name}={inputs[name]['file']}" for name in ("fixed", "moving")]
    assert (
        main(["run", *files, "--out", str(tmp_path / "out"), "--preflight", "--progress", "none"])
        == 0
    )
    assert capsys.readouterr().out.startswith("Running on cpu; about ")


@pytest.mark.parametrize("progress", ["none", "bar", "json"])
def test_a_refused_calibration_has_words_and_an_exit_code(
    finished, tmp_path, capsys, monkeypatch, progress
):
    from UncertainRegLib.studies import calibration

    def refuse(*arguments):
        return {"factor": None, "refused": "It does not follow.", "warning": ""}

    monkeypatch.setattr(calibration, "calibrate", refuse)
    (tmp_path / "result.json").write_text(json.dumps(record_of(finished)), encoding="utf-8")
    assert main(["evaluate", "calibrate", str(tmp_path), "--progress", progress]) == 3
    said, sentence = capsys.readouterr(), "No bound is stated: It does not follow."
    if progress == "json":
        events = [json.loads(line) for line in said.out.splitlines()]
        assert {"event": "refused", "text": sentence} in events and not said.err
    else:
        assert said.err.splitlines() == [f"Refused: {sentence}"] and not said.out
    assert record_of(tmp_path)["calibration"]["refused"] == "It does not follow."


def test_a_terminal_without_the_characters_is_no_failure(finished):
    done = subprocess.run(
        [sys.executable, MAIN, "evaluate", "result", str(finished)],
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (
        0,
        b"Comparing with the truth\n".replace(b"\n", os.linesep.encode()),
    )
    done = subprocess.run(
        [sys.executable, MAIN, "run", "--help"],
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "partial"}, "run it to the end first"),
        ({"inputs": "changed"}, "has changed since"),
    ],
)
def test_a_result_that_cannot_be_calibrated_is_refused(finished, tmp_path, capsys, change, words):
    record = record_of(finished)
    if change.get("inputs") == "changed":
        record["inputs"]["fixed"]["sha256"] = "0" * 64
    else:
        record.update(change)
    (tmp_path / "result.json").write_text(json.dumps(record), "utf-8")
    assert main(["evaluate", "calibrate", str(tmp_path), "--progress", "none"]) == 1
    assert words in capsys.readouterr().err
