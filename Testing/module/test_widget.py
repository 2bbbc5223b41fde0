"""The real module in the test host: what a user sees and clicks, with a worker that pretends."""

import gc
import os
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

from support.fake_result import write_fake_result
from support.panel import MODULE, add_volume, apply_and_wait, exists, in_its_own_process, run_until

pytest.importorskip("support.qt_host", reason="needs PySide6 and slicer-core", exc_type=ImportError)


def test_the_panel_opens_without_torch():
    """In a process of its own, which also has to end in good order."""
    code = (
        "from support import qt_host; host = qt_host.start(); "
        f"module = host.load_module({str(MODULE)!r}); "
        "host.unload(host.make_widget(module.UncertainRegWidget)); host.check(); "
        "import sys; sys.exit('torch' in sys.modules)"
    )
    assert in_its_own_process(code).returncode == 0


def test_slicer_starts_hardly_later_for_the_module():
    """Slicer imports it at every start; the time of the processor, as the machine may be busy."""
    code = (
        "from support import qt_host; qt_host.start(); import sys, time, slicer.util, vtk; "
        f"sys.path.insert(0, {str(MODULE.parent)!r}); start = time.process_time(); "
        "import UncertainReg; print(time.process_time() - start)"
    )
    assert float(in_its_own_process(code).stdout.split()[-1]) < 0.3


def test_a_report_loads_only_the_report(tmp_path):
    """All else it needs is there once a result is shown; no engine comes with it."""
    code = f"""
from support import qt_host
host = qt_host.start()
import sys, slicer
module = host.load_module({str(MODULE)!r})
widget = host.make_widget(module.UncertainRegWidget)
from UncertainRegLib.scene.result import load_result
load_result({str(write_fake_result(tmp_path))!r}, slicer.mrmlScene)
widget.results.refresh(showMap=True)
before = set(sys.modules)
from UncertainRegLib.report.html import write_report
write_report({str(tmp_path)!r})
host.unload(widget)
print(*(name for name in set(sys.modules) - before if name.startswith("UncertainRegLib")))
"""
    loaded = in_its_own_process(code).stdout.splitlines()[-1].split()
    assert loaded and all(name.split(".")[1] == "report" for name in loaded), loaded


def test_apply_says_what_is_missing(widget):
    ui = widget.ui
    assert (ui.applyButton.text, ui.applyButton.enabled) == ("Select a fixed volume", False)
    fixed = add_volume("CT")
    ui.fixedSelector.setCurrentNode(fixed)
    assert ui.applyButton.text == "Select a moving volume"
    ui.movingSelector.setCurrentNode(fixed)
    assert ui.applyButton.text == "Fixed and moving are the same"
    ui.movingSelector.setCurrentNode(add_volume("CT later"))
    assert (ui.applyButton.text, ui.applyButton.enabled) == ("Apply", True)


def test_a_missing_backbone_is_named_with_what_to_install(widget, inputs, monkeypatch):
    monkeypatch.setattr(
        "UncertainRegLib.plugins.not_installed",
        lambda packages: ["convexAdam"] * ("convexAdam" in packages),
    )
    import qt

    combo = widget.ui.backboneComboBox
    combo.currentIndex = combo.findData("convexadam")
    ui = widget.ui
    assert ui.applyButton.text == "ConvexAdam (MIND features) is not installed"
    assert not ui.applyButton.enabled
    assert ui.installLabel.text.endswith("): install the Python package convexAdam.")
    ui.installButton.click()
    copied = 'slicer.util.pip_install("convexAdam")'
    assert qt.QApplication.clipboard().text() == copied and copied in ui.installLabel.text
    monkeypatch.setattr("UncertainRegLib.plugins.not_installed", lambda packages: [])
    widget.install.onCheck()  # which a timer does; it was installed meanwhile
    assert ui.applyButton.enabled and not ui.installWidget.visible
    assert "not installed" not in combo.currentText


def test_missing_weights_are_named_with_the_command_that_gets_them(widget, inputs, monkeypatch):
    monkeypatch.setattr("UncertainRegLib.plugins.not_installed", lambda packages: [])
    monkeypatch.setattr("UncertainRegLib.backbones.registry.is_stored", lambda weights: False)
    combo = widget.ui.backboneComboBox
    combo.currentIndex = combo.findData("clapirn")
    assert "install its weights" in widget.ui.installLabel.text
    assert widget.ui.installButton.toolTip.endswith('__main__.py" backbones install clapirn')


def test_what_is_weighed_is_asked_before_what_is_kept(widget, inputs, host):
    ui = widget.ui
    ui.methodComboBox.currentIndex = ui.methodComboBox.findData("sir")
    host.process_events()
    assert ui.sirWidget.y < ui.samplesSpinBox.y


