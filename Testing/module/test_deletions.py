"""Any node of a result may be deleted at any time: nothing raises, and the rest stays usable."""

import pytest

from support.fake_result import write_fake_result
from support.fake_validation import write_fake_validation
from support.panel import run_until

EVERY = (
    "transform",
    "mean_transform",
    "sample_transform",
    "sample_sequence",
    "sample_browser",
    "sweep_transform",
    "sweep_sequence",
    "sweep_browser",
    "growth_transform",
    "growth_sequence",
    "growth_browser",
    "suppressed",
    "mixed",
    "outlines",
    "map:uncertainty_mm",
    "map:label_entropy",
    "map:probability",
    "map:mode_difference_mm",
    "label_table",
    "landmark_table",
    "validation_table",
    "landmarks",
    "ellipsoids",
    "surfaces",
    "pins",
    "probe_ellipsoid",
    "axes",
    "fixed",
    "moving",
    "moving_segmentation",
    "moving_points",
)


def node_of(result, role: str):
    from UncertainRegLib.scene import nodes

    if role.startswith("map:"):
        return result.maps.get(role.removeprefix("map:"))
    return getattr(result, role, None) or nodes.find(result.scene, result.run, role)


def use_all(ui) -> None:
    """Every control once, as far as it can be reached."""
    import slicer

    crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCrosshairRAS([-10.0, -30.0, 30.0])
    for index in reversed(range(ui.mapComboBox.count)):
        ui.mapComboBox.currentIndex = index
    for index in range(ui.backgroundComboBox.count):
        ui.backgroundComboBox.currentIndex = index
    boxes = (ui.logCheckBox, ui.glyphsCheckBox, ui.ellipsoidCheckBox, ui.axesCheckBox)
    for box in (*boxes, ui.greyCheckBox, ui.outlinesCheckBox):
        box.checked = not box.checked
        box.checked = not box.checked
    for box in (ui.surfacesCheckBox, ui.showPlotCheckBox, ui.onlyStructureCheckBox):
        box.checked = not box.checked
    ui.opacitySlider.value = 0.4
    ui.swipeSlider.value = 30.0
    ui.worstButton.click()
    ui.thresholdSlider.value = ui.thresholdSlider.value + 0.1
    for table in (ui.structuresTable, ui.landmarksTable):
        if table.rowCount:
            table.cellClicked.emit(0, 0)
    ui.sampleSlider.value = 1
    for index in (0, 1, 2, 0):
        ui.movementComboBox.currentIndex = index
    for button in (ui.playButton, ui.playButton, ui.modeAButton, ui.differenceButton):
        button.click()
    for button in (ui.bestButton, ui.pinButton, ui.restoreButton):
        button.click()
    ui.showMapCheckBox.checked = not ui.showMapCheckBox.checked


@pytest.fixture
def full(widget, host, tmp_path, monkeypatch):
    """The panel with a result of which everything was asked for."""
    import slicer

    from UncertainRegLib.scene.result import load_result

    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text: None)
    folder = write_fake_result(tmp_path / "result")
    write_fake_validation(folder)
    result = load_result(folder, slicer.mrmlScene)
    modes = '[{"weight": 0.6, "sample": 3}, {"weight": 0.4, "sample": 1}]'
    result.transform.SetAttribute("UncertainReg.Modes", modes)
    result.transform.SetAttribute("UncertainReg.BestSample", "4")
    widget.results.refresh(showMap=True)
    ui = widget.ui
    use_all(ui)
    for box in (ui.surfacesCheckBox, ui.axesCheckBox, ui.ellipsoidCheckBox, ui.glyphsCheckBox):
        box.checked = True
    ui.outlinesCheckBox.checked = True
    run_until(host, lambda: not widget.results.tables._stepper.isActive)
    ui.mapComboBox.currentIndex = ui.mapComboBox.findData("jacobian")
    ui.showMapCheckBox.checked = ui.greyCheckBox.checked = True
    ui.movementComboBox.currentIndex = 1
    host.check()
    return widget


@pytest.mark.slow
@pytest.mark.parametrize("role", EVERY)
def test_every_node_may_be_deleted(full, host, role):
    import slicer

    from UncertainRegLib.scene.result import find_results

    result = find_results(slicer.mrmlScene)[0]
    node = node_of(result, role)
    if role == "probe_ellipsoid" and node is None:
        pytest.skip("there is none at this point")
    assert node is not None, role
    slicer.mrmlScene.RemoveNode(node)
    use_all(full.ui)  # at once
    host.process_events()
    use_all(full.ui)  # and after the panel has noticed
    host.check()


@pytest.mark.slow
@pytest.mark.parametrize("role", ["map:uncertainty_mm", "ellipsoids", "surfaces", "transform"])
def test_every_display_may_be_deleted(full, host, role):
    import slicer

    from UncertainRegLib.scene.result import find_results

    node = node_of(find_results(slicer.mrmlScene)[0], role)
    while node.GetNumberOfDisplayNodes():
        slicer.mrmlScene.RemoveNode(node.GetNthDisplayNode(0))
    use_all(full.ui)
    host.process_events()
    use_all(full.ui)
    full.results.refresh()
    host.check()
