"""Every control of the results, clicked in the real panel, against the state of the scene."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from support.fake_result import EXPECTED, write_fake_result
from support.panel import apply_and_wait, layout_of, run_until
from UncertainRegLib.results.maps import MAPS


def class_nodes(name: str):
    import slicer

    return list(slicer.util.getNodesByClass(name))


@pytest.fixture
def shown(widget, inputs, host, tmp_path):
    """The panel after a run with samples, segmentation and landmarks."""
    import slicer

    from UncertainRegLib.scene.result import load_result

    apply_and_wait(host, widget)
    # The stub writes a result of its own images; its segmentation is only read from files.
    folder, aside = widget.logic.run.out, tmp_path / "aside"
    shutil.copytree(folder.parent, aside)
    slicer.mrmlScene.Clear()
    shutil.copytree(aside, folder.parent)
    widget.logic.temporaryFolders.append(folder.parent)
    load_result(folder, slicer.mrmlScene)
    for section in (widget.ui.structuresCollapsibleButton, widget.ui.landmarksCollapsibleButton):
        section.collapsed = False  # a table is filled when it is seen
    widget.results.refresh(showMap=True)
    return widget


def core_row(ui) -> int:
    return [ui.structuresTable.item(r, 0).text() for r in range(2)].index("Core")


def crosshair():
    return class_nodes("vtkMRMLCrosshairNode")[0]


def center(result) -> np.ndarray:
    bounds = np.zeros(6)
    result.fixed.GetRASBounds(bounds)
    return (bounds[::2] + bounds[1::2]) / 2


def test_every_map_of_the_result_can_be_shown(shown):
    ui, result = shown.ui, shown.results.result
    names = [ui.mapComboBox.itemData(n) for n in range(ui.mapComboBox.count)]
    assert names == [
        "expected_error_mm",
        "uncertainty_mm",
        "axis_rl_mm",
        "label_entropy",
        "jacobian",
    ]
    assert ui.mapComboBox.currentData == "expected_error_mm"  # what a new user sees
    assert ui.mapComboBox.toolTip == MAPS["expected_error_mm"].meaning
    for index, name in enumerate(names):
        ui.mapComboBox.currentIndex = index
        for view in class_nodes("vtkMRMLSliceCompositeNode"):
            assert view.GetForegroundVolumeID() == result.maps[name].GetID()
    assert ui.mapComboBox.toolTip == MAPS["jacobian"].meaning


def test_restore_gives_layers_and_position_back(widget, inputs, host):
    from UncertainRegLib.scene.arrows import has_arrows

    views, slices = class_nodes("vtkMRMLSliceCompositeNode"), class_nodes("vtkMRMLSliceNode")
    views[0].SetBackgroundVolumeID(inputs[1].GetID())
    views[0].SetForegroundOpacity(0.2)
    before = [view.GetSliceOffset() for view in slices]
    apply_and_wait(host, widget)
    ui = widget.ui
    ui.structuresTable.cellClicked.emit(0, 0)
    ui.glyphsCheckBox.checked = True
    ui.ellipsoidCheckBox.checked = True
    ui.opacitySlider.value = 0.9
    assert [view.GetSliceOffset() for view in slices] != before
    ui.restoreButton.click()
    assert views[0].GetBackgroundVolumeID() == inputs[1].GetID()
    assert views[0].GetForegroundVolumeID() is None and views[0].GetForegroundOpacity() == 0.2
    np.testing.assert_allclose([view.GetSliceOffset() for view in slices], before, atol=1e-6)
    assert not ui.showMapCheckBox.checked and not ui.glyphsCheckBox.checked
    assert not has_arrows(widget.results.result)
    ui.showMapCheckBox.checked = True  # and it can be shown again
    assert views[0].GetForegroundVolumeID() is not None


def test_the_map_lies_over_the_fixed_volume_whatever_was_shown(widget, inputs, host):
    views = class_nodes("vtkMRMLSliceCompositeNode")
    for view in views:
        view.SetBackgroundVolumeID(inputs[1].GetID())  # the moving volume
    apply_and_wait(host, widget)
    ui = widget.ui
    assert ui.backgroundComboBox.currentData == "fixed"
    assert {view.GetBackgroundVolumeID() for view in views} == {inputs[0].GetID()}
    ui.flickerButton.click()
    assert {view.GetBackgroundVolumeID() for view in views} == {inputs[1].GetID()}
    ui.flickerButton.click()
    assert {view.GetBackgroundVolumeID() for view in views} == {inputs[0].GetID()}


def test_restore_gives_back_structures_label_layer_and_film(shown):
    import slicer

    ui, result = shown.ui, shown.results.result
    ui.restoreButton.click()
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    views = class_nodes("vtkMRMLSliceCompositeNode")
    for view in views:
        view.SetLabelVolumeID(labels.GetID())
    display = result.moving_segmentation.GetDisplayNode()
    display.SetVisibility2DFill(True)
    segments = list(result.moving_segmentation.GetSegmentation().GetSegmentIDs())
    ui.showMapCheckBox.checked = True
    assert {view.GetLabelVolumeID() for view in views} == {None}
    assert not display.GetVisibility2DFill()
    ui.showMapCheckBox.checked = False  # the map alone goes: what hid it comes back
    assert {view.GetLabelVolumeID() for view in views} == {labels.GetID()}
    assert display.GetVisibility2DFill()
    ui.showMapCheckBox.checked = True
    ui.structuresTable.cellClicked.emit(core_row(ui), 0)
    ui.onlyStructureCheckBox.checked = True
    ui.playButton.click()
    assert not all(display.GetSegmentVisibility(one) for one in segments)
    ui.restoreButton.click()
    assert all(display.GetSegmentVisibility(one) for one in segments)
    assert {view.GetLabelVolumeID() for view in views} == {labels.GetID()}
    assert display.GetVisibility2DFill()
    assert ui.backgroundComboBox.currentData == "fixed"
    assert result.moving.GetParentTransformNode() is None  # where it was before the registration
    assert result.moving_segmentation.GetParentTransformNode() is None
    assert not result.sample_browser.GetPlaybackActive()
    ui.showMapCheckBox.checked = True
    assert result.moving.GetParentTransformNode() is result.transform
    assert result.moving_segmentation.GetParentTransformNode() is result.transform


def legends_seen() -> list[str]:
    """The maps whose legend is seen."""
    from UncertainRegLib.scene.legend import legend_of

    volumes = class_nodes("vtkMRMLScalarVolumeNode")
    return [one.GetName() for one in volumes if legend_of(one) and legend_of(one).GetVisibility()]


def test_a_legend_is_seen_with_its_map_only(shown):
    ui, result = shown.ui, shown.results.result
    assert legends_seen() == [result.maps["expected_error_mm"].GetName()]
    ui.mapComboBox.currentIndex = ui.mapComboBox.findData("jacobian")
    assert legends_seen() == [result.maps["jacobian"].GetName()]
    ui.showMapCheckBox.checked = False
    assert legends_seen() == []
    ui.showMapCheckBox.checked = True
    ui.restoreButton.click()
    assert legends_seen() == []


def test_the_panel_follows_layers_that_are_chosen_by_hand(shown, host):
    ui, result = shown.ui, shown.results.result
    views = class_nodes("vtkMRMLSliceCompositeNode")
    for view in views:
        view.SetForegroundVolumeID(result.fixed.GetID())
    host.process_events()
    assert legends_seen() == [] and not ui.showMapCheckBox.checked
    views[1].SetForegroundVolumeID(result.maps["jacobian"].GetID())
    host.process_events()
    assert legends_seen() == [result.maps["jacobian"].GetName()]
    assert ui.showMapCheckBox.checked and ui.mapComboBox.currentData == "jacobian"


def test_the_legend_is_in_the_view_that_is_chosen(shown):
    from UncertainRegLib.scene.legend import legend_of

    ui, result = shown.ui, shown.results.result
    names = [ui.legendComboBox.itemText(n) for n in range(ui.legendComboBox.count)]
    assert {"Red", "Yellow", "Green"} <= set(names)
    ui.legendComboBox.currentIndex = names.index("Yellow")
    (view,) = [one for one in class_nodes("vtkMRMLSliceNode") if one.GetName() == "Yellow"]
    for name in ("expected_error_mm", "uncertainty_mm"):
        ui.mapComboBox.currentIndex = ui.mapComboBox.findData(name)
        assert list(legend_of(result.maps[name]).GetViewNodeIDs()) == [view.GetID()]
    shown.results.refresh()
    assert ui.legendComboBox.currentText == "Yellow"


def test_ellipsoids_are_coloured_like_the_map_without_a_legend_of_their_own(shown):
    from UncertainRegLib.scene.legend import legend_of

    result, ui = shown.results.result, shown.ui
    assert not result.ellipsoids.GetDisplayNode().GetScalarVisibility()  # not the expected error
    ui.mapComboBox.currentIndex = ui.mapComboBox.findData("uncertainty_mm")
    assert result.ellipsoids.GetDisplayNode().GetScalarVisibility()
    display = result.maps["uncertainty_mm"].GetDisplayNode()
    window = (display.GetWindowLevelMin(), display.GetWindowLevelMax())
    assert result.ellipsoids.GetDisplayNode().GetScalarRange() == window
    assert legend_of(result.ellipsoids) is None


def test_the_reading_follows_mouse_and_crosshair(shown):
    ui, result = shown.ui, shown.results.result
    point = center(result)
    crosshair().SetCrosshairMode(crosshair().ShowBasic)
    crosshair().SetCrosshairRAS(point.tolist())
    assert ui.readingLabel.text.startswith("<b>") and " mm" in ui.readingLabel.text
    assert "Core 100\N{NO-BREAK SPACE}%" in ui.readingLabel.text
    assert "ellipsoid of the samples ±" in ui.readingLabel.text
    assert "local volume" in ui.readingLabel.text and ui.pinButton.enabled
    crosshair().SetCursorPositionRAS([1e4, 0.0, 0.0])
    assert ui.readingLabel.text.startswith("Nothing is known here") and not ui.pinButton.enabled
    crosshair().SetCursorPositionRAS((point + [12.0, 0.0, 0.0]).tolist())
    assert ui.readingLabel.text.startswith("<b>expected error ")
    crosshair().SetCursorPositionInvalid()
    assert "Core 100\N{NO-BREAK SPACE}%" in ui.readingLabel.text  # at the crosshair again


def test_the_reading_names_the_chosen_map(shown):
    ui, result = shown.ui, shown.results.result
    ui.mapComboBox.currentIndex = ui.mapComboBox.findData("label_entropy")
    crosshair().SetCrosshairRAS(center(result).tolist())
    assert "Label entropy (nats): 0." in ui.readingLabel.text


def test_ellipsoid_and_pin_are_nodes(shown):
    import slicer

    from UncertainRegLib.scene.nodes import find

    ui, result = shown.ui, shown.results.result
    point = center(result)
    ui.ellipsoidCheckBox.checked = True
    crosshair().SetCursorPositionRAS(point.tolist())
    model = find(slicer.mrmlScene, result.run, "probe_ellipsoid")
    assert model.GetDisplayNode().GetVisibility() and model.GetDisplayNode().GetVisibility2D()
    middle = slicer.util.arrayFromModelPoints(model).mean(0)
    np.testing.assert_allclose(middle, point, atol=0.2)
    ui.pinButton.click()
    shown.results.refresh()
    pins = shown.results.result.pins
    assert pins.GetNumberOfControlPoints() == 1
    np.testing.assert_allclose(pins.GetNthControlPointPosition(0), point)
    label, text = pins.GetNthControlPointLabel(0), pins.GetNthControlPointDescription(0)
    assert re.fullmatch(r"P1 \d\.\d mm", label)  # long ones run over image and legend
    assert text.startswith("expected error ") and " mm · 95 % bound " in text
    assert "samples differ by " in text and "Core" in text
    pins.RemoveNthControlPoint(0)
    ui.pinButton.click()
    assert pins.GetNthControlPointLabel(0).startswith("P2 ")
    ui.ellipsoidCheckBox.checked = False
    assert find(slicer.mrmlScene, result.run, "probe_ellipsoid") is None


def test_a_pin_needs_no_crosshair(shown):
    ui, result, node = shown.ui, shown.results.result, crosshair()
    assert node.GetCrosshairMode() == node.NoCrosshair
    node.SetCrosshairRAS([1e4, 0.0, 0.0])
    node.SetCursorPositionRAS(center(result).tolist())
    reading = ui.readingLabel.text
    node.SetCursorPositionInvalid()  # on the way to the button
    assert ui.readingLabel.text == reading and ui.pinButton.enabled
    ui.pinButton.click()
    shown.results.refresh()
    pins = shown.results.result.pins
    np.testing.assert_allclose(pins.GetNthControlPointPosition(0), center(result))


def test_a_row_is_marked_by_the_crosshair_until_the_view_is_restored(shown):
    ui, node = shown.ui, crosshair()
    assert node.GetCrosshairMode() == node.NoCrosshair
    ui.structuresTable.cellClicked.emit(core_row(ui), 0)
    table = shown.results.result.label_table.GetTable()
    row = [table.GetColumnByName("name").GetValue(r) for r in range(2)].index("Core")
    wanted = [table.GetColumnByName(f"worst_voxel_lps_{a}").GetValue(row) for a in "ras"]
    np.testing.assert_allclose(node.GetCrosshairRAS(), wanted)
    assert node.GetCrosshairMode() == node.ShowSmallBasic
    ui.restoreButton.click()
    assert node.GetCrosshairMode() == node.NoCrosshair


def test_outside_the_module_nothing_is_read(shown):
    shown.exit()
    shown.ui.readingLabel.text = "old"
    crosshair().SetCursorPositionRAS(center(shown.results.result).tolist())
    assert shown.ui.readingLabel.text == "old"
    shown.enter()
    assert shown.ui.readingLabel.text != "old"


def test_flicker_key_changes_the_volume_under_the_map(shown):
    result = shown.results.result
    view = class_nodes("vtkMRMLSliceCompositeNode")[0]
    flicker, pin = shown._shortcuts
    assert flicker.enabled
    flicker.activated.emit()
    assert view.GetBackgroundVolumeID() == result.moving.GetID()
    assert result.moving.GetParentTransformNode() is result.transform
    flicker.activated.emit()
    assert view.GetBackgroundVolumeID() == result.fixed.GetID()
    crosshair().SetCrosshairRAS(center(result).tolist())
    pin.activated.emit()
    shown.results.refresh()
    assert shown.results.result.pins.GetNumberOfControlPoints() == 1
    shown.exit()
    assert not flicker.enabled and not pin.enabled
    shown.enter()


def test_an_unloaded_module_leaves_no_shortcuts(module, host):
    import qt

    made = host.make_widget(module.UncertainRegWidget)
    shortcuts, parent = list(made._shortcuts), made.parent
    assert all(shortcut.enabled for shortcut in shortcuts)
    host.unload(made)
    host.application.sendPostedEvents(None, 52)  # QEvent::DeferredDelete
    assert not any(shortcuts) and not made._shortcuts
    assert parent.findChildren(qt.QShortcut) == ()


def test_a_reloaded_module_listens_at_once(shown, module, host):
    parent = shown.parent
    host.unload(shown)
    made = module.UncertainRegWidget(parent)
    made.setup()  # the application does not call enter() again
    assert all(shortcut.enabled for shortcut in made._shortcuts)
    made.ui.readingLabel.text = "old"
    crosshair().SetCursorPositionRAS(center(made.results.result).tolist())
    assert made.ui.readingLabel.text != "old"
    host.unload(made)


def test_arrows_of_the_displacement_have_a_legend(shown):
    from UncertainRegLib.scene.arrows import has_arrows

    ui, result = shown.ui, shown.results.result
    assert not ui.glyphsLabel.visible
    ui.glyphsCheckBox.checked = True
    assert has_arrows(result) and "the longest displacement is 5.3 mm" in ui.glyphsLabel.text
    shown.results.refresh()
    assert ui.glyphsCheckBox.checked and ui.glyphsLabel.visible
    ui.glyphsCheckBox.checked = False
    assert not has_arrows(result) and not ui.glyphsLabel.visible


def test_a_row_shows_its_structure_and_its_surfaces(shown):
    ui, result = shown.ui, shown.results.result
    segmentation = result.moving_segmentation
    identifiers = [
        segmentation.GetSegmentation().GetSegmentIdBySegmentName(name) for name in ("Shell", "Core")
    ]
    ui.onlyStructureCheckBox.checked = True
    ui.structuresTable.cellClicked.emit(core_row(ui), 0)
    display = segmentation.GetDisplayNode()
    assert [display.GetSegmentVisibility(i) for i in identifiers] == [False, True]
    ui.onlyStructureCheckBox.checked = False
    assert [display.GetSegmentVisibility(i) for i in identifiers] == [True, True]
    assert "mm" in ui.readingLabel.text  # read out at its worst place
    ui.surfacesCheckBox.checked = True
    surfaces = shown.results.result.surfaces
    names = [surfaces.GetSegmentation().GetNthSegment(n).GetName() for n in range(3)]
    assert names == [f"Core, {share} % of the samples" for share in (5, 50, 95)]
    assert surfaces.GetDisplayNode().GetVisibility() and ui.surfacesCheckBox.checked
    assert ui.mapComboBox.itemText(ui.mapComboBox.findData("probability")) == (
        "Probability of Core"
    )
    ui.structuresTable.cellClicked.emit(1 - core_row(ui), 0)
    assert surfaces.GetSegmentation().GetNthSegment(0).GetName() == "Shell, 5 % of the samples"
    ui.surfacesCheckBox.checked = False
    assert not surfaces.GetDisplayNode().GetVisibility()


def test_surfaces_that_cannot_be_made_are_explained(shown, monkeypatch):
    import slicer

    said = []
    monkeypatch.setattr(slicer.util, "errorDisplay", said.append)
    slicer.mrmlScene.RemoveNode(shown.results.result.moving_segmentation)
    shown.results.refresh()
    shown.ui.surfacesCheckBox.checked = True
    assert said == ["The surfaces cannot be shown: The moving segmentation is not in the scene."]
    assert not shown.ui.surfacesCheckBox.checked


def test_tables_are_saved(shown, monkeypatch, tmp_path):
    import slicer
    from UncertainRegParts.sections import tables

    monkeypatch.setattr(slicer.app, "temporaryPath", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    shown.ui.structuresCsvButton.click()  # in a test no dialog waits for an answer
    assert (tmp_path / "temporary" / "structures.csv").is_file()
    for button, name in (
        (shown.ui.structuresCsvButton, "structures.csv"),
        (shown.ui.landmarksCsvButton, "landmarks.csv"),
    ):
        monkeypatch.setattr(tables, "askForPath", lambda given, kind: str(tmp_path / given))
        button.click()
        assert (tmp_path / name).read_text("utf-8").count("\n") == 3
        monkeypatch.setattr(tables, "askForPath", lambda given, kind: str(tmp_path / "table.tsv"))
        button.click()
        assert "\t" in (tmp_path / "table.tsv").read_text("utf-8")
        monkeypatch.setattr(tables, "askForPath", lambda given, kind: "")
        button.click()  # the user changed their mind


def test_the_main_movement_is_played_like_samples(shown):
    ui, result = shown.ui, shown.results.result
    ui.playButton.click()
    ui.movementComboBox.currentIndex = 1
    assert not result.sample_browser.GetPlaybackActive()
    browser = result.sweep_browser
    assert ui.sampleSlider.maximum == browser.GetNumberOfItems() - 1
    assert ui.sampleLabel.text == "-2.0 SD" and ui.fpsSpinBox.value == 8
    assert result.moving.GetParentTransformNode() is result.sweep_transform
    ui.sampleSlider.value = browser.GetNumberOfItems() // 2
    assert ui.sampleLabel.text == "+2.0 SD"
    ui.playButton.click()
    assert browser.GetPlaybackActive()
    ui.loopCheckBox.checked = False
    assert not browser.GetPlaybackLooped()
    shown.results.refresh()  # the same movement goes on
    assert shown.results.result.sweep_browser is browser and ui.playButton.checked
    ui.movementComboBox.currentIndex = 0
    assert not browser.GetPlaybackActive()
    assert result.moving.GetParentTransformNode() is result.sample_transform
    assert ui.sampleLabel.text == "1 of 6"


def test_a_second_round_of_the_film_is_not_computed_again(shown, monkeypatch):
    import slicer

    from UncertainRegLib.scene.views import NoOpenGLError, SliceView

    scene = slicer._host_scene
    try:
        views = [SliceView(scene, name, (100, 100)) for name in scene.slices]
    except NoOpenGLError as error:
        pytest.skip(str(error))
    scene.fit_slices(100, 100)
    monkeypatch.setattr(slicer.app, "layoutManager", lambda: layout_of(views))
    ui, resliced = shown.ui, []

    def play() -> list[bytes]:
        pictures = []
        for sample in (1, 2, 3):
            ui.sampleSlider.value = sample
            pictures += [view.pixels().tobytes() for view in views]
        return pictures

    expected = play()
    for view in views:
        reslice = view.logic.GetBackgroundLayer().GetReslice()
        reslice.AddObserver("EndEvent", lambda *_: resliced.append(1))
    for _round in range(2):
        assert play() == expected and len(set(expected)) >= 3
    assert resliced == []
    ui.movementComboBox.currentIndex = 2  # another film
    play()
    assert len(resliced) > 0
    ui.restoreButton.click()
    assert shown.results.samples._film is None
    resliced.clear()
    ui.movementComboBox.currentIndex = 0
    play()
    assert len(resliced) >= len(expected)  # nothing of it was kept
    shown.results.refresh()
    ui.showMapCheckBox.checked = False
    ui.backgroundComboBox.currentIndex = ui.backgroundComboBox.findData("fixed")
    assert shown.results.samples._film is None


def test_a_rate_that_cannot_be_kept_is_told(shown, monkeypatch):
    import time

    ui, browser, now = shown.ui, shown.results.result.sample_browser, [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ui.samplesCollapsibleButton.collapsed = False
    assert not ui.rateLabel.visible

    def play(seconds: float) -> None:
        for step in range(20):
            now[0] += seconds
            browser.SetSelectedItemNumber(step % 6)

    ui.fpsSpinBox.value = 10
    ui.playButton.click()
    play(0.1)
    assert not ui.rateLabel.visible
    play(0.25)
    assert ui.rateLabel.visible and "manages 4.0 of the 10 steps" in ui.rateLabel.text
    ui.fpsSpinBox.value = 4
    play(0.25)
    assert not ui.rateLabel.visible
    ui.playButton.click()


def test_modes_and_best_sample(shown):
    ui, result = shown.ui, shown.results.result
    assert not ui.modeAButton.visible and not ui.bestButton.visible  # the result names none
    assert not ui.oracleButton.visible  # there was no truth
    modes = [{"weight": 0.62, "sample": 3}, {"weight": 0.38, "sample": 1}]
    result.transform.SetAttribute("UncertainReg.Modes", json.dumps(modes))
    result.transform.SetAttribute("UncertainReg.BestSample", "4")
    result.transform.SetAttribute("UncertainReg.OracleSample", "2")
    ui.samplesCollapsibleButton.collapsed = False
    shown.results.refresh()
    assert (ui.modeAButton.text, ui.modeBButton.text) == ("A: 62 %", "B: 38 %")
    for button, sample in (
        (ui.modeBButton, 1),
        (ui.modeAButton, 3),
        (ui.bestButton, 4),
        (ui.oracleButton, 2),
    ):
        button.click()
        assert result.sample_browser.GetSelectedItemNumber() == sample
        assert ui.backgroundComboBox.currentData == "sample"
    assert result.moving.GetParentTransformNode() is result.sample_transform
    ui.differenceButton.click()
    assert ui.mapComboBox.currentData == "mode_difference_mm"
    import slicer
    import vtk

    from UncertainRegLib.scene.transform import field_of

    a, b = (field_of(result.sample_sequence.GetNthDataNode(n)).vectors for n in (3, 1))
    found = slicer.util.arrayFromVolume(shown.results.result.maps["mode_difference_mm"])
    inside = np.isfinite(found)
    assert 0 < inside.sum() < found.size
    distance = np.linalg.norm(a - b, axis=-1)[inside]
    np.testing.assert_allclose(np.abs(found[inside]), distance, rtol=1e-5)
    assert "A puts the anatomy " in ui.mapComboBox.toolTip
    assert not ui.thresholdSlider.visible  # "Hide below −2.8 mm" says nothing
    node = shown.results.result.maps["mode_difference_mm"]
    place = np.argwhere(np.isfinite(found))[0][::-1].tolist()
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    crosshair().SetCrosshairRAS(list(matrix.MultiplyPoint([*place, 1.0])[:3]))
    assert re.search(r"A and B lie \d\.\d mm apart, A (further|higher|lower)", ui.readingLabel.text)
    view = class_nodes("vtkMRMLSliceCompositeNode")[0]
    assert view.GetForegroundVolumeID() == shown.results.result.maps["mode_difference_mm"].GetID()


def test_where_two_modes_lie_is_said_in_words(shown):
    from UncertainRegParts.sections.probe import apart

    assert apart(1.04, "posterior") == "A and B lie 1.0 mm apart, A further back"
    assert apart(-1.04, "posterior") == "A and B lie 1.0 mm apart, A further forward"
    assert apart(2.0, "left").endswith("A further left")
    assert apart(-2.0, "superior").endswith("A lower down")


def test_log_colours_are_a_property_of_the_map(shown):
    ui, result = shown.ui, shown.results.result
    display = result.maps["expected_error_mm"].GetDisplayNode()
    assert ui.logCheckBox.enabled and not ui.logCheckBox.checked
    floor = ui.thresholdSlider.value
    ui.logCheckBox.checked = True
    assert display.GetColorNode().GetName() == "UncertainReg inferno log"
    assert ui.thresholdSlider.value == pytest.approx(floor, abs=0.01)  # hides what it hid
    ui.mapComboBox.currentIndex = ui.mapComboBox.findData("jacobian")
    assert not ui.logCheckBox.enabled and not ui.logCheckBox.checked
    ui.mapComboBox.currentIndex = ui.mapComboBox.findData("expected_error_mm")
    assert ui.logCheckBox.checked
    ui.logCheckBox.checked = False
    assert display.GetColorNode().GetName() == "UncertainReg inferno"


def test_ellipsoids_on_a_grid_follow_the_slices(shown, host):
    import slicer

    from UncertainRegLib.scene.nodes import find

    ui, result = shown.ui, shown.results.result
    shown.results.jump(center(result))
    ui.axesCheckBox.checked = True
    model = find(slicer.mrmlScene, result.run, "axes")
    before = slicer.util.arrayFromModelPoints(model).copy()
    assert len(before) > 0
    view = class_nodes("vtkMRMLSliceNode")[0]
    view.SetSliceOffset(view.GetSliceOffset() + 3.0)
    run_until(
        host,
        lambda: (
            not ui.axesCheckBox.checked
            or not np.array_equal(before, slicer.util.arrayFromModelPoints(model))
        ),
    )
    shown.results.refresh()
    assert ui.axesCheckBox.checked
    ui.restoreButton.click()
    assert find(slicer.mrmlScene, result.run, "axes") is None


def edit_result(widget, **entries):
    """Change result.json as an evaluation does, and bring it into the scene."""
    from UncertainRegLib.scene.result import update_result

    result = widget.results.result
    path = Path(result.folder) / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | entries), "utf-8")
    update_result(result, result.folder)
    widget.results.refresh()


def titles(table) -> list[str]:
    return [table.horizontalHeaderItem(c).text() for c in range(table.columnCount)]


CALIBRATION = {
    "level": 0.95,
    "factor": 3.0,
    "refused": None,
    "warning": "",
    "warps": 4,
    "amplitude_mm": 2.0,
    "coverage_check": 0.94,
    "wider": 1.2,
    "expected_within": 0.91,
}


def test_the_expected_error_and_its_bound_are_read_out_first(shown):
    ui, result = shown.ui, shown.results.result
    crosshair().SetCrosshairRAS((center(result) + [9.0, 0.0, 0.0]).tolist())
    values = shown.results.probe.read().values
    expected, u = values["expected_error_mm"], values["uncertainty_mm"]
    text = f"<b>expected error {expected:.1f} mm · 95 % bound {{}} mm</b><br>"
    text += f"samples differ by {u:.1f} mm"
    assert ui.readingLabel.text.startswith(text.format(f"{2 * expected:.1f}"))
    for table in (ui.structuresTable, ui.landmarksTable):
        assert titles(table)[1:3] == ["Expected error\n(mm)", "95 % bound\n(mm)"]
    edit_result(shown, calibration=CALIBRATION)
    assert ui.readingLabel.text.startswith(text.format(f"{2.4 * expected:.1f}"))


@pytest.mark.parametrize("whose", ["expected_error", "calibration"])
def test_a_refused_bound_is_read_out_and_explained(shown, whose):
    ui, result = shown.ui, shown.results.result
    crosshair().SetCrosshairRAS(center(result).tolist())
    entry = {"calibration": CALIBRATION | {"factor": None}, "expected_error": EXPECTED}[whose]
    edit_result(shown, **{whose: entry | {"refused": "It is stuck."}})
    value = shown.results.probe.read().values["expected_error_mm"]
    assert ui.readingLabel.text.startswith(
        f"<b>expected error {value:.1f} mm</b><br>no bound can be stated (see Validate) · samples "
        "differ by "
    )
    assert "95 % bound" not in ui.readingLabel.text
    assert "No bound is stated: It is stuck." in ui.calibrationLabel.text
    for table in (ui.structuresTable, ui.landmarksTable):
        assert "Expected error\n(mm)" in titles(table) and "95 % bound\n(mm)" not in titles(table)
    assert "Volume,\nlowest sample (mL)" in titles(ui.structuresTable)
    # known deformations cannot lift what the run itself refused
    assert ui.calibrateButton.enabled is (whose == "calibration")


def test_an_older_result_is_read_out_by_its_disagreement(shown, tmp_path):
    import slicer

    from UncertainRegLib.scene.result import load_result

    slicer.mrmlScene.Clear()
    load_result(write_fake_result(tmp_path / "older", expected=False), slicer.mrmlScene)
    shown.results.refresh(showMap=True)
    ui = shown.ui
    assert ui.mapComboBox.currentData == "uncertainty_mm"
    crosshair().SetCrosshairRAS(center(shown.results.result).tolist())
    u = shown.results.probe.read().values["uncertainty_mm"]
    assert ui.readingLabel.text.startswith(f"<b>samples differ by {u:.1f} mm")
    assert ui.readingLabel.text.count("samples differ") == 1
    assert "bound" not in ui.readingLabel.text
    assert not any("bound" in title for title in titles(ui.structuresTable))
    edit_result(shown, calibration=CALIBRATION)
    assert f" · 95 % bound {3 * u:.1f} mm</b>" in ui.readingLabel.text
    assert "95 % bound\n(mm)" in titles(ui.structuresTable)
    edit_result(shown, calibration=CALIBRATION | {"factor": None, "refused": "It is stuck."})
    assert "no bound can be stated" in ui.readingLabel.text
    assert "95 % bound" not in ui.readingLabel.text


def test_the_verdict_on_the_run_as_a_whole(shown):
    ui = shown.ui
    assert not ui.verdictLabel.visible
    edit_result(shown, competence={"followed": {"1.0": 0.98, "10.0": 0.61}, "warnings": []})
    assert ui.verdictLabel.text == "Follows a known shift: 98 % of 1 mm, 61 % of 10 mm."
    edit_result(
        shown,
        competence={"followed": {"10.0": 0.2}, "warnings": ["It does not."]},
        samples=json.loads((Path(shown.results.result.folder) / "result.json").read_text("utf-8"))[
            "samples"
        ]
        | {"proposals": 1200, "ess_raw": 1.24, "ess_tempered": 600.0, "tempering_exponent": 0.012},
    )
    assert "Does not follow a known shift</b> (20 % of 10 mm)" in ui.verdictLabel.text
    assert "1200 alternatives the weight lies on 1.2" in ui.verdictLabel.text
    assert "exponent 0.012" in ui.verdictLabel.text and "600" in ui.verdictLabel.text


def test_how_steady_the_map_is_stands_with_the_verdict(shown):
    folder = Path(shown.results.result.folder)
    samples = json.loads((folder / "result.json").read_text("utf-8"))["samples"]
    edit_result(shown, samples=samples | {"finished": 16, "agreement": 0.784})
    assert shown.ui.verdictLabel.text.endswith("to 0.90.")
    assert "A map of 16 other samples would rank the places like this one to 0.78" in (
        shown.ui.verdictLabel.text
    )


def test_numbers_before_the_registration_stand_beside_those_after_it(shown):
    assert "TRE before\n(mm)" in [
        shown.ui.landmarksTable.horizontalHeaderItem(c).text()
        for c in range(shown.ui.landmarksTable.columnCount)
    ]
    values = {"centred": None}
    edit_result(
        shown,
        before_after={
            "before": "the images as they lie",
            "centred": None,
            "structures": {},
            "similarity": {"measure": "m", "before": 0.1, "after": 0.42, **values},
            "dice": {"before": 0.743, "after": 0.694, **values},
            "tre_mm": None,
        },
    )
    text = shown.ui.verdictLabel.text
    assert "similarity 0.100 / 0.420, <b>worse: mean Dice 0.743 / 0.694</b>" in text


def test_stray_samples_are_left_out_on_one_click(shown):
    import slicer

    from support.fake_result import write_fake_strays

    ui, panel = shown.ui, shown.results
    assert not ui.leaveOutStraysCheckBox.visible
    write_fake_strays(panel.result.folder)
    edit_result(shown)
    box = ui.leaveOutStraysCheckBox
    assert box.visible and box.enabled and box.text.endswith("2 (8.9 mm off)")

    def largest():
        return np.nanmax(slicer.util.arrayFromVolume(panel.result.maps["uncertainty_mm"]))

    def weights():
        from UncertainRegLib.scene.samples import sample_weights

        return sample_weights(panel.result.sample_sequence)

    node, before, rows = panel.result.maps["uncertainty_mm"], largest(), ui.structuresTable.rowCount
    box.click()
    assert panel.result.maps["uncertainty_mm"] is node and ui.structuresTable.rowCount == rows
    np.testing.assert_allclose(largest(), 0.5 * before, rtol=1e-5)
    assert weights()[1] == 0 and np.isclose(weights().sum(), 1)
    assert "jacobian" in panel.result.maps and panel.result.leaves_out_strays
    assert shown.logic.getParameterNode().leaveOutStrays
    box.click()
    np.testing.assert_allclose(largest(), before)
    assert (weights() > 0).all() and not panel.result.leaves_out_strays


def test_without_its_files_a_run_stays_as_it_is_shown(shown):
    from support.fake_result import write_fake_strays

    panel, box = shown.results, shown.ui.leaveOutStraysCheckBox
    write_fake_strays(panel.result.folder)
    edit_result(shown)
    box.click()
    shutil.rmtree(panel.result.folder)
    panel.refresh()
    assert box.visible and not box.enabled and panel.result.leaves_out_strays
    assert box.text.startswith("Stray samples are left out: 2")


def test_report_and_summary_are_written_where_the_user_says(shown, monkeypatch, tmp_path):
    import slicer
    from UncertainRegParts.sections import report

    asked, said = [], []
    folder = Path(shown.results.result.folder)

    def ask(path, kind):
        asked.append(path)
        return str(tmp_path / Path(path).name)

    monkeypatch.setattr(report, "askForPath", ask)
    monkeypatch.setattr(slicer.util, "errorDisplay", said.append)
    shown.ui.reportButton.click()
    assert asked.pop() == str(Path.home() / "report.html")  # this folder is deleted at the end
    monkeypatch.setattr(slicer.app, "temporaryPath", str(tmp_path))
    shown.ui.reportButton.click()
    shown.ui.pictureButton.click()
    assert asked == [str(folder / "report.html"), str(folder / "summary.png")] and not said
    assert "Structures" in (tmp_path / "report.html").read_text("utf-8")
    assert (tmp_path / "summary.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(report, "askForPath", lambda path, kind: "")
    shown.ui.reportButton.click()  # the user changed their mind
    shown.logic.cleanup()  # the result folder is gone
    shown.ui.reportButton.click()
    assert len(said) == 1 and "are gone" in said[0] and "Keep results in" in said[0]


def test_settings_of_sir_reach_the_job(widget, inputs, host):
    ui, parameters = widget.ui, widget.logic.getParameterNode()
    assert not ui.sirWidget.visible
    ui.methodComboBox.currentIndex = ui.methodComboBox.findData("sir")
    assert parameters.sirSource == "trained" and ui.sirWidget.visible
    assert ui.sirWeightsPathLineEdit.visible and not ui.perturbationComboBox.visible
    ui.sirSourceComboBox.currentIndex = ui.sirSourceComboBox.findData("seeded")
    assert ui.perturbationComboBox.visible
    assert ui.samplesSpinBoxLabel.text == "Kept of them:"
    ui.sirProposalsSpinBox.value = 300
    ui.sirSourceComboBox.currentIndex = ui.sirSourceComboBox.findData("optimised")
    assert (parameters.sirSource, parameters.sirProposals) == ("optimised", 300)
    assert not ui.perturbationComboBox.visible and not ui.sirWeightsPathLineEdit.visible
    ui.competenceCheckBox.checked = True
    apply_and_wait(host, widget)
    job = json.loads((widget.logic.run.out.parent / "job.json").read_text("utf-8"))
    assert job["parameters"] == {"method": {"source": "optimised", "proposals": 300}}
    assert job["competence"] is True and job["agreement"] == 0
    ui.endEarlyCheckBox.checked = True
    ui.setupButton.click()  # folded by the run
    ui.sirSourceComboBox.currentIndex = ui.sirSourceComboBox.findData("trained")
    assert ui.sirWeightsPathLineEdit.visible
    ui.sirWeightsPathLineEdit.currentPath = "/models/sir.pt"
    apply_and_wait(host, widget)
    job = json.loads((widget.logic.run.out.parent / "job.json").read_text("utf-8"))
    assert job["parameters"]["method"]["weights"] == "/models/sir.pt"
    assert job["agreement"] == 0.9
    ui.methodComboBox.currentIndex = ui.methodComboBox.findData("equivariance")
    apply_and_wait(host, widget)
    job = json.loads((widget.logic.run.out.parent / "job.json").read_text("utf-8"))
    assert "parameters" not in job and not ui.sirWidget.visible


def test_the_panel_as_a_picture(shown, host, tmp_path):
    result, ui = shown.results.result, shown.ui
    modes = [{"weight": 0.62, "sample": 3}, {"weight": 0.38, "sample": 1}]
    result.transform.SetAttribute("UncertainReg.Modes", json.dumps(modes))
    result.transform.SetAttribute("UncertainReg.BestSample", "4")
    for section in (ui.samplesCollapsibleButton, ui.landmarksCollapsibleButton):
        section.collapsed = False
    for section in (ui.inputsCollapsibleButton, ui.methodCollapsibleButton):
        section.collapsed = True
    shown.results.refresh()
    crosshair().SetCrosshairRAS((center(result) + [9.0, 0.0, 0.0]).tolist())
    folder = Path(os.environ.get("UNCERTAINREG_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    host.process_events()  # the layouts notice what was opened
    shown.parent.resize(460, 10)
    shown.parent.resize(460, shown.parent.sizeHint.height())
    host.process_events()
    assert shown.parent.grab().save(str(folder / "module_results.png"))


def test_masks_reach_the_job(widget, inputs, host):
    import SimpleITK as sitk
    import slicer

    ui = widget.ui
    array = np.zeros((20, 28, 24), np.uint8)
    array[5:15, 5:20, 5:20] = 1
    array[6, 6, 6] = 2
    labelmap = slicer.util.addVolumeFromArray(
        array, name="Lungs", nodeClassName="vtkMRMLLabelMapVolumeNode"
    )
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Organs")
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(labelmap, segmentation)
    ui.fixedMaskSelector.setCurrentNode(labelmap)
    ui.movingMaskSelector.setCurrentNode(segmentation)
    assert ui.fixedMaskSelector.currentNode() is labelmap
    assert widget.logic.getParameterNode().movingMask is segmentation
    apply_and_wait(host, widget)
    job = json.loads((widget.logic.run.out.parent / "job.json").read_text("utf-8"))
    fixed, moving = (sitk.ReadImage(job[name]) for name in ("fixed_mask", "moving_mask"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(fixed), array > 0)
    assert sitk.GetArrayFromImage(moving).sum() == (array > 0).sum()
    slicer.util.updateVolumeFromArray(labelmap, np.zeros_like(array))
    ui.applyButton.click()
    assert "“Lungs” is empty" in ui.statusLabel.text


def test_truth_on_the_fixed_volume_only_judges(widget, inputs, host):
    import slicer

    from UncertainRegLib.geometry import read_segmentation

    ui, logic = widget.ui, slicer.modules.segmentations.logic()
    array = np.zeros((20, 28, 24), np.uint8)
    array[5:10], array[10:15] = 1, 2
    segmentations = []
    for names in (("Liver", "Spleen"), ("Spleen", "Kidney")):
        labelmap = slicer.util.addVolumeFromArray(
            array, name="Labels", nodeClassName="vtkMRMLLabelMapVolumeNode"
        )
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Organs")
        logic.ImportLabelmapToSegmentationNode(labelmap, node)
        for index, name in enumerate(names):
            node.GetSegmentation().GetNthSegment(index).SetName(name)
        segmentations.append(node)
    points = []
    for shift in (0.0, 2.0):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Points")
        slicer.util.updateMarkupsControlPointsFromArray(node, np.full((2, 3), 5.0 + shift))
        points.append(node)
    ui.fixedSegmentationSelector.setCurrentNode(segmentations[1])
    ui.fixedLandmarksSelector.setCurrentNode(points[1])
    apply_and_wait(host, widget)  # nothing on the moving volume to compare with
    job = json.loads((widget.logic.run.out.parent / "job.json").read_text("utf-8"))
    assert "fixed_labels" not in job and "fixed_points" not in job
    ui.segmentationSelector.setCurrentNode(segmentations[0])
    ui.landmarksSelector.setCurrentNode(points[0])
    apply_and_wait(host, widget)
    job = json.loads((widget.logic.run.out.parent / "job.json").read_text("utf-8"))
    assert read_segmentation(job["moving_labels"]).names == {1: "Liver", 2: "Spleen"}
    assert read_segmentation(job["fixed_labels"]).names == {1: "Spleen", 2: "Kidney"}
    assert "-7" in Path(job["fixed_points"]).read_text(encoding="utf-8")  # LPS
    segmentations[1].GetSegmentation().GetNthSegment(0).SetName("Heart")
    ui.applyButton.click()
    assert ui.statusLabel.text.startswith("No segment of “Organs")


def test_the_film_is_seen_without_the_map(shown):
    ui, result = shown.ui, shown.results.result
    ui.showMapCheckBox.checked = False
    ui.playButton.click()
    views = class_nodes("vtkMRMLSliceCompositeNode")
    assert {view.GetBackgroundVolumeID() for view in views} == {result.moving.GetID()}
    shown.results.refresh()
    assert ui.backgroundComboBox.currentData == "sample" and not ui.showMapCheckBox.checked
    ui.restoreButton.click()
    assert {view.GetForegroundVolumeID() for view in views} == {None}


def test_methods_are_listed_with_what_to_install(widget, inputs, monkeypatch):
    combo = widget.ui.methodComboBox
    names = [combo.itemData(n) for n in range(combo.count)]
    assert names == ["equivariance", "committee", "sir"]  # what demons can be asked by
    parameters = widget.logic.getParameterNode()
    parameters.method = "something else"
    assert widget.ui.applyButton.text == "Choose how uncertainty is found"
    assert not widget.ui.perturbationComboBox.visible
    parameters.method = "equivariance"
    assert widget.ui.perturbationComboBox.visible and widget.ui.applyButton.enabled


def test_all_is_there_after_saving_and_loading(shown, tmp_path):
    import slicer

    from UncertainRegLib.scene.bundle import read_bundle, write_bundle

    ui, scene = shown.ui, slicer.mrmlScene
    edit_result(
        shown,
        oracle_sample=3,
        competence={"followed": {"1.0": 1.0}, "warnings": []},
        calibration={
            "level": 0.95,
            "factor": 3.0,
            "refused": None,
            "warning": "",
            "warps": 4,
            "amplitude_mm": 2.0,
            "coverage_check": 0.94,
        },
    )
    crosshair().SetCrosshairRAS(center(shown.results.result).tolist())
    ui.pinButton.click()
    ui.logCheckBox.checked = True
    ui.surfacesCheckBox.checked = True
    ui.axesCheckBox.checked = True  # not saved: made for the planes of the day
    ui.movementComboBox.currentIndex = 1
    reading = ui.readingLabel.text
    write_bundle(scene, tmp_path / "scene.mrb")
    scene.Clear()
    shown.logic.cleanup()  # the result folder is gone
    read_bundle(tmp_path / "scene.mrb", scene)
    result = shown.results.result
    assert ui.movementComboBox.currentIndex == 1 and ui.backgroundComboBox.currentData == "sample"
    assert ui.sampleLabel.text == "-2.0 SD" and result.oracle_sample == 3
    assert ui.logCheckBox.checked and not ui.axesCheckBox.checked
    assert ui.verdictLabel.text.startswith("Follows a known shift")
    assert "95 % bound" in reading
    assert result.pins.GetNumberOfControlPoints() == 1 and ui.surfacesCheckBox.checked
    assert result.sweep_browser is not None and "probability" in result.maps
    crosshair().SetCrosshairRAS(center(result).tolist())
    assert ui.readingLabel.text == reading
    ui.movementComboBox.currentIndex = 0
    ui.movementComboBox.currentIndex = 1
    assert result.moving.GetParentTransformNode() is result.sweep_transform


def cells(table, title: str) -> list:
    """The items of the column whose heading begins like that."""
    found = [name.replace("\n", " ") for name in titles(table)]
    (column,) = [c for c, name in enumerate(found) if name.startswith(title)]
    return [table.item(row, column) for row in range(table.rowCount)]


def test_numbers_of_a_column_have_the_same_decimals(shown):
    import qt

    table, node = shown.ui.landmarksTable, shown.results.result.landmark_table
    assert node.GetColumnUnitLabel("mean_lps_a") == "mm"
    node.GetTable().GetColumnByName("mean_lps_a").SetValue(0, -1345.26)
    node.GetTable().GetColumnByName("u_mm").SetValue(0, 2.0)
    shown.results.refresh()
    assert cells(table, "Mean A")[0].text() == "-1345.3"
    assert [item.text() for item in cells(table, "Disagreement (mm)")] == ["2.0", "1.7"]
    for item in cells(table, "Disagreement (mm)"):
        assert int(item.textAlignment()) & int(qt.Qt.AlignRight)
    volumes = [item.text() for item in cells(shown.ui.structuresTable, "Volume (mL)")]
    assert sorted(volumes) == ["3.00", "8.00"]


def test_rows_are_sorted_by_number_and_missing_ones_come_last(shown):
    import qt

    table, node = shown.ui.landmarksTable, shown.results.result.landmark_table
    for row, value in enumerate((9.5, 10.0)):
        node.GetTable().GetColumnByName("u_mm").SetValue(row, value)
    shown.results.refresh()
    header, names = table.horizontalHeader(), titles(table)
    table.selectRow(1)
    for order, first in ((qt.Qt.DescendingOrder, "base"), (qt.Qt.AscendingOrder, "apex")):
        header.setSortIndicator(names.index("Disagreement\n(mm)"), order)
        assert table.item(0, 0).text() == first
        assert table.item(table.currentRow(), 0).text() == "base"  # the chosen one stays chosen
    column = names.index("TRE after\n(mm)")  # of "base" it is not known
    for order in (qt.Qt.DescendingOrder, qt.Qt.AscendingOrder):
        header.setSortIndicator(column, order)
        assert [table.item(row, column).text() for row in (0, 1)] == ["1.2", ""]
    crosshair().SetCrosshairRAS([0.0, 0.0, 0.0])
    table.cellClicked.emit(1, 0)
    wanted = [node.GetTable().GetColumnByName(f"mean_lps_{a}").GetValue(1) for a in "ras"]
    np.testing.assert_allclose(crosshair().GetCrosshairRAS(), wanted)


def test_the_ellipsoid_is_read_out_by_its_half_axes(shown):
    from UncertainRegLib.results.columns import half_axes

    assert half_axes([9.41, 2.0, 0.04]) == "±9.4 × ±2.0"
    assert half_axes([0.01, 0.0, 0.0]) == half_axes(None) == half_axes([np.nan] * 3) == ""
    crosshair().SetCrosshairRAS(center(shown.results.result).tolist())
    assert "±0.0" not in shown.ui.readingLabel.text
