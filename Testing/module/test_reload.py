"""Slicer's Reload, for whoever develops the module: all code is read again, nothing goes on."""

import os
import sys

import pytest

from support.panel import apply_and_wait, exists, run_until

OURS = ("UncertainReg", "UncertainRegParts", "UncertainRegLib")


def our_code() -> dict:
    """The modules that a reload reads again: name -> module."""
    return {name: code for name, code in sys.modules.items() if name.split(".")[0] in OURS}


@pytest.fixture
def reloadable(widget, host):
    """The panel; afterwards the other tests have their code back."""
    import slicer

    before = our_code()
    yield widget
    host.unload(widget)  # also the one that took its place
    for name in our_code():
        del sys.modules[name]
    sys.modules.update(before)
    del slicer.modules.UncertainRegWidget


def press_reload(panel):
    """Press Reload; the panel that is there afterwards."""
    import slicer

    panel.onReload()
    return slicer.modules.UncertainRegWidget


def test_parts_and_library_are_read_from_their_files_again(reloadable):
    from UncertainRegParts.sections import results

    from UncertainRegLib.scene import display

    before = our_code()
    for code in (results, display, sys.modules["UncertainReg"]):
        code.isStale = True  # what stands in no file
    panel = press_reload(reloadable)
    assert panel is not reloadable and type(panel) is not type(reloadable)
    assert type(panel) is sys.modules["UncertainReg"].UncertainRegWidget
    from UncertainRegParts.sections import results

    from UncertainRegLib.scene import display

    for code in (results, display, sys.modules["UncertainReg"]):
        assert not hasattr(code, "isStale"), code.__name__
    after = our_code()
    assert not [name for name in set(before) & set(after) if before[name] is after[name]]


def test_the_scene_is_shown_and_only_the_new_panel_follows_it(reloadable, inputs, host):
    import slicer

    apply_and_wait(host, reloadable)
    reloadable.ui.opacitySlider.value = 0.35
    chosen = reloadable.results.result.run
    old, panel = reloadable, press_reload(reloadable)
    ui = panel.ui
    assert panel.results.result.run == chosen and ui.opacitySlider.value == pytest.approx(0.35)
    assert ui.fixedSelector.currentNode() is inputs[0] and ui.samplesSpinBox.value == 6
    assert panel.results.probe.isActive and not old.results.probe.isActive
    before = old.ui.samplesSpinBox.value
    panel.logic.getParameterNode().samples = 9
    assert (ui.samplesSpinBox.value, old.ui.samplesSpinBox.value) == (9, before)
    slicer.mrmlScene.Clear()
    assert not ui.resultsCollapsibleButton.visible
    panel = press_reload(panel)  # and once more
    assert panel.ui.applyButton.text == "Select a fixed volume"


@pytest.mark.skipif(os.name == "nt", reason="looks at POSIX processes")
def test_a_run_is_stopped_before(reloadable, inputs, host, monkeypatch):
    monkeypatch.setenv("STUB", "stubborn")
    reloadable.ui.applyButton.click()
    run = reloadable.logic.run
    run_until(host, lambda: run.warnings)
    pids = [run.worker.pid, int(run.warnings[0].split()[1])]
    panel = press_reload(reloadable)
    run_until(host, lambda: not any(map(exists, pids)))
    assert run.state == "cancelled" and panel.logic.run is None
    assert (panel.ui.applyButton.text, panel.ui.applyButton.enabled) == ("Apply", True)


def test_after_a_mistake_in_a_file_the_next_reload_works(reloadable):
    class Mistake:
        """Stands for a file that cannot be read."""

        def find_spec(self, name, path=None, target=None):
            if name == "UncertainRegParts.sections.maps":
                raise SyntaxError("a mistake")

    mistake = Mistake()
    sys.meta_path.insert(0, mistake)
    try:
        with pytest.raises(SyntaxError, match="a mistake"):
            reloadable.onReload()
    finally:
        sys.meta_path.remove(mistake)
    assert not reloadable.ui.applyButton.enabled, "it can do nothing any more"
    said = reloadable.layout.itemAt(0).widget().text
    assert "SyntaxError: a mistake" in said and "press Reload again" in said
    panel = press_reload(reloadable)
    assert panel is not reloadable and panel.ui.applyButton.text == "Select a fixed volume"