def test_parameters_follow_the_panel_and_back(widget, inputs):
    ui, parameters = widget.ui, widget.logic.getParameterNode()
    ui.samplesSpinBox.value = 8
    ui.perturbationComboBox.currentIndex = ui.perturbationComboBox.findData("rigid")
    ui.resultsPathLineEdit.currentPath = "/data/results"
    assert (parameters.samples, parameters.perturbation) == (8, "rigid")
    assert parameters.resultsFolder == "/data/results"
    parameters.seed, parameters.device = 7, "cpu"
    assert ui.seedSpinBox.value == 7
    assert ui.deviceComboBox.currentData == "cpu"
    parameters.backbone = "from another computer"
    assert ui.applyButton.text == "Choose a registration"


def test_paths_follow_the_parameter_node_together(widget, host):
    import slicer

    ui, parameters = widget.ui, widget.logic.getParameterNode()
    widget.setParameterNode(None)
    parameters.resultsFolder, parameters.sirWeights = "/data/results", "/data/weights.pt"
    widget.setParameterNode(parameters)
    assert (parameters.resultsFolder, parameters.sirWeights) == (
        "/data/results",
        "/data/weights.pt",
    )
    assert ui.sirWeightsPathLineEdit.currentPath == "/data/weights.pt"
    slicer.mrmlScene.Clear()
    parameters = widget.logic.getParameterNode()
    assert (parameters.resultsFolder, parameters.sirWeights) == ("", "")
    assert ui.sirWeightsPathLineEdit.currentPath == ""


def test_parameters_survive_saving_and_loading(widget, inputs, host, tmp_path):
    import slicer

    from UncertainRegLib.scene.bundle import read_bundle, write_bundle

    widget.ui.samplesSpinBox.value = 12
    widget.ui.perturbationComboBox.currentIndex = 2
    chosen = widget.logic.getParameterNode().perturbation
    scene = slicer.mrmlScene
    write_bundle(scene, tmp_path / "scene.mrb")
    scene.Clear()
    assert widget.ui.fixedSelector.currentNode() is None
    assert widget.ui.samplesSpinBox.value == 16
    read_bundle(tmp_path / "scene.mrb", scene)
    parameters = widget.logic.getParameterNode()
    assert parameters.samples == 12 and widget.ui.samplesSpinBox.value == 12
    assert parameters.perturbation == chosen == widget.ui.perturbationComboBox.currentData
    assert parameters.fixedVolume.GetName() == "MR before"
    assert widget.ui.movingSelector.currentNode().GetName() == "MR after"


def test_a_run_shows_progress_and_then_its_result(widget, inputs, host, monkeypatch):
    import slicer

    monkeypatch.setenv("STUB", "held")  # until the live map is there, however slow the machine
    ui = widget.ui
    assert not ui.resultsCollapsibleButton.visible and not ui.runningWidget.visible
    ui.applyButton.click()
    run = widget.logic.run
    assert ui.runningWidget.visible and not ui.applyButton.enabled
    steps, changed = [], run._onChanged

    def watch():  # a busy machine delivers many events at once
        changed()
        maps = None if run.result is None else list(run.result.maps)
        steps.append(
            (
                ui.progressBar.value,
                ui.progressBar.format,
                run.isActive,
                maps,
                ui.resultsCollapsibleButton.visible,
            )
        )

    run._onChanged = watch
    run_until(host, lambda: run.result is not None)
    (run.out.parent / "go").touch()
    run_until(host, lambda: not run.isActive)
    assert (2, "2 of 6 samples, 2 s left") in [step[:2] for step in steps]
    live = next(step for step in steps if step[3] is not None)
    assert live[2:] == (True, ["uncertainty_mm"], True)  # before the end
    assert run.state == "complete" and ui.statusLabel.text.startswith("6 samples in")
    assert not ui.runningWidget.visible and ui.applyButton.enabled
    assert "jacobian" in run.result.maps  # the others came at the end
    assert run.result.fixed is inputs[0] and run.result.moving is inputs[1]
    transform = run.result.transform
    assert transform.GetNodeReference("spatialRegistrationFixed") is inputs[0]
    assert transform.GetNodeReference("spatialRegistrationMoving") is inputs[1]
    for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        assert view.GetForegroundVolumeID() == run.result.maps["expected_error_mm"].GetID()
        assert view.GetBackgroundVolumeID() == inputs[0].GetID()
    assert ui.mapComboBox.currentData == "expected_error_mm"


