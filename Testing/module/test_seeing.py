"""Next worst place, growth, checkerboard and swipe, grey, outlines, colours: clicked in the panel."""

import pytest

from support.fake_result import write_fake_result
from support.panel import run_until


@pytest.fixture
def panel(widget, host, tmp_path):
    """The panel with a result, and the views as they were saved and loaded."""
    import slicer

    from UncertainRegLib.scene.result import load_result

    load_result(write_fake_result(tmp_path / "result"), slicer.mrmlScene)
    widget.ui.structuresCollapsibleButton.collapsed = False
    widget.results.refresh(showMap=True)
    return widget


@pytest.fixture
def reloaded(panel, host, tmp_path):
    """Save the scene, close it, and load it again."""

    def again():
        import slicer

        from UncertainRegLib.scene.bundle import read_bundle, write_bundle

        write_bundle(slicer.mrmlScene, tmp_path / "scene.mrb")
        slicer.mrmlScene.Clear()
        read_bundle(tmp_path / "scene.mrb", slicer.mrmlScene)
        host.process_events()
        return panel.results.result

    return again


def layers():
    import slicer

    from UncertainRegLib.scene.slices import slice_views

    view = slice_views(slicer.mrmlScene)[0]
    found = view.GetBackgroundVolumeID(), view.GetForegroundVolumeID()
    return [slicer.mrmlScene.GetNodeByID(name or "") for name in found]


def choose(combo, data: str) -> None:
    assert combo.findData(data) >= 0, data
    combo.currentIndex = combo.findData(data)


def test_the_button_steps_through_the_worst_places(panel, host):
    import slicer

    from UncertainRegLib.scene.worst import worst_places

    ui = panel.ui
    crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    places = worst_places(panel.results.result)
    assert len(places) > 2
    readings = []
    for number in [*range(len(places)), 0]:  # and from the beginning
        ui.worstButton.click()
        assert f"{number + 1} of {len(places)}" in ui.worstButton.text
        assert crosshair.GetCrosshairRAS() == pytest.approx(places[number].tolist())
        readings.append(float(ui.readingLabel.text.split(" mm")[0].split()[-1]))
    assert readings[:-1] == sorted(readings[:-1], reverse=True) and readings[-1] == readings[0]
    panel.results.refresh()
    assert ui.worstButton.text == "Next worst place"


def test_the_registration_is_played_from_0_to_100_percent(panel, host, reloaded):
    ui, result = panel.ui, panel.results.result
    choose(ui.movementComboBox, "growth_transform")
    assert result.moving.GetParentTransformNode() is panel.results.result.growth_transform
    assert (ui.sampleSlider.maximum, ui.sampleLabel.text) == (10, "0 %")
    ui.sampleSlider.value = 7
    assert ui.sampleLabel.text == "70 %"
    ui.playButton.click()
    browser = panel.results.result.growth_browser
    assert browser.GetPlaybackActive()
    ui.playButton.click()
    result = reloaded()
    assert ui.movementComboBox.currentData == "growth_transform" and ui.sampleLabel.text == "70 %"
    ui.sampleSlider.value = 10
    assert result.growth_browser.GetSelectedItemNumber() == 10
    choose(ui.movementComboBox, "sample_transform")
    ui.sampleSlider.value = 2
    assert result.sample_browser.GetSelectedItemNumber() == 2
    ui.restoreButton.click()
    assert result.moving.GetParentTransformNode() is None


def test_fixed_and_registered_in_one(panel, host, reloaded):
    ui = panel.ui
    assert not ui.swipeSlider.visible
    choose(ui.backgroundComboBox, "checkerboard")
    both, shown = layers()
    assert both.GetName() == "Fixed and registered" and not ui.swipeSlider.visible
    assert shown is panel.results.result.maps["expected_error_mm"]
    choose(ui.backgroundComboBox, "swipe")
    assert layers()[0] is both and ui.swipeSlider.visible
    import slicer

    means = []
    for share in (10.0, 90.0):
        ui.swipeSlider.value = share
        means.append(slicer.util.arrayFromVolume(both).copy())
    assert (means[0] != means[1]).any()
    assert both.GetID() in ui.fixedSelector.sortFilterProxyModel().hiddenNodeIDs
    reloaded()
    assert ui.backgroundComboBox.currentData == "swipe" and ui.swipeSlider.visible
    choose(ui.backgroundComboBox, "fixed")
    assert layers()[0] is panel.results.result.fixed and not ui.swipeSlider.visible
    ui.flickerButton.click()
    assert ui.backgroundComboBox.currentData == "registered"


def test_the_volume_change_turns_grey(panel, host, reloaded):
    ui = panel.ui
    assert not ui.greyCheckBox.enabled  # the expected error is itself about what is sure
    choose(ui.mapComboBox, "jacobian")
    assert ui.greyCheckBox.enabled and not ui.thresholdSlider.visible
    ui.greyCheckBox.click()
    grey = layers()[1]
    assert grey.GetName() == "Grey where unsure"
    choose(ui.colorsComboBox, "purple-green")
    assert "purple-green grey" in grey.GetDisplayNode().GetColorNode().GetName()
    result = reloaded()
    assert ui.mapComboBox.currentData == "jacobian" and ui.greyCheckBox.checked
    assert ui.showMapCheckBox.checked and ui.colorsComboBox.currentData == "purple-green"
    ui.greyCheckBox.click()
    assert layers()[1] is result.maps["jacobian"]
    choose(ui.mapComboBox, "expected_error_mm")
    assert layers()[1] is result.maps["expected_error_mm"]


def test_colours_are_chosen_and_saved(panel, host, reloaded):
    from UncertainRegLib.palette import SEQUENTIAL
    from UncertainRegLib.scene.log_colors import colors_of

    ui, result = panel.ui, panel.results.result
    node = result.maps["expected_error_mm"]
    assert ui.colorsComboBox.count == len(SEQUENTIAL) >= 5
    for name in SEQUENTIAL:
        choose(ui.colorsComboBox, name)
        assert colors_of(node) == name
    choose(ui.colorsComboBox, "viridis")
    ui.logCheckBox.click()
    choose(ui.colorsComboBox, "cividis")
    assert ui.logCheckBox.checked and colors_of(node) == "cividis"
    result = reloaded()
    assert ui.colorsComboBox.currentData == "cividis" and ui.logCheckBox.checked
    choose(ui.mapComboBox, "jacobian")
    assert ui.colorsComboBox.currentData == "diverging" and not ui.logCheckBox.enabled


def test_outlines_of_all_samples_follow_the_structure(panel, host, reloaded):
    from UncertainRegLib.scene import nodes

    ui, tables = panel.ui, panel.results.tables

    def drawn():
        result = panel.results.result
        return nodes.find(result.scene, result.run, "outlines")

    names = [ui.structuresTable.item(row, 0).text() for row in range(2)]
    tables.chooseStructure(names.index("Core"))
    ui.outlinesCheckBox.click()
    run_until(host, lambda: not tables._stepper.isActive)
    assert drawn().GetDescription().startswith("Core")
    tables.chooseStructure(names.index("Shell"))
    run_until(host, lambda: not tables._stepper.isActive)
    assert drawn().GetDescription().startswith("Shell")
    reloaded()
    assert ui.outlinesCheckBox.checked and drawn().GetDisplayNode().GetVisibility()
    ui.outlinesCheckBox.click()
    assert not drawn().GetDisplayNode().GetVisibility()
    ui.outlinesCheckBox.click()
    import slicer

    slicer.mrmlScene.Clear()  # in the middle of it
    host.process_events()
    assert not tables._stepper.isActive
