"""How much room the panel takes: what is folded, how wide and how tall things are."""

import json

import pytest

from support.fake_result import write_fake_result
from support.panel import apply_and_wait, run_until

pytest.importorskip("support.qt_host", reason="needs PySide6 and slicer-core", exc_type=ImportError)

NARROW = 400  # pixels: a module panel beside the views of a laptop


def folded(ui) -> bool:
    sections = (ui.inputsCollapsibleButton, ui.methodCollapsibleButton)
    assert {section.visible for section in sections} == {not ui.setupButton.visible}
    return ui.setupButton.visible


def test_inputs_and_method_fold_into_one_line_when_there_is_a_result(widget, inputs, host):
    ui = widget.ui
    ui.applyButton.click()
    assert not folded(ui)  # nothing to see below yet
    run_until(host, lambda: widget.logic.run.result is not None)
    assert folded(ui) and ui.setupButton.text == "MR after → MR before, Demons, 6 samples"
    run_until(host, lambda: not widget.logic.run.isActive)
    top = ui.resultsCollapsibleButton.y
    ui.setupButton.click()
    host.process_events()
    assert not folded(ui) and ui.resultsCollapsibleButton.y > top + 200
    widget.results.refresh()
    assert not folded(ui)  # it is opened until the next result
    ui.samplesSpinBox.value = 4
    apply_and_wait(host, widget)
    assert folded(ui) and ui.setupButton.text.endswith(", 4 samples")


def test_the_line_opens_where_something_is_missing(widget, inputs, host):
    import slicer

    apply_and_wait(host, widget)
    inputs[1].SetName("a name that is far too long for one line of the panel")
    widget.ui.samplesSpinBox.value = 5
    assert widget.ui.setupButton.text.startswith("a name that …f the panel → MR before, ")
    slicer.mrmlScene.RemoveNode(inputs[1])
    host.process_events()
    assert not folded(widget.ui)


def test_a_failed_run_stays_open(widget, inputs, host, monkeypatch):
    monkeypatch.setenv("STUB", "fail")
    assert apply_and_wait(host, widget) == "failed" and not folded(widget.ui)


@pytest.fixture
def full(widget, host, tmp_path):
    """The panel with a result that has all there is, and every section open."""
    import slicer

    from UncertainRegLib.scene.result import load_result

    folder = write_fake_result(tmp_path)
    record = json.loads((folder / "result.json").read_text("utf-8"))
    record["modes"] = [{"weight": 0.62, "sample": 3}, {"weight": 0.38, "sample": 1}]
    record["best_sample"], record["oracle_sample"] = 4, 2
    record["landmarks"] = [{**record["landmarks"][0], "label": str(n)} for n in range(51)]
    (folder / "result.json").write_text(json.dumps(record), "utf-8")
    load_result(folder, slicer.mrmlScene)
    widget.results.refresh(showMap=True)
    for name, one in vars(widget.ui).items():
        if name.endswith("CollapsibleButton"):
            one.collapsed = False
    host.process_events()
    return widget


def test_the_panel_can_be_narrow(full, host):
    assert full.ui.oracleButton.visible and full.ui.differenceButton.visible
    assert full.parent.minimumSizeHint.width() <= NARROW


def test_tables_are_as_tall_as_their_rows_up_to_a_limit(full, host):
    ui = full.ui
    few, many = ui.structuresTable, ui.landmarksTable
    row = few.rowHeight(0)
    assert (few.rowCount, many.rowCount) == (2, 51)
    assert 2 * row <= few.viewport().height < 3 * row
    assert 12 * row <= many.viewport().height < 13 * row


def test_a_table_is_filled_when_it_is_opened(full, host):
    import slicer

    from UncertainRegLib.scene.result import load_result

    ui = full.ui
    ui.landmarksCollapsibleButton.collapsed = True
    load_result(full.results.result.folder, slicer.mrmlScene)
    ui.landmarksTable.setRowCount(0)
    full.results.refresh()
    assert ui.landmarksTable.rowCount == 0
    ui.landmarksCollapsibleButton.collapsed = False
    assert ui.landmarksTable.rowCount == 51