@pytest.mark.parametrize("chosen", ["another map", "no map", "the map of the run"])
def test_at_the_end_the_view_changes_unless_the_user_chose_otherwise(
    widget, inputs, host, monkeypatch, chosen
):
    import slicer
    import UncertainRegParts.worker.run

    monkeypatch.setattr(UncertainRegParts.worker.run, "LIVE_MAPS", ("uncertainty_mm", "jacobian"))
    ui, views = widget.ui, slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    ui.samplesSpinBox.value = 20
    ui.applyButton.click()
    run = widget.logic.run
    run_until(host, lambda: run.result is not None)
    assert run.isActive and ui.mapComboBox.currentData == "uncertainty_mm"
    if chosen == "another map":
        ui.mapComboBox.currentIndex = ui.mapComboBox.findData("jacobian")
    elif chosen == "no map":
        ui.showMapCheckBox.checked = False
        views[0].SetForegroundVolumeID(inputs[1].GetID())  # and something of their own
    run_until(host, lambda: not run.isActive)
    now = {view.GetForegroundVolumeID() for view in views}
    if chosen == "another map":
        assert ui.mapComboBox.currentData == "jacobian"
        assert now == {run.result.maps["jacobian"].GetID()}
    elif chosen == "no map":
        assert ui.mapComboBox.currentData == "expected_error_mm"
        assert now == {inputs[1].GetID(), None} and not ui.showMapCheckBox.checked
    else:
        assert ui.mapComboBox.currentData == "expected_error_mm"
        ui.mapComboBox.currentIndex = ui.mapComboBox.findData("uncertainty_mm")  # one choice away
        assert {v.GetForegroundVolumeID() for v in views} == {
            run.result.maps["uncertainty_mm"].GetID()
        }
        widget.results.refresh()
        assert ui.mapComboBox.currentData == "uncertainty_mm"


def test_map_sliders_act_at_once_and_views_are_given_back(widget, inputs, host):
    import slicer

    ui = widget.ui
    views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    views[0].SetBackgroundVolumeID(inputs[1].GetID())
    apply_and_wait(host, widget)
    result = widget.results.result
    ui.opacitySlider.value = 0.3
    assert {view.GetForegroundOpacity() for view in views} == {0.3}
    ui.thresholdSlider.value = 1.5
    display = result.maps["expected_error_mm"].GetDisplayNode()
    assert display.GetLowerThreshold() == 1.5 and display.GetApplyThreshold()
    assert ui.thresholdSlider.suffix == " mm"
    ui.mapComboBox.currentIndex = ui.mapComboBox.findData("label_entropy")
    assert views[1].GetForegroundVolumeID() == result.maps["label_entropy"].GetID()
    assert ui.thresholdSlider.suffix == " nats"
    ui.showMapCheckBox.checked = False
    assert views[0].GetBackgroundVolumeID() == inputs[1].GetID()
    assert all(view.GetForegroundVolumeID() is None for view in views)


def test_samples_are_played_and_chosen(widget, inputs, host):
    ui = widget.ui
    apply_and_wait(host, widget)
    result = widget.results.result
    browser = result.sample_browser
    assert ui.sampleSlider.maximum == 5 and ui.sampleLabel.text == "1 of 6"
    ui.sampleSlider.value = 3
    assert browser.GetSelectedItemNumber() == 3 and ui.sampleLabel.text == "4 of 6"
    assert inputs[1].GetParentTransformNode() is result.sample_transform
    browser.SetSelectedItemNumber(1)  # as the playback timer of the application does
    assert ui.sampleSlider.value == 1
    ui.playButton.click()
    assert browser.GetPlaybackActive() and ui.playButton.text == "Pause"
    ui.playButton.click()
    assert not browser.GetPlaybackActive() and ui.playButton.text == "Play"
    ui.fpsSpinBox.value = 7
    assert browser.GetPlaybackRateFps() == 7
    ui.backgroundComboBox.currentIndex = ui.backgroundComboBox.findData("fixed")
    assert inputs[1].GetParentTransformNode() is result.transform


def test_a_run_whose_end_goes_wrong_is_over(widget, inputs, host, monkeypatch):
    from UncertainRegParts.worker.run import Run

    def broken(self):
        raise KeyError("maps")

    monkeypatch.setattr(Run, "_record", broken)
    widget.ui.applyButton.click()
    run_until(host, lambda: not widget.logic.run.isActive, 120)
    assert widget.logic.run.state == "failed" and "maps" in widget.ui.statusLabel.text
    assert (widget.ui.applyButton.text, widget.ui.applyButton.enabled) == ("Apply", True)


