"""The section "Acceptance", clicked in the real panel, with a worker that pretends."""

import csv
import json
import shutil

import pytest

from support import ROOT
from support.fake_result import write_fake_result
from support.panel import run_until


@pytest.fixture
def folder(tmp_path):
    return write_fake_result(tmp_path / "result")


@pytest.fixture
def panel(widget, folder, monkeypatch):
    """The panel with a result, and the section open."""
    import slicer
    import UncertainRegParts.worker.task

    from UncertainRegLib.scene.result import load_result

    stub = ROOT / "Testing" / "support" / "stub_evaluate.py"
    monkeypatch.setattr(UncertainRegParts.worker.task, "workerScript", lambda: stub)
    assert widget.ui.acceptanceCollapsibleButton.collapsed  # nothing unasked
    widget.ui.acceptanceCollapsibleButton.collapsed = False
    load_result(folder, slicer.mrmlScene)
    widget.results.refresh()
    return widget


def judge(host, panel) -> str:
    panel.ui.judgeButton.click()
    evaluating = panel.results.acceptance._evaluating
    assert not panel.ui.judgeButton.enabled
    run_until(host, lambda: not evaluating.isActive)
    return evaluating.evaluation.state


def table(ui) -> dict[tuple[str, str], str]:
    widget = ui.acceptanceTable
    return {
        (widget.item(row, 0).text(), widget.item(row, 1).text()): widget.item(row, 2).text()
        for row in range(widget.rowCount)
    }


def choose(combo, name: str) -> None:
    combo.currentIndex = combo.findData(name)


def test_a_verdict_is_shown_with_tolerance_state_and_source(panel, host):
    ui = panel.ui
    assert not ui.acceptanceTable.visible and not ui.acceptanceLabel.visible
    assert judge(host, panel) == "complete"
    assert ui.judgeButton.enabled and ui.judgeButton.text == "Judge the registration"
    assert "<b>PASS</b> (AAPM TG-132)" in ui.acceptanceLabel.text
    assert "Not verified: Inverse consistency, mean (Overall)" in ui.acceptanceLabel.text
    found = table(ui)
    assert found[("Overall", "TRE, mean")] == "PASS"
    assert found[("Overall", "Inverse consistency, mean")] == "NOT VERIFIED"
    assert ui.acceptanceTable.item(0, 5).text() == "at most 3 mm"
    assert ui.acceptanceTable.item(0, 6).text() == "made for a test"


def test_the_tolerances_are_chosen_or_read(panel, host, tmp_path):
    ui = panel.ui
    choose(ui.tolerancesComboBox, "stereotaxy")
    assert judge(host, panel) == "complete"
    assert "<b>FAIL</b> (Stereotaxy, 1 mm)" in ui.acceptanceLabel.text
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"name": "Pelvis", "dice": 0.95}), encoding="utf-8")
    ui.tolerancesPathLineEdit.currentPath = str(file)
    assert judge(host, panel) == "complete"
    assert "(Pelvis)" in ui.acceptanceLabel.text and "Dice (Core)" in ui.acceptanceLabel.text


def test_a_worker_that_fails_says_why_and_the_table_stays(panel, host, monkeypatch):
    judge(host, panel)
    before = table(panel.ui)
    monkeypatch.setenv("STUB", "fail")
    assert judge(host, panel) == "failed"
    assert "has changed since the registration" in panel.ui.judgeStatusLabel.text
    assert table(panel.ui) == before


def test_a_decision_is_kept_beside_the_result_and_the_last_one_counts(panel, host, folder):
    from UncertainRegLib.results.decision import read_decisions

    ui = panel.ui
    judge(host, panel)
    choose(ui.decisionComboBox, "restrict")
    assert not ui.decideButton.enabled  # without a reason
    ui.reasonLineEdit.text = "only above the diaphragm"
    ui.deciderLineEdit.text = "M. Curie"
    assert ui.decideButton.enabled
    ui.decideButton.click()
    assert "Approved with a restriction by M. Curie" in ui.decisionLabel.text
    choose(ui.decisionComboBox, "approve")
    ui.decideButton.click()
    found = read_decisions(folder)
    assert [one.decision for one in found] == ["restrict", "approve"]
    assert found[0].reason == "only above the diaphragm" and found[0].verdict == "PASS"
    assert ui.decisionLabel.text.startswith("Approved by M. Curie")


def test_the_table_is_saved(panel, host, monkeypatch, tmp_path):
    import UncertainRegParts.sections.tables as section

    judge(host, panel)
    monkeypatch.setattr(section, "askForPath", lambda name, kind: str(tmp_path / name))
    panel.ui.acceptanceCsvButton.click()
    with open(tmp_path / "acceptance.csv", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["Where", "Metric", "State", "Value", "Unit", "Tolerance", "Source"]
    assert len(rows) == 5


def test_verdict_and_decision_come_back_with_the_scene_without_the_folder(
    panel, host, folder, tmp_path
):
    import slicer

    from UncertainRegLib.scene.bundle import read_bundle, write_bundle

    ui, scene = panel.ui, slicer.mrmlScene
    judge(host, panel)
    choose(ui.decisionComboBox, "reject")
    ui.reasonLineEdit.text = "the lesion is off"
    ui.decideButton.click()
    shown = table(ui), ui.acceptanceLabel.text, ui.decisionLabel.text
    write_bundle(scene, tmp_path / "scene.mrb")
    scene.Clear()
    shutil.rmtree(folder)
    read_bundle(tmp_path / "scene.mrb", scene)
    panel.results.refresh()
    assert (table(ui), ui.acceptanceLabel.text, ui.decisionLabel.text) == shown
    assert "the lesion is off" in ui.decisionLabel.text
    assert not ui.judgeButton.enabled and not ui.decideButton.enabled
    assert "are gone" in ui.judgeStatusLabel.text


def test_a_damaged_decision_is_never_replaced(panel, host, folder):
    import slicer

    (folder / "decision.json").write_text("{", encoding="utf-8")
    said = []
    error = slicer.util.errorDisplay
    slicer.util.errorDisplay = said.append
    try:
        panel.ui.decideButton.click()
    finally:
        slicer.util.errorDisplay = error
    assert len(said) == 1 and "is damaged" in said[0]
    assert (folder / "decision.json").read_text(encoding="utf-8") == "{"
