"""A long life of the panel: two large results saved, loaded and deleted, and the memory of 20 runs.

    python Testing/benchmarks/bench_panel_life.py [RESULT]

RESULT is the folder of a finished run, by default the brain pair of `bench_event_loop` (13 structures,
51 landmarks). Every number of the tables is compared with its `result.json`, every map is shown, and
whatever legend is seen has to be that of the map in front. Then the run is replayed 20 times in the
real module in the test host, the scene closed after each, and the resident memory printed.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from bench_event_loop import REPLAYED, ROOT, brain, nodes_of, replay

RUNS, ALLOWED_MB = 20, 60


def resident_mb() -> float:
    """Resident memory of this process (Linux)."""
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def legends_seen() -> list[str]:
    """Names of the volumes whose legends are visible."""
    import slicer

    from UncertainRegLib.scene.legend import legend_of

    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [v.GetName() for v in volumes if legend_of(v) and legend_of(v).GetVisibility()]


def check_tables(result, record: dict) -> int:
    """Compare every number that the tables show with the record; returns how many there are."""
    count = 0
    for table, rows in (
        (result.label_table, record["labels"]),
        (result.landmark_table, record["landmarks"]),
    ):
        table = table.GetTable()
        for row, expected in enumerate(rows):
            for column in range(table.GetNumberOfColumns()):
                value = expected.get(table.GetColumnName(column))
                if isinstance(value, float):
                    found = table.GetColumn(column).GetValue(row)
                    good = math.isclose(found, value, rel_tol=1e-5)  # a saved table has six digits
                    assert good, f"{table.GetColumnName(column)} of row {row}: {found}, not {value}"
                    count += 1
    return count


def use(widget, result) -> None:
    """Show every map, go to every structure and landmark."""
    import slicer

    ui = widget.ui
    for index in range(ui.mapComboBox.count):
        ui.mapComboBox.currentIndex = index
        name = ui.mapComboBox.itemData(index)
        view = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")[0]
        assert view.GetForegroundVolumeID() == result.maps[name].GetID(), name
        assert legends_seen() == [result.maps[name].GetName()], (name, legends_seen())
    for table in (ui.structuresTable, ui.landmarksTable):
        for row in range(table.rowCount):
            table.selectRow(row)
            table.cellClicked.emit(row, 0)


def two_results(host, widget, folder: Path) -> None:
    """Load the result twice, save, load, delete."""
    import slicer

    from UncertainRegLib.scene.bundle import read_bundle, write_bundle
    from UncertainRegLib.scene.nodes import runs
    from UncertainRegLib.scene.result import load_result

    record = json.loads((folder / "result.json").read_text("utf-8"))
    scene, ui = slicer.mrmlScene, widget.ui
    for section in (ui.structuresCollapsibleButton, ui.landmarksCollapsibleButton):
        section.collapsed = False
    first = load_result(folder, scene)
    load_result(folder, scene, {"fixed": first.fixed, "moving": first.moving})
    widget.results.refresh(showMap=True)

    def check(state: str) -> None:
        numbers = 0
        for index in range(len(widget.results.results)):
            ui.resultComboBox.currentIndex = index
            numbers += check_tables(widget.results.result, record)
            use(widget, widget.results.result)
        host.process_events()
        host.check()
        rows = ui.structuresTable.rowCount, ui.landmarksTable.rowCount
        print(f"{state}: {len(runs(scene))} results, {rows} rows, {numbers} numbers as they are")

    check("loaded")
    with tempfile.TemporaryDirectory() as temporary:
        write_bundle(scene, Path(temporary) / "scene.mrb")
        scene.Clear()
        host.process_events()
        assert not legends_seen() and not runs(scene)
        read_bundle(Path(temporary) / "scene.mrb", scene)
    host.process_events()
    check("saved and loaded")
    for left in (1, 0):
        ui.removeButton.click()
        host.process_events()
        assert len(runs(scene)) == left and len(legends_seen()) == left
        if left:
            check("one deleted")
    host.check()
    print("both deleted")
    scene.Clear()


def memory(host, widget, folder: Path) -> bool:
    """Run, close the scene, 20 times."""
    import slicer
    import UncertainRegParts.worker.task as task

    task.workerScript = lambda: Path(__file__)
    os.environ[REPLAYED] = str(folder)
    ui, sizes = widget.ui, []
    for number in range(RUNS):
        found = nodes_of(folder)
        ui.fixedSelector.setCurrentNode(found["fixed"])
        ui.movingSelector.setCurrentNode(found["moving"])
        ui.segmentationSelector.setCurrentNode(found["moving_segmentation"])
        ui.landmarksSelector.setCurrentNode(found["moving_points"])
        del found
        ui.applyButton.click()
        run = widget.logic.run
        while run.isActive:
            host.process_events()
        assert run.state == "complete", run.message
        del run
        slicer.mrmlScene.Clear()
        for _ in range(3):
            host.process_events()
        sizes.append(resident_mb())
        print(f"run {number + 1}: {sizes[-1]:.0f} MB", flush=True)
    host.check()
    grown = sizes[-1] - sizes[1]
    print(f"after the last {grown:+.0f} MB against the second; {ALLOWED_MB} are allowed")
    return grown <= ALLOWED_MB


def main(folder: Path | None) -> int:
    from support import qt_host

    host = qt_host.start()
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder or brain(Path(temporary))
        module = host.load_module(ROOT / "UncertainReg" / "UncertainReg.py")
        widget = host.make_widget(module.UncertainRegWidget)
        two_results(host, widget, folder)
        good = memory(host, widget, folder)
        host.unload(widget)
    return 0 if good else 1


if __name__ == "__main__":
    if "--job" in sys.argv:
        replay()
    else:
        sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