def test_a_closed_scene_stops_the_reading_of_the_maps(widget, inputs, host, monkeypatch):
    import slicer
    from UncertainRegParts.stepper import Stepper

    read, step = [], Stepper._onTimer
    monkeypatch.setattr(Stepper, "_onTimer", lambda self: (read.append(1), step(self)))
    widget.ui.applyButton.click()
    run_until(host, lambda: widget.logic.run.state == "loading", 120)
    del read[:]
    slicer.mrmlScene.Clear()
    for _ in range(20):
        host.process_events()
    assert not read and not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")


def test_the_application_answers_while_a_result_is_read(widget, inputs, host, monkeypatch):
    """Files are read, and nodes filled, one after the other; the views wait for each."""
    import qt
    import slicer

    paused, beats = [], []
    monkeypatch.setattr(slicer.app, "pauseRender", lambda: paused.append(1))
    monkeypatch.setattr(slicer.app, "resumeRender", lambda: paused.append(-1))
    timer = qt.QTimer()
    timer.connect("timeout()", lambda: beats.append(widget.logic.run.state))
    widget.ui.applyButton.click()
    timer.start(0)
    run_until(host, lambda: not widget.logic.run.isActive)
    timer.stop()
    assert beats.count("loading") > 2 * len(widget.logic.run.result.maps)
    assert sum(paused) == 0 and len(paused) > 20


def test_what_the_library_names_is_translated(widget, monkeypatch):
    import slicer
    from UncertainRegParts import choices
    from UncertainRegParts.sections import maps

    for module in (choices, maps):
        monkeypatch.setattr(module, "translated", lambda text: f"<{text}>")
    shown = choices.choices()
    for name in ("backbone", "method", "perturbation", "sirSource"):
        assert all(title.startswith("<") for _name, title, _tip in shown[name]), name
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert maps.mapTitle("jacobian", node).startswith("<")


def test_a_click_on_a_row_jumps_to_the_place(widget, inputs, host):
    import qt
    import slicer

    ui = widget.ui
    apply_and_wait(host, widget)
    for section in (ui.structuresCollapsibleButton, ui.landmarksCollapsibleButton):
        section.collapsed = False
    table, node = ui.structuresTable, widget.results.result.label_table.GetTable()
    titles = [
        table.horizontalHeaderItem(c).text().replace("\n", " ") for c in range(table.columnCount)
    ]
    assert titles[0] == "Structure" and "Disagreement, 95th percentile (mm)" in titles
    column = titles.index("Disagreement, 95th percentile (mm)")
    table.horizontalHeader().setSortIndicator(column, qt.Qt.AscendingOrder)
    assert table.item(0, 0).text() == "Core"  # 3.1 before 3.5
    table.cellClicked.emit(0, 0)
    row = [node.GetColumnByName("name").GetValue(r) for r in range(2)].index("Core")
    wanted = [node.GetColumnByName(f"worst_voxel_lps_{a}").GetValue(row) for a in "ras"]
    for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        matrix = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())
        assert abs(matrix[:3, 2] @ (np.array(wanted) - matrix[:3, 3])) < 1e-6
    ui.landmarksTable.cellClicked.emit(1, 0)
    assert ui.landmarksTable.rowCount == 2


def test_a_saved_scene_comes_back_with_its_controls(widget, inputs, host, tmp_path):
    import slicer

    from UncertainRegLib.scene.bundle import read_bundle, write_bundle

    apply_and_wait(host, widget)
    widget.ui.opacitySlider.value = 0.35
    scene = slicer.mrmlScene
    write_bundle(scene, tmp_path / "scene.mrb")
    scene.Clear()
    host.check()
    assert not widget.ui.resultsCollapsibleButton.visible and widget.logic.run is None
    read_bundle(tmp_path / "scene.mrb", scene)
    ui = widget.ui
    assert ui.resultsCollapsibleButton.visible and ui.structuresTable.rowCount == 2
    assert ui.showMapCheckBox.checked and ui.opacitySlider.value == pytest.approx(0.35)
    assert ui.sampleSlider.maximum == 5
    ui.sampleSlider.value = 2
    assert widget.results.result.sample_browser.GetSelectedItemNumber() == 2


def test_an_input_deleted_meanwhile_is_read_back(widget, inputs, host):
    import slicer

    widget.ui.applyButton.click()
    slicer.mrmlScene.RemoveNode(inputs[1])
    run_until(host, lambda: not widget.logic.run.isActive)
    result = widget.logic.run.result
    assert result.fixed is inputs[0] and result.moving is not inputs[1]
    assert result.moving.GetParentTransformNode() is result.transform
    assert "“MR after” was deleted during the run" in widget.ui.warningsLabel.text


