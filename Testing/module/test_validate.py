"""The section "Validate", clicked in the real panel, with a worker that pretends."""

import json
import shutil

import pytest

from support import ROOT
from support.fake_result import write_fake_result
from support.fake_validation import FACTOR, WIDER, write_fake_calibration, write_fake_validation
from support.panel import exists, run_until


@pytest.fixture
def folder(tmp_path):
    """A result folder that names a true segmentation."""
    made = write_fake_result(tmp_path / "result")
    path = made / "result.json"
    record = json.loads(path.read_text("utf-8"))
    record["inputs"]["fixed_labels"] = record["inputs"]["moving_labels"]
    path.write_text(json.dumps(record), "utf-8")
    return made


@pytest.fixture
def panel(widget, folder, monkeypatch):
    """The panel with that result, and the section open."""
    import slicer
    import UncertainRegParts.worker.task

    from UncertainRegLib.scene.result import load_result

    stub = ROOT / "Testing" / "support" / "stub_evaluate.py"
    monkeypatch.setattr(UncertainRegParts.worker.task, "workerScript", lambda: stub)
    assert widget.ui.validateCollapsibleButton.collapsed  # nothing unasked
    widget.ui.validateCollapsibleButton.collapsed = False
    load_result(folder, slicer.mrmlScene)
    widget.results.refresh()
    return widget


def evaluation(panel):
    return panel.results.validate.evaluating.evaluation


def finish(host, panel) -> str:
    run_until(host, lambda: not evaluation(panel).isActive)
    return evaluation(panel).state


def table(ui) -> dict[str, str]:
    return {
        ui.validationTable.item(row, 0).text(): ui.validationTable.item(row, 1).text()
        for row in range(ui.validationTable.rowCount)
    }


def test_the_truth_is_compared_with_and_its_numbers_are_shown(panel, host):
    ui = panel.ui
    assert not ui.validationTable.visible and not ui.showPlotCheckBox.visible
    assert ui.validateButton.visible and not ui.validateLabel.visible
    ui.validateButton.click()
    assert ui.validateRunningWidget.visible and not ui.calibrateButton.enabled
    assert finish(host, panel) == "complete"
    assert not ui.validateRunningWidget.visible and ui.calibrateButton.enabled
    found = table(ui)
    assert found["Dice"] == "0.750" and found["TRE, mean"] == "1.5"
    assert found["In the samples' ellipsoid"] == "70.0"
    titles = [ui.plotComboBox.itemText(n) for n in range(ui.plotComboBox.count)]
    assert titles == [
        "Landmarks: risk and coverage",
        "Landmarks: sparsification",
        "Landmarks: ellipsoids",
        "Labels: reliability",
    ]


def test_a_plot_is_shown_only_when_asked_and_the_layout_comes_back(panel, host):
    import slicer

    ui, scene = panel.ui, slicer.mrmlScene
    layout = scene.AddNewNodeByClass("vtkMRMLLayoutNode")
    layout.SetViewArrangement(layout.SlicerLayoutFourUpView)
    view = scene.AddNewNodeByClass("vtkMRMLPlotViewNode")
    ui.validateButton.click()
    finish(host, panel)
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView
    ui.showPlotCheckBox.checked = True
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpPlotView
    assert view.GetPlotChartNode().GetTitle() == "Landmarks: risk and coverage"
    ui.plotComboBox.currentIndex = 3
    assert view.GetPlotChartNode().GetTitle() == "Labels: reliability"
    ui.showPlotCheckBox.checked = False
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView
    ui.showPlotCheckBox.checked = True
    ui.restoreButton.click()
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView
    assert not ui.showPlotCheckBox.checked


def test_the_methods_are_tried_on_the_pair_and_one_is_chosen_by_a_click(panel, folder, host):
    ui = panel.ui
    assert not ui.enginesLabel.visible and not ui.useEngineButton.visible
    ui.enginesButton.click()
    assert not ui.calibrateButton.enabled and not ui.enginesButton.enabled
    assert finish(host, panel) == "complete"
    run_until(host, lambda: ui.enginesLabel.visible)
    assert "bspline is recommended" in ui.enginesLabel.text and "0.75" in ui.enginesLabel.text
    assert "a&lt;b" in ui.enginesLabel.text
    assert panel.ui.backboneComboBox.currentData == "demons"  # nothing is chosen unasked
    ui.useEngineButton.click()
    assert panel.ui.backboneComboBox.currentData == "bspline"
    assert (folder / "engines" / "recommendation.json").exists()


@pytest.mark.parametrize("ending", ["scene", "module"])
def test_the_layout_comes_back_at_the_end_too(panel, host, ending):
    import slicer
    import vtk

    scene = slicer.mrmlScene
    layout = scene.AddNewNodeByClass("vtkMRMLLayoutNode")
    layout.SetViewArrangement(layout.SlicerLayoutFourUpView)
    panel.ui.validateButton.click()
    finish(host, panel)
    panel.ui.showPlotCheckBox.checked = True
    arrangements = []  # the application goes back to the last one that was not none
    layout.AddObserver(
        vtk.vtkCommand.ModifiedEvent,
        lambda caller, event: arrangements.append(caller.GetViewArrangement()),
    )
    if ending == "scene":
        scene.Clear()
    else:
        panel.cleanup()
    assert arrangements and arrangements[0] == layout.SlicerLayoutFourUpView
    assert not panel.ui.showPlotCheckBox.checked


