"""The section "Dose", clicked in the real panel, with a worker that pretends."""

import csv

import numpy as np
import pytest

from support import ROOT
from support.fake_result import write_fake_result
from support.panel import run_until


@pytest.fixture
def panel(widget, tmp_path, monkeypatch):
    """The panel with a result, and the section open."""
    import slicer
    import UncertainRegParts.worker.task

    from UncertainRegLib.scene.result import load_result

    stub = ROOT / "Testing" / "support" / "stub_evaluate.py"
    monkeypatch.setattr(UncertainRegParts.worker.task, "workerScript", lambda: stub)
    widget.ui.doseCollapsibleButton.collapsed = False
    load_result(write_fake_result(tmp_path / "result"), slicer.mrmlScene)
    widget.results.refresh()
    return widget


@pytest.fixture
def dose(panel):
    """A dose volume without a unit."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Plan 1")
    slicer.util.updateVolumeFromArray(node, np.full((4, 5, 6), 30.0, np.float32))
    return node


def see(host, panel) -> str:
    panel.ui.doseButton.click()
    evaluating = panel.results.dose._evaluating
    assert not panel.ui.doseButton.enabled and panel.ui.doseCancelButton.visible
    run_until(host, lambda: not evaluating.isActive)
    return evaluating.evaluation.state


def test_a_dose_without_a_unit_is_asked_for_one(panel, dose):
    ui = panel.ui
    assert not ui.doseButton.enabled
    ui.doseSelector.setCurrentNode(dose)
    assert not ui.doseButton.enabled
    assert "“Plan 1” does not say its unit" in ui.doseStatusLabel.text
    ui.doseUnitComboBox.currentIndex = ui.doseUnitComboBox.findData("cGy")
    assert ui.doseButton.enabled and not ui.doseStatusLabel.visible


def test_a_dose_that_says_its_unit_is_believed(panel, dose):
    import slicer

    units = slicer.vtkCodedEntry()
    units.SetValueSchemeMeaning("GY", "UCUM", "Gray")
    dose.SetVoxelValueUnits(units)
    panel.ui.doseSelector.setCurrentNode(dose)
    assert panel.ui.doseUnitComboBox.currentData == "Gy" and panel.ui.doseButton.enabled


def test_table_maps_and_histogram_of_a_dose(panel, host, dose, monkeypatch, tmp_path):
    import slicer
    import UncertainRegParts.sections.tables as section

    ui = panel.ui
    assert not ui.doseTable.visible
    ui.doseSelector.setCurrentNode(dose)
    ui.doseUnitComboBox.currentIndex = 1
    assert see(host, panel) == "complete"
    assert ui.doseButton.text == "See the dose through the samples"
    assert [ui.doseTable.item(row, 0).text() for row in (0, 1)] == ["Shell", "Core"]
    assert ui.doseTable.item(1, 1).text() == "40.0"
    assert "5 and 95 % of 6 samples" in ui.doseLabel.text
    assert "Expected dose (Gy)" in [ui.mapComboBox.itemText(n) for n in range(ui.mapComboBox.count)]
    result = panel.results.result
    ui.histogramCheckBox.checked = True
    selection = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    assert selection.GetActivePlotChartID() == result.dose_chart.GetID()
    ui.doseTable.selectRow(1)
    panel.results.dose._onRow(1, 0)
    assert result.dose_chart.GetTitle() == "Dose-volume histogram: Core"
    series = slicer.mrmlScene.GetNodeByID(result.dose_chart.GetNthPlotSeriesNodeID(0))
    assert series.GetYColumnName() == "Core: registered_percent"
    assert (
        series.GetTableNode().GetTable().GetColumnByName(series.GetYColumnName()).GetValue(1) == 60
    )
    ui.histogramCheckBox.checked = False
    monkeypatch.setattr(section, "askForPath", lambda name, kind: str(tmp_path / name))
    ui.doseCsvButton.click()
    with open(tmp_path / "dose.csv", encoding="utf-8") as file:
        assert next(csv.reader(file))[:2] == ["Structure", "Dmean (Gy)"]


def test_a_worker_that_fails_says_why(panel, host, dose, monkeypatch):
    monkeypatch.setenv("STUB", "fail")
    panel.ui.doseSelector.setCurrentNode(dose)
    panel.ui.doseUnitComboBox.currentIndex = 1
    assert see(host, panel) == "failed"
    assert "has changed since the registration" in panel.ui.doseStatusLabel.text


def test_structures_of_the_users_own_are_written(panel, host, dose):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Organs")
    node.CreateDefaultDisplayNodes()
    result = panel.results.result
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    slicer.util.updateVolumeFromArray(labels, np.ones((4, 5, 6), np.int16))
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(labels, node)
    panel.ui.doseSelector.setCurrentNode(dose)
    panel.ui.doseUnitComboBox.currentIndex = 1
    panel.ui.doseStructuresSelector.setCurrentNode(node)
    assert see(host, panel) == "complete"
    from pathlib import Path

    assert (Path(result.folder) / "dose" / "structures.seg.nrrd").exists()