def test_a_scene_imported_twice_lists_two_results(widget, inputs, host, tmp_path):
    import slicer

    from UncertainRegLib.scene.bundle import read_bundle, write_bundle

    apply_and_wait(host, widget)
    write_bundle(slicer.mrmlScene, tmp_path / "scene.mrb")
    read_bundle(tmp_path / "scene.mrb", slicer.mrmlScene)
    first, second = widget.results.results
    assert first.run != second.run and set(first.maps) == set(second.maps)
    ours, theirs = ({node.GetID() for node in one.all_nodes()} for one in (first, second))
    assert not ours & theirs
    for index in range(2):
        widget.ui.resultComboBox.currentIndex = index
        widget.ui.sampleSlider.value = 3
        browsers = [one.sample_browser.GetSelectedItemNumber() for one in (first, second)]
        assert browsers[index] == 3
    widget.ui.removeButton.click()
    assert [one.run for one in widget.results.results] == [first.run]
    assert len(widget.results.result.maps) == 5


def test_a_display_deleted_meanwhile_is_made_again(widget, inputs, host, monkeypatch):
    import slicer

    monkeypatch.setenv("STUB", "held")
    widget.ui.applyButton.click()
    run = widget.logic.run
    run_until(host, lambda: run.result is not None)
    for node in (run.result.maps["uncertainty_mm"], run.result.ellipsoids):
        window = node.GetDisplayNode().GetColorNodeID()
        slicer.mrmlScene.RemoveNode(node.GetDisplayNode())
    (run.out.parent / "go").write_text("", "utf-8")
    run_until(host, lambda: not run.isActive)
    assert run.state == "complete" and len(run.result.maps) == 5
    node = run.result.maps["uncertainty_mm"]
    display = node.GetNthDisplayNode(0)
    assert display.IsA("vtkMRMLScalarVolumeDisplayNode") and display.GetWindowLevelMin() == 0.0
    assert display.GetColorNodeID() == window and node.GetNumberOfDisplayNodes() == 2


@pytest.mark.parametrize("which", ["fixed", "moving"])
def test_a_deleted_volume_leaves_nothing_chosen(widget, inputs, host, which):
    import slicer

    add_volume("A neighbour", 2)
    chooser = getattr(widget.ui, f"{which}Selector")
    slicer.mrmlScene.RemoveNode(chooser.currentNode())
    assert widget.ui.applyButton.text == f"Select a {which} volume"
    host.process_events()
    assert chooser.currentNode() is None and not widget.ui.applyButton.enabled


def test_apply_notices_a_deletion_that_its_chooser_does_not(widget, inputs, host):
    import slicer

    widget.ui.movingSelector.setMRMLScene(None)
    slicer.mrmlScene.RemoveNode(inputs[1])
    assert not widget.ui.applyButton.enabled


def test_maps_are_not_offered_as_volumes(widget, inputs, host):
    import slicer

    from UncertainRegLib.scene.nodes import tag

    lines = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Nothing known here")
    tag(lines, "a run", "unknown")
    apply_and_wait(host, widget)
    host.process_events()
    for chooser in (widget.ui.fixedSelector, widget.ui.movingSelector):
        assert chooser.nodeCount() == 2
    assert widget.ui.movingSelector.currentNode() is inputs[1]
    masks = widget.ui.fixedMaskSelector.sortFilterProxyModel()
    assert lines.GetID() in masks.hiddenNodeIDs  # the hatching is no mask


def test_cancel_keeps_a_partial_result(widget, inputs, host, monkeypatch):
    monkeypatch.setenv("STUB", "slow")
    widget.ui.applyButton.click()
    run = widget.logic.run
    run_until(host, lambda: run.result is not None)
    widget.ui.cancelButton.click()
    assert run.state == "cancelling" and not widget.ui.cancelButton.enabled
    run_until(host, lambda: not run.isActive)
    assert run.state == "partial"
    assert widget.ui.statusLabel.text.startswith("Partial result:")
    assert widget.ui.resultsCollapsibleButton.visible


def test_a_method_not_made_for_the_images_is_named_and_another_is_a_click_away(
    widget, inputs, host, monkeypatch
):
    monkeypatch.setenv("STUB", "unfit")
    ui = widget.ui
    assert not ui.fittingWidget.visible
    ui.applyButton.click()
    run = widget.logic.run
    run_until(host, lambda: run.unfit != "")
    assert ui.fittingWidget.visible and ui.fittingLabel.text == run.unfit
    assert run.unfit not in ui.warningsLabel.text  # said once
    assert ui.fittingButton.text == "Stop, and choose B-spline (SimpleITK, slow)"
    assert ui.backboneComboBox.currentData == "demons"  # nothing is chosen unasked
    ui.fittingButton.click()
    assert ui.backboneComboBox.currentData == "bspline" and not ui.fittingWidget.visible
    run_until(host, lambda: not run.isActive)
    assert run.state in ("partial", "cancelled")


