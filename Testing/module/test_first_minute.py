"""What somebody sees who has never seen the panel: an example, and a walk through its result."""

import pytest

from support.panel import add_volume, run_until

pytest.importorskip("support.qt_host", reason="needs PySide6 and slicer-core", exc_type=ImportError)


@pytest.fixture(autouse=True)
def never_seen(module):
    import slicer
    from UncertainRegParts.sections.firstminute import SEEN

    slicer.app.userSettings().remove(SEEN)
    yield
    slicer.app.userSettings().remove(SEEN)


def test_one_click_makes_the_example_runs_it_and_walks_through_it(module, widget, host):
    import slicer

    ui, scene = widget.ui, slicer.mrmlScene
    assert ui.firstMinuteWidget.visible and ui.firstMinuteButton.text == "Show me"
    ui.firstMinuteButton.click()
    parameters = widget.logic.getParameterNode()
    assert parameters.fixedVolume.GetName() == "UncertainRegFixed"
    assert parameters.movingLandmarks.GetNumberOfControlPoints() == 6
    assert parameters.movingSegmentation.GetSegmentation().GetNumberOfSegments() == 3
    assert "8 times" in ui.firstMinuteLabel.text and not ui.firstMinuteButton.enabled
    run_until(host, lambda: not widget.logic.run.isActive)
    assert widget.logic.run.state == "complete"
    result = widget.results.result
    views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert "1/4" in ui.firstMinuteLabel.text and ui.firstMinuteButton.enabled
    assert {view.GetForegroundVolumeID() for view in views} == {
        result.maps["expected_error_mm"].GetID()
    }
    slices = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    before = [node.GetSliceOffset() for node in slices]
    ui.firstMinuteButton.click()
    assert "2/4" in ui.firstMinuteLabel.text
    assert [node.GetSliceOffset() for node in slices] != before
    ui.firstMinuteButton.click()
    assert "3/4" in ui.firstMinuteLabel.text and result.sample_browser.GetPlaybackActive()
    ui.firstMinuteButton.click()
    assert "4/4" in ui.firstMinuteLabel.text and not result.sample_browser.GetPlaybackActive()
    assert ui.structuresTable.selectedItems() and ui.firstMinuteButton.text == "Done"
    ui.firstMinuteButton.click()
    assert not ui.firstMinuteWidget.visible
    assert scene.GetFirstNodeByName("UncertainRegMoving") is not None  # closed with the scene
    host.unload(widget)
    again = host.make_widget(module.UncertainRegWidget)
    assert not again.ui.firstMinuteWidget.visible  # never again
    host.unload(again)


@pytest.mark.parametrize("how", ["close", "own images"])
def test_it_is_closed_for_good(module, widget, inputs, host, how):
    assert widget.ui.firstMinuteWidget.visible
    (widget.ui.firstMinuteCloseButton if how == "close" else widget.ui.applyButton).click()
    assert not widget.ui.firstMinuteWidget.visible
    host.unload(widget)
    again = host.make_widget(module.UncertainRegWidget)
    assert not again.ui.firstMinuteWidget.visible
    host.unload(again)


def test_an_example_that_fails_can_be_started_again(widget, host, monkeypatch):
    monkeypatch.setenv("STUB", "fail")
    widget.ui.firstMinuteButton.click()
    run_until(host, lambda: not widget.logic.run.isActive)
    assert widget.ui.firstMinuteButton.text == "Again" and widget.ui.firstMinuteButton.enabled
    monkeypatch.setenv("STUB", "complete")
    widget.ui.firstMinuteButton.click()
    run_until(host, lambda: not widget.logic.run.isActive)
    assert "1/4" in widget.ui.firstMinuteLabel.text


def test_a_scene_closed_in_the_walk_ends_it(widget, host):
    import slicer

    widget.ui.firstMinuteButton.click()
    run_until(host, lambda: not widget.logic.run.isActive)
    slicer.mrmlScene.Clear()
    widget.ui.firstMinuteButton.click()
    assert not widget.ui.firstMinuteWidget.visible
    add_volume("CT")
