"""The verdict: every row with its tolerance, its state and where it comes from; never PASS
without data."""

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk

from support.phantoms import smooth_field, textured
from UncertainRegLib.cli.main import main
from UncertainRegLib.geometry import DisplacementField, Grid, Image, warp, write_field, write_image
from UncertainRegLib.geometry.landmarks import write_points
from UncertainRegLib.jobs import Job, run
from UncertainRegLib.jobs.events import Silent
from UncertainRegLib.report.html import write_report
from UncertainRegLib.results.acceptance import (
    FAIL,
    NOT_VERIFIED,
    OVERALL,
    PASS,
    PRESETS,
    judged,
    read_tolerances,
    verdict,
)
from UncertainRegLib.results.decision import add_decision, made, read_decisions
from UncertainRegLib.results.reader import read_record
from UncertainRegLib.studies.acceptance import acceptance

GRID = Grid.from_spacing((24, 28, 32), (2.0, 2.0, 3.0), (10, 20, -5), np.diag([-1.0, -1.0, 1.0]))
TRUTH = smooth_field(GRID, 3.0)
SHIFT = np.float32([4.0, 0.0, 0.0])
POINTS = GRID.to_world(np.array([[15.0, 12, 10], [16, 14, 12], [8, 8, 8]]))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A pair with two structures and three landmarks, and the true registration."""
    folder = tmp_path_factory.mktemp("pair")
    moving = textured(GRID, seed=1)
    labels = np.zeros(GRID.shape, np.int16)
    labels[8:18, 8:20, 8:22] = 1
    labels[10:14, 10:15, 10:16] = 2
    write_image(moving, folder / "moving.nrrd")
    write_image(warp(moving, TRUTH, None), folder / "fixed.nrrd")
    write_image(Image(labels, GRID), folder / "moving_labels.nrrd")
    true = warp(Image(labels, GRID), TRUTH, 0, "nearest")
    write_image(true, folder / "fixed_labels.nrrd")
    write_points(["a", "b", "c"], POINTS, folder / "fixed_points.csv")
    write_points(["a", "b", "c"], TRUTH.map(POINTS), folder / "moving_points.csv")
    write_field(TRUTH, folder / "truth.nrrd")
    return folder


def judge(pair, out, field, *inputs, tolerances="tg132", inverse=None):
    """A run of a given transform, and its verdict."""
    file = pair / f"{out.name}.nrrd"
    write_field(field, file)
    job = Job(
        fixed=str(pair / "fixed.nrrd"),
        moving=str(pair / "moving.nrrd"),
        out=str(out),
        transform=[str(file)],
        inverse=[str(pair / inverse)] if inverse else [],
        backbone="known-field",
        parameters={"backbone": {"field": str(pair / "truth.nrrd")}},
        samples=2,
        label_names={"1": "Organ", "2": "Lesion"},
        **{name: str(pair / file) for name, file in inputs},
    )
    run(job, Silent())
    found = acceptance(out, read_record(out), read_tolerances(tolerances))
    return found, {(row.where, row.metric): row for row in found.rows}


LABELS = [(f"{side}_labels", f"{side}_labels.nrrd") for side in ("moving", "fixed")]
LANDMARKS = [(f"{side}_points", f"{side}_points.csv") for side in ("moving", "fixed")]


def test_the_truth_passes_with_zero_error(pair, tmp_path):
    found, rows = judge(pair, tmp_path / "out", TRUTH, *LABELS, *LANDMARKS)
    assert found.state == PASS and "Inverse consistency" in found.why
    assert rows[OVERALL, "tre_max_mm"].value == pytest.approx(0, abs=0.05)
    assert rows["Organ", "dice"].value == 1.0 and rows["Lesion", "mda_mm"].value == 0.0
    assert rows[OVERALL, "tre_mean_mm"].tolerance == 3.0  # the largest edge of a voxel
    assert rows[OVERALL, "inverse_consistency_mm"].state == NOT_VERIFIED


def test_four_mm_off_fail_where_they_should(pair, tmp_path):
    wrong = DisplacementField(TRUTH.vectors + SHIFT, GRID)
    found, rows = judge(pair, tmp_path / "out", wrong, *LABELS, *LANDMARKS)
    assert found.state == FAIL
    assert rows[OVERALL, "tre_mean_mm"].value == pytest.approx(4.0, abs=0.4)
    assert rows[OVERALL, "tre_mean_mm"].state == rows["Lesion", "dice"].state == FAIL
    assert rows["Organ", "jacobian_min"].state == PASS


def test_numbers_are_those_of_an_independent_program(pair, tmp_path):
    wrong = DisplacementField(TRUTH.vectors + SHIFT, GRID)
    _, rows = judge(pair, tmp_path / "out", wrong, *LABELS)
    true = sitk.ReadImage(str(pair / "fixed_labels.nrrd"))
    registered = sitk.ReadImage(str(tmp_path / "out" / "warped_labels.nrrd"))
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(true, sitk.Cast(registered, true.GetPixelID()))
    for label, name in ((1, "Organ"), (2, "Lesion")):
        assert rows[name, "dice"].value == pytest.approx(overlap.GetDiceCoefficient(label))
    contours = [sitk.LabelContour(one == 2) for one in (true, registered)]
    far = []
    for one, other in (contours, contours[::-1]):
        distance = sitk.SignedMaurerDistanceMap(other, squaredDistance=False, useImageSpacing=True)
        values = sitk.GetArrayFromImage(distance)[sitk.GetArrayFromImage(one) > 0]
        far += np.abs(values).tolist()
    assert rows["Lesion", "mda_mm"].value == pytest.approx(np.mean(far), abs=1e-4)


def test_folding_counts_inside_a_structure_only_where_it_is(pair, tmp_path):
    folded = TRUTH.vectors.copy()
    folded[11:13, 11:14, 12:14, 0] += 30.0  # in the lesion
    _, rows = judge(pair, tmp_path / "out", DisplacementField(folded, GRID), *LABELS)
    assert rows["Lesion", "jacobian_min"].state == rows["Lesion", "folding_percent"].state == FAIL
    assert rows["Lesion", "folding_percent"].value > rows[OVERALL, "folding_percent"].value > 0


def test_without_a_truth_nothing_passes(pair, tmp_path):
    found, rows = judge(pair, tmp_path / "out", TRUTH)
    assert found.state == NOT_VERIFIED and "truth" in found.why
    for metric in ("tre_mean_mm", "tre_max_mm", "mda_mm", "dice", "inverse_consistency_mm"):
        row = rows[OVERALL, metric]
        assert (row.state, row.value) == (NOT_VERIFIED, None) and "not verified" in row.source
    found, rows = judge(pair, tmp_path / "labels", TRUTH, LABELS[0])
    assert found.state == NOT_VERIFIED and rows["Lesion", "dice"].state == NOT_VERIFIED
    assert rows["Lesion", "jacobian_min"].state == PASS


def test_every_number_says_where_it_comes_from(pair, tmp_path):
    _, rows = judge(pair, tmp_path / "out", TRUTH, *LABELS, *LANDMARKS, inverse="truth.nrrd")
    assert "moving_points.csv" in rows[OVERALL, "tre_mean_mm"].source
    assert "fixed_labels.nrrd" in rows["Organ", "dice"].source
    assert "transform.nrrd" in rows["Organ", "jacobian_min"].source
    assert "back by truth.nrrd" in rows["Organ", "inverse_consistency_mm"].source
    assert rows["Organ", "inverse_consistency_mm"].value > 0
    assert "1 landmark of" in rows["Organ", "tre_max_mm"].source


def test_a_mistake_that_was_named_fails_without_any_truth(pair, tmp_path):
    found, rows = judge(pair, tmp_path / "out", DisplacementField(-TRUTH.vectors, GRID))
    assert found.state == FAIL
    assert "fits" in rows[OVERALL, "reading"].source


def test_an_input_that_has_changed_is_no_truth_any_more(pair, tmp_path):
    judge(pair, tmp_path / "out", TRUTH, *LABELS)
    record = read_record(tmp_path / "out")
    file = pair / "fixed_labels.nrrd"
    before = file.read_bytes()
    file.write_bytes(before + b" ")
    try:
        with pytest.raises(ValueError, match="has changed since the registration"):
            acceptance(tmp_path / "out", record, PRESETS["tg132"])
    finally:
        file.write_bytes(before)


@pytest.mark.parametrize(
    ("metric", "value", "tolerance", "state"),
    [
        ("dice", 0.8, 0.8, PASS),
        ("dice", 0.79, 0.8, FAIL),
        ("jacobian_min", 0.0, 0.0, FAIL),  # 0 is folding
        ("jacobian_min", 0.01, 0.0, PASS),
        ("tre_max_mm", 3.0, 3.0, PASS),
        ("tre_max_mm", None, 3.0, NOT_VERIFIED),
        ("volume_change_percent", 5.0, None, NOT_VERIFIED),
        ("volume_change_percent", 5.0, [-10.0, 0.0], FAIL),
        ("volume_change_percent", -5.0, [-10.0, 0.0], PASS),
    ],
)
def test_states(metric, value, tolerance, state):
    assert judged("Liver", metric, value, tolerance, "").state == state


def test_a_regular_jacobian_alone_is_no_pass():
    rows = [judged(OVERALL, "jacobian_min", 0.5, 0.0, ""), judged(OVERALL, "dice", None, 0.8, "")]
    assert verdict(rows)[0] == NOT_VERIFIED
    assert verdict(rows[1:])[0] == NOT_VERIFIED
    assert verdict([*rows, judged("Liver", "dice", 0.9, 0.8, "")])[0] == PASS
    assert verdict([])[0] == NOT_VERIFIED


def test_tolerances_of_a_file(tmp_path):
    file = tmp_path / "pelvis.json"
    file.write_text(
        '{"dice": 0.9, "tre_max_mm": 2, "volume_change_percent": {"Organ": [-5, 5]}}',
        encoding="utf-8",
    )
    found = read_tolerances(str(file))
    assert (found.name, found.dice, found.of("mda_mm", OVERALL, 2.5)) == ("pelvis", 0.9, 2.5)
    assert found.of("volume_change_percent", "Organ", 2.5) == [-5, 5]
    for text, words in {
        '{"dise": 1}': "unknown entries",
        "[1]": "unknown entries",
        "{": "not valid JSON",
        '{"dice": "high"}': "dice",
        '{"tre_max_mm": "small"}': "tre_max_mm is 'small'",
        '{"volume_change_percent": {"Organ": [5]}}': "volume change of Organ",
        '{"volume_change_percent": {"Organ": ["a", "b"]}}': "volume change of Organ",
        '{"volume_change_percent": {"Organ": [true, 5]}}': "volume change of Organ",
        '{"volume_change_percent": {"Organ": [-Infinity, 5]}}': "volume change of Organ",
        '{"dice": 80}': "dice is 80; give a number from 0 to 1",
        '{"dice": -1}': "dice is -1",
        '{"dice": NaN}': "dice is nan",
        '{"tre_mean_mm": Infinity}': "tre_mean_mm is inf; give a number not below 0, or 'voxel'",
        '{"mda_mm": -2}': "mda_mm is -2",
        '{"mda_mm": null}': "mda_mm is None",
    }.items():
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=words):
            read_tolerances(str(file))
    with pytest.raises(ValueError, match="stereotaxy"):
        read_tolerances("tg133")
    file.write_text('{"dice": 0.9}', encoding="utf-8-sig")  # as Windows' Notepad saves it
    assert read_tolerances(str(file)).dice == 0.9


def test_an_expected_volume_of_no_structure_is_named(pair, tmp_path):
    file = tmp_path / "pelvis.json"
    file.write_text('{"volume_change_percent": {"Bladder": [-5, 5]}}', encoding="utf-8")
    found, rows = judge(pair, tmp_path / "out", TRUTH, *LABELS, tolerances=str(file))
    row = rows["Bladder", "volume_change_percent"]
    assert row.state == NOT_VERIFIED and "no structure of that name" in row.source
    assert "Volume change (Bladder)" in found.why


def test_decisions_are_added_and_a_damaged_file_stays(tmp_path):
    add_decision(tmp_path, made("reject", "the cord is off", "", FAIL))
    add_decision(tmp_path, made("approve", "", "Ö. Çelik", PASS))
    found = read_decisions(tmp_path)
    assert [one.decision for one in found] == ["reject", "approve"]
    assert str(found[1]).startswith("Approved by Ö. Çelik on 20")
    with pytest.raises(ValueError, match="needs a reason"):
        made("restrict", "  ", "", "")
    with pytest.raises(ValueError, match="choose approve, restrict, reject"):
        made("maybe", "", "", "")
    (tmp_path / "decision.json").write_text('{"schema": "x", "decisions": []}', encoding="utf-8")
    with pytest.raises(ValueError, match="is damaged"):
        add_decision(tmp_path, made("approve", "", "", ""))


def test_the_command_line_writes_record_csv_and_decision_and_the_report_shows_them(
    pair, tmp_path, capsys
):
    out = tmp_path / "out"
    judge(pair, out, TRUTH, *LABELS, *LANDMARKS)
    asked = ["evaluate", "acceptance", str(out), "--progress", "none"]
    assert main([*asked, "--decide", "reject"]) == 1  # no reason
    assert not (out / "acceptance.csv").exists()
    assert main([*asked, "--tolerances", "stereotaxy", "--decide", "approve", "--name", "A"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("PASS: ") and "Approved by A" in said
    entry = read_record(out).acceptance
    assert entry.tolerances.tre_mean_mm == 1.0 and entry.voxel_mm == 3.0
    with open(out / "acceptance.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["state"] == PASS and len(rows) == len(entry.rows) + 1
    page = write_report(out).read_text(encoding="utf-8")
    for words in (
        "Approved by A",
        "Stereotaxy, 1 mm",
        "NOT VERIFIED",
        "worse than the disagreement",
    ):
        assert words in page
    assert json.loads((out / "decision.json").read_text(encoding="utf-8"))["decisions"]


def test_a_result_without_maps_is_not_judged(pair, tmp_path):
    judge(pair, tmp_path / "out", TRUTH)
    file = tmp_path / "out" / "result.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(content | {"maps": {}, "status": "partial"}), encoding="utf-8")
    with pytest.raises(ValueError, match="partial result without maps"):
        acceptance(tmp_path / "out", read_record(tmp_path / "out"), PRESETS["tg132"])