@pytest.mark.skipif(os.name == "nt", reason="looks at POSIX processes")
def test_a_worker_that_does_not_listen_is_killed_with_its_children(
    widget, inputs, host, monkeypatch
):
    import UncertainRegParts.worker.process

    monkeypatch.setenv("STUB", "stubborn")
    monkeypatch.setattr(UncertainRegParts.worker.process, "GRACE_MS", 200)
    widget.ui.applyButton.click()
    run = widget.logic.run
    run_until(host, lambda: run.result is not None)
    pids = [run.worker.pid, int(run.warnings[0].split()[1])]
    assert all(map(exists, pids))
    widget.ui.cancelButton.click()
    run_until(host, lambda: not run.isActive)
    run_until(host, lambda: not any(map(exists, pids)))
    assert run.state == "partial"


@pytest.mark.skipif(os.name == "nt", reason="looks at POSIX processes")
def test_cancel_before_the_first_word_kills_the_worker_behind_its_launcher(
    widget, inputs, host, monkeypatch, tmp_path
):
    import UncertainRegParts.worker.process

    launcher = tmp_path / "PythonSlicer"  # as in the application: not the worker itself
    launcher.write_text(f'#!/bin/sh\n"{sys.executable}" "$@" &\nwait\n', "utf-8")
    launcher.chmod(0o755)
    monkeypatch.setattr(UncertainRegParts.worker.process, "pythonProgram", lambda: str(launcher))
    monkeypatch.setattr(UncertainRegParts.worker.process, "GRACE_MS", 200)
    monkeypatch.setenv("STUB", "mute")
    widget.ui.applyButton.click()
    run = widget.logic.run
    said = run.out.parent / "pid"
    run_until(host, lambda: said.exists() and said.read_text("utf-8"))
    widget.ui.cancelButton.click()
    run_until(host, lambda: not run.isActive)
    run_until(host, lambda: not exists(int(said.read_text("utf-8"))), seconds=60.0)
    assert run.state == "cancelled"


@pytest.mark.skipif(os.name == "nt", reason="looks at POSIX processes")
@pytest.mark.parametrize("ending", ["close scene", "unload module", "quit"])
def test_no_process_survives(widget, inputs, host, monkeypatch, ending):
    import slicer

    monkeypatch.setenv("STUB", "stubborn")
    widget.ui.applyButton.click()
    run = widget.logic.run
    run_until(host, lambda: run.warnings)
    pids = [run.worker.pid, int(run.warnings[0].split()[1])]
    if ending == "close scene":
        slicer.mrmlScene.Clear()
        assert widget.ui.applyButton.text == "Select a fixed volume"
    elif ending == "unload module":
        host.unload(widget)
    else:
        host.application.aboutToQuit.emit()
    run_until(host, lambda: not any(map(exists, pids)))


def test_a_failure_is_one_sentence_with_details(widget, inputs, host, monkeypatch):
    monkeypatch.setenv("STUB", "fail")
    assert apply_and_wait(host, widget) == "failed"
    ui = widget.ui
    assert ui.statusLabel.text == "“MR before”: every voxel has the value 0; the image is empty."
    assert ui.detailsCollapsibleButton.visible and "the last words" in ui.detailsText.plainText
    assert ui.applyButton.enabled and not ui.runningWidget.visible


def test_a_crash_is_said_and_the_next_run_works(widget, inputs, host, monkeypatch):
    monkeypatch.setenv("STUB", "crash")
    assert apply_and_wait(host, widget) == "failed"
    assert "ended unexpectedly" in widget.ui.statusLabel.text
    assert "Segmentation fault in a library" in widget.ui.detailsText.plainText
    monkeypatch.setenv("STUB", "complete")
    assert apply_and_wait(host, widget) == "complete"
    assert not widget.ui.detailsCollapsibleButton.visible


def test_inputs_that_cannot_be_used_are_refused(widget, inputs, host):
    import slicer

    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "Warp")
    inputs[1].SetAndObserveTransformNodeID(transform.GetID())
    widget.ui.applyButton.click()
    assert "under the deformable transform “Warp”; harden it" in widget.ui.statusLabel.text
    assert widget.logic.run is None and widget.ui.applyButton.enabled