def test_a_calibration_states_its_bound_with_its_warning(panel, host):
    ui = panel.ui
    assert "within 2.0 times the value of its map" in ui.calibrationLabel.text
    assert "Not yet checked on known deformations" in ui.calibrationLabel.text
    ui.calibrateButton.click()
    run_until(host, lambda: evaluation(panel).finished > 0)
    assert ui.validateProgressBar.maximum == 4
    assert "of 4 registrations" in ui.validateProgressBar.format
    assert finish(host, panel) == "complete"
    text = ui.calibrationLabel.text
    assert "within 2.4 times the value of its map" in text, "the widened one"
    assert "On 3 known deformations of the fixed image, 91 % of the errors lay within" in text
    assert f"widened by a factor of {WIDER:.2f}" in text and "of 3.1 mm. " in text
    assert "no missing anatomy" in text and "Not yet checked" not in text
    assert panel.results.result.calibration.factor == FACTOR


def test_without_an_expected_error_a_calibration_finds_the_bound(panel, host, tmp_path):
    import slicer

    from UncertainRegLib.scene.result import load_result

    ui = panel.ui
    slicer.mrmlScene.Clear()
    load_result(write_fake_result(tmp_path / "older", expected=False), slicer.mrmlScene)
    panel.results.refresh()
    assert ui.calibrationLabel.text.startswith("The disagreement is not calibrated")
    ui.calibrateButton.click()
    assert finish(host, panel) == "complete"
    assert "95 % of the voxels had an error below 2.50 times" in ui.calibrationLabel.text
    assert "(94 % when each was checked by the others)" in ui.calibrationLabel.text


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [("refuse", "follows only 5% of 10 mm"), ("fail", "“fixed”: has changed since")],
)
def test_a_refusal_or_failure_is_said(panel, host, monkeypatch, behaviour, words):
    monkeypatch.setenv("STUB", behaviour)
    ui = panel.ui
    ui.calibrateButton.click()
    finish(host, panel)
    if behaviour == "refuse":
        assert ui.calibrationLabel.text.startswith("The expected error is 1.6 mm on average.")
        assert ui.calibrationLabel.text.count("No bound is stated") == 1
        assert words in ui.calibrationLabel.text
    else:
        assert words in ui.validateStatusLabel.text and ui.validateStatusLabel.visible


def test_cancel_leaves_the_result_as_it_was(panel, folder, host, monkeypatch):
    monkeypatch.setenv("STUB", "slow")
    ui, before = panel.ui, (folder / "result.json").read_text("utf-8")
    ui.calibrateButton.click()
    run_until(host, lambda: evaluation(panel).finished == 4)
    ui.validateCancelButton.click()
    assert ui.validateCancelButton.text == "Cancelling" and not ui.validateCancelButton.enabled
    assert finish(host, panel) == "cancelled"
    assert "nothing was changed" in ui.validateStatusLabel.text and ui.calibrateButton.enabled
    assert (folder / "result.json").read_text("utf-8") == before


def test_the_cancel_file_of_a_killed_worker_stops_no_other(panel, folder, host):
    (folder / "cancel").touch()
    panel.ui.calibrateButton.click()
    assert finish(host, panel) == "complete"
    assert not (folder / "cancel").exists()


@pytest.mark.parametrize("ending", ["scene", "module"])
def test_no_worker_survives(panel, host, monkeypatch, ending):
    import slicer

    monkeypatch.setenv("STUB", "slow")
    panel.ui.calibrateButton.click()
    worker = evaluation(panel).worker
    run_until(host, lambda: worker.pid is not None)
    pid = worker.pid
    if ending == "scene":
        slicer.mrmlScene.Clear()
    else:
        panel.cleanup()
    run_until(host, lambda: not exists(pid))


def test_a_saved_scene_still_says_what_was_found(panel, folder, host, tmp_path):
    import slicer

    from UncertainRegLib.scene.bundle import read_bundle, write_bundle
    from UncertainRegLib.scene.result import update_result

    write_fake_validation(folder)
    write_fake_calibration(folder)
    update_result(panel.results.result, folder)
    write_bundle(slicer.mrmlScene, tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear()
    shutil.rmtree(folder)
    read_bundle(tmp_path / "scene.mrb", slicer.mrmlScene)
    panel.results.refresh()
    ui = panel.ui
    assert table(ui)["Dice"] == "0.750" and ui.plotComboBox.count == 4
    assert "within 2.4 times" in ui.calibrationLabel.text
    assert not ui.calibrateButton.enabled and not ui.validateButton.visible
    assert "are gone" not in ui.validateLabel.text  # it is all there


def test_without_a_truth_the_section_says_how_to_give_one(widget, tmp_path):
    import slicer

    from UncertainRegLib.scene.result import load_result

    widget.ui.validateCollapsibleButton.collapsed = False
    load_result(write_fake_result(tmp_path / "result"), slicer.mrmlScene)
    widget.results.refresh()
    assert "Advanced" in widget.ui.validateLabel.text and widget.ui.validateLabel.visible
    assert not widget.ui.validateButton.visible and widget.ui.calibrateButton.enabled


@pytest.mark.slow
def test_the_real_worker_validates_and_calibrates(widget, finished, host, real_worker):
    import slicer

    from UncertainRegLib.scene.result import load_result

    ui = widget.ui
    ui.validateCollapsibleButton.collapsed = False
    load_result(finished, slicer.mrmlScene)
    widget.results.refresh()
    for button in (ui.validateButton, ui.calibrateButton):
        button.click()
        run_until(host, lambda: not evaluation(widget).isActive)
        assert evaluation(widget).state == "complete", evaluation(widget).error
    assert float(table(ui)["Landmarks"]) == 12
    assert ui.plotComboBox.count == 5  # none of ellipsoids: four samples span none
    assert "Not yet checked" not in ui.calibrationLabel.text
    calibration = widget.results.result.calibration
    assert (calibration.factor is None) == (calibration.refused is not None)