def test_a_run_that_cannot_start_leaves_the_panel_ready(widget, inputs, host):
    import slicer

    ui, scene = widget.ui, slicer.mrmlScene
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Tumour")
    segmentation.GetSegmentation().AddEmptySegment("tumour", "tumour")  # nothing painted yet
    ui.segmentationSelector.setCurrentNode(segmentation)
    ui.applyButton.click()
    assert "“Tumour” is empty" in ui.statusLabel.text
    assert widget.logic.run is None and ui.applyButton.enabled
    ui.segmentationSelector.setCurrentNode(None)
    flat = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Flat")
    flat.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([1.0, 1.0, 0.0, 1.0])))
    inputs[1].SetAndObserveTransformNodeID(flat.GetID())
    ui.applyButton.click()  # an error that the module did not foresee
    assert "invertible" in ui.statusLabel.text
    assert widget.logic.run is None and ui.applyButton.enabled


def test_a_result_that_cannot_be_shown_ends_the_run(widget, inputs, host, monkeypatch):
    import UncertainRegLib.scene.result

    def broken(*arguments, **keywords):
        yield
        raise KeyError("a key that is missing")

    monkeypatch.setattr(UncertainRegLib.scene.result, "loading", broken)
    assert apply_and_wait(host, widget) == "failed"
    assert "a key that is missing" in widget.ui.statusLabel.text
    assert widget.ui.applyButton.enabled


@pytest.mark.parametrize("how", ["truncated", "types"])
def test_a_damaged_result_ends_the_run_in_words(widget, inputs, host, monkeypatch, how):
    monkeypatch.setenv("STUB", how)
    assert apply_and_wait(host, widget) == "failed"
    assert "result.json: is damaged; run the registration again" in widget.ui.statusLabel.text
    assert widget.ui.applyButton.text == "Apply" and widget.ui.applyButton.enabled


def test_a_result_is_not_complete_when_the_worker_failed(widget, inputs, host, monkeypatch):
    monkeypatch.setenv("STUB", "full")
    assert apply_and_wait(host, widget) == "failed"
    assert widget.ui.statusLabel.text == "maps: No space left on device."


def test_odd_lines_of_the_worker_are_no_events(widget, inputs, host, monkeypatch):
    monkeypatch.setenv("STUB", "odd")
    assert apply_and_wait(host, widget) == "complete"
    assert "[1, 2]" in widget.logic.run.worker.log


def test_whatever_happens_at_the_end_ends_the_run(widget, inputs, host, monkeypatch):
    from UncertainRegParts.worker.run import Run

    def broken(run, *arguments):
        raise KeyError("something nobody foresaw")

    for step in ("_loadFirst", "_onLoaded", "_end"):
        with monkeypatch.context() as patch:
            patch.setattr(Run, step, broken)
            assert apply_and_wait(host, widget) == "failed"
        assert "something nobody foresaw" in widget.ui.statusLabel.text
        assert widget.ui.applyButton.text == "Apply" and widget.ui.applyButton.enabled


def test_a_folder_that_cannot_be_written_is_named(widget, inputs, tmp_path):
    (tmp_path / "file").write_text("in the way", "utf-8")
    widget.ui.resultsPathLineEdit.currentPath = str(tmp_path / "file")
    widget.ui.applyButton.click()
    text = widget.ui.statusLabel.text
    assert str(tmp_path / "file") in text and "cannot be written" in text and "Errno" not in text
    assert widget.logic.run is None and widget.ui.applyButton.enabled


def test_results_are_kept_only_where_the_user_says(widget, inputs, host, tmp_path):
    import slicer

    slicer.app.temporaryPath = str(tmp_path / "temporary")
    apply_and_wait(host, widget)
    assert list((tmp_path / "temporary").glob("UncertainReg-*/result/result.json"))
    widget.ui.resultsPathLineEdit.currentPath = str(tmp_path / "kept")
    apply_and_wait(host, widget)
    host.unload(widget)
    assert not list((tmp_path / "temporary").iterdir())
    kept = list((tmp_path / "kept").glob("MR after to MR before *"))
    assert len(kept) == 1 and (kept[0] / "result" / "result.json").is_file()


def test_two_runs_can_be_chosen_between(widget, inputs, host, tmp_path):
    import slicer

    from UncertainRegLib.scene.bundle import read_bundle, write_bundle

    ui = widget.ui
    apply_and_wait(host, widget)
    assert not ui.resultComboBox.visible
    first = widget.results.result.run
    apply_and_wait(host, widget)
    assert ui.resultComboBox.visible and widget.results.result.run != first
    titles = [ui.resultComboBox.itemText(n) for n in range(2)]
    assert titles[0].startswith("MR after to MR before · ") and "equivariance · 20" in titles[0]
    ui.mapComboBox.currentIndex = ui.mapComboBox.findData("jacobian")
    ui.resultComboBox.currentIndex = 0
    assert widget.results.result.run == first
    assert ui.showMapCheckBox.checked and widget.results.maps.name == "jacobian"
    seen = widget.results.result.maps["jacobian"]
    views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert {view.GetForegroundVolumeID() for view in views} == {seen.GetID()}
    write_bundle(slicer.mrmlScene, tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear()
    read_bundle(tmp_path / "scene.mrb", slicer.mrmlScene)
    assert widget.results.result.run == first  # of which the map is in the views
    assert widget.results.result.maps["jacobian"].GetID() == views[0].GetForegroundVolumeID()


def test_remove_takes_out_one_result_and_its_temporary_files(widget, inputs, host):
    import slicer

    ui, scene = widget.ui, slicer.mrmlScene
    apply_and_wait(host, widget)
    first, before = widget.results.result.run, scene.GetNumberOfNodes()
    apply_and_wait(host, widget)
    second = widget.logic.run.out
    ui.removeButton.click()
    host.process_events()
    assert [result.run for result in widget.results.results] == [first]
    assert scene.GetNumberOfNodes() == before and not second.exists()
    shown = widget.results.result.maps["expected_error_mm"].GetID()
    for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        assert view.GetForegroundVolumeID() == shown
    ui.removeButton.click()
    host.process_events()
    assert not ui.resultsCollapsibleButton.visible and not widget.logic.temporaryFolders
    assert inputs[1].GetParentTransformNode() is None
    assert apply_and_wait(host, widget) == "complete"


def test_closing_the_scene_lets_go_of_runs_and_files(widget, inputs, host):
    import slicer

    gc.collect()
    gc.disable()  # they go at once, not when Python's collector comes by
    apply_and_wait(host, widget)
    run = widget.logic.run
    folder = run.out.parent
    gone = [weakref.ref(one) for one in (run, run.result, run.result.maps["jacobian"])]
    widget.results.probe.read()
    del run
    slicer.mrmlScene.Clear()
    for _ in range(3):
        host.process_events()
    gc.enable()
    assert [one() for one in gone] == [None, None, None]
    assert not folder.exists()


@pytest.mark.parametrize("background", ["registered", "fixed"])
def test_the_chosen_run_moves_the_moving_volume(widget, inputs, host, background):
    import slicer

    ui, combo = widget.ui, widget.ui.backgroundComboBox
    for _ in range(2):
        apply_and_wait(host, widget)
    first, second = widget.results.results
    combo.currentIndex = combo.findData(background)
    assert inputs[1].GetParentTransformNode() is second.transform
    ui.resultComboBox.currentIndex = 0
    assert inputs[1].GetParentTransformNode() is first.transform
    combo.currentIndex = combo.findData("sample")
    ui.resultComboBox.currentIndex = 1
    assert combo.currentData == "registered"
    assert inputs[1].GetParentTransformNode() is second.transform
    ui.showMapCheckBox.checked = False  # then the views stay as the user has them
    views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    before = [view.GetBackgroundVolumeID() for view in views]
    ui.resultComboBox.currentIndex = 0
    assert inputs[1].GetParentTransformNode() is first.transform
    assert [view.GetBackgroundVolumeID() for view in views] == before
    ui.restoreButton.click()
    ui.resultComboBox.currentIndex = 1  # nothing is shown: nothing moves
    assert inputs[1].GetParentTransformNode() is None


def test_the_panel_as_a_picture(widget, inputs, host, tmp_path):
    import slicer

    apply_and_wait(host, widget)
    folder = Path(os.environ.get("UNCERTAINREG_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    widget.parent.resize(460, 10)
    widget.parent.resize(460, widget.parent.sizeHint.height())
    host.process_events()
    assert widget.parent.grab().save(str(folder / "module.png"))
    assert slicer.mrmlScene.GetNumberOfNodes() > 0


@pytest.mark.slow
def test_the_modules_self_test(module, host, real_worker):
    """The self-test that Slicer runs, here with the real worker."""
    module.UncertainRegTest().runTest()


@pytest.mark.slow
def test_the_self_test_needs_no_window(module, host, real_worker):
    """Without one the scene has no slice views."""
    import slicer

    views = [
        node
        for name in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode")
        for node in slicer.util.getNodesByClass(name)
    ]
    for view in views:
        slicer.mrmlScene.RemoveNode(view)
    try:
        test = module.UncertainRegTest()
        test.setUp()
        test.test_RunShowsWhereTheTruthIs()
    finally:
        for view in views:
            slicer.mrmlScene.AddNode(view)
