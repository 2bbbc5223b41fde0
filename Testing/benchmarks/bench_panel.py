"""How long a user of the panel waits: table of 104 structures, a step of the film, the read-out.

    python Testing/benchmarks/bench_panel.py [FOLDER]

Runs the real module in the test host with the real worker, on the abdominal CT (104 labels) and a
known warp of it. CPU seconds count all threads of a process; wall seconds depend on what else the
machine does, so its load is printed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]
SAMPLES, STEPS, SIZE = 4, 16, 480  # registrations, steps of the film, pixels of a slice view
CUBE = 96  # voxels a side of the displacement fields in the film


def abdomen(folder: Path) -> dict[str, str]:
    """The CT, its labels, and a warped copy as fixed image."""
    from UncertainRegLib.geometry import read_image, warp, write_image
    from UncertainRegLib.perturbations import Deform

    data = Path(os.environ.get("UNCERTAINREG_DATA", ROOT.parent / "shared" / "data"))
    moving = read_image(data / "abdomen_ct_ts" / "ct.nii.gz")
    truth = Deform(10, 0.3).draw(moving.grid, np.random.default_rng(3)).field(moving.grid)
    write_image(warp(moving, truth, outside=-1000.0), folder / "fixed.nrrd")
    return {
        "fixed": str(folder / "fixed.nrrd"),
        "moving": str(data / "abdomen_ct_ts" / "ct.nii.gz"),
        "labels": str(data / "abdomen_ct_ts" / "seg104.nii.gz"),
    }


def chosen_in(widget, files: dict[str, str]) -> None:
    """Load the inputs into the scene and choose them in the panel."""
    import slicer

    from UncertainRegLib.scene.maps import set_scalars

    scene = slicer.mrmlScene
    nodes = {}
    for name in ("fixed", "moving"):
        nodes[name] = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        set_scalars(nodes[name], Path(files[name]))
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    set_scalars(labels, Path(files["labels"]), np.int32)
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Organs")
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(labels, segmentation)
    scene.RemoveNode(labels)
    ui = widget.ui
    ui.fixedSelector.setCurrentNode(nodes["fixed"])
    ui.movingSelector.setCurrentNode(nodes["moving"])
    ui.segmentationSelector.setCurrentNode(segmentation)
    ui.samplesSpinBox.value = SAMPLES


def run_in(host, widget) -> tuple[float, float]:
    """Press Apply and wait. Returns seconds from the last sample to the table, and to the end."""
    last = shown = None
    widget.ui.applyButton.click()
    if widget.logic.run is None:
        raise SystemExit(widget.logic.error)
    while widget.logic.run.isActive:
        host.process_events()
        time.sleep(0.005)
        run = widget.logic.run
        if last is None and run.finished == SAMPLES:
            last = time.monotonic()
        if last is not None and shown is None and run.state != "running":
            shown = time.monotonic()
    if widget.logic.run.state != "complete":
        raise SystemExit(widget.logic.run.message + widget.logic.run.worker.log)
    return shown - last, time.monotonic() - last


def film(result, outlines: bool) -> dict[str, tuple[float, float]]:
    """Median (wall, CPU) seconds of a step, the next sample drawn in three slice views: without
    keeping slices, in the first round that keeps them, and in later ones. And what it takes to draw
    the three views when no more changes than how bright they are.
    """
    import slicer

    from UncertainRegLib.scene import display
    from UncertainRegLib.scene.film import Film
    from UncertainRegLib.scene.transform import field_of, grid_transform
    from UncertainRegLib.scene.views import SliceView

    headless = slicer._host_scene
    views = [SliceView(headless, name, (SIZE, SIZE)) for name in headless.slices]
    sequence = result.sample_sequence
    for number in range(sequence.GetNumberOfDataNodes()):
        item = sequence.GetNthDataNode(number)
        field = field_of(item)
        cube = field.resample(field.grid.resized((CUBE,) * 3))
        item.SetAndObserveTransformFromParent(grid_transform(cube))
    display.show_map(result)
    display.show_sample(result, 0)
    for view in display.slice_views(result.scene):
        view.SetBackgroundVolumeID(result.moving.GetID())
    headless.fit_slices(SIZE, SIZE)
    result.moving_segmentation.GetDisplayNode().SetVisibility(outlines)
    for view in views:
        view.pixels()

    def step(number: int) -> None:
        result.sample_browser.SetSelectedItemNumber(number % SAMPLES)

    def brighter(number: int) -> None:
        for view in views:
            view.mapper.SetColorLevel(127.5 - number)

    times = {"computed each time": _of_a_step(views, step, STEPS)}
    kept = Film(result.sample_browser, [(view.logic, view.renderer) for view in views])
    times["kept, first round"] = _of_a_step(views, step, SAMPLES)
    times["kept, later rounds"] = _of_a_step(views, step, STEPS)
    kept.close()
    times["nothing but the brightness"] = _of_a_step(views, brighter, STEPS)
    brighter(0)
    return times


def _of_a_step(views, step, count: int) -> tuple[float, float]:
    wall, cpu = [], []
    for number in range(count):
        started = time.perf_counter(), time.process_time()
        step(number)
        for view in views:
            view.window.Render()
        wall.append(time.perf_counter() - started[0])
        cpu.append(time.process_time() - started[1])
    return float(np.median(wall)), float(np.median(cpu))


def readout(result) -> tuple[float, float]:
    """(median, largest) CPU seconds of a reading in a structure."""
    from UncertainRegLib.scene.probe import Probe

    probe = Probe(result)
    table = result.label_table.GetTable()
    columns = [table.GetColumnByName(f"worst_voxel_lps_{axis}") for axis in "ras"]
    seconds = []
    for row in range(table.GetNumberOfRows()):
        point = [column.GetValue(row) for column in columns]
        started = time.process_time()
        if probe.read(point).is_known:
            seconds.append(time.process_time() - started)
    return float(np.median(seconds)), max(seconds)


def main(folder: Path) -> None:
    from support import qt_host

    host = qt_host.start()
    module = host.load_module(ROOT / "UncertainReg" / "UncertainReg.py")
    widget = host.make_widget(module.UncertainRegWidget)
    try:
        chosen_in(widget, abdomen(folder))
        table, everything = run_in(host, widget)
        result = widget.results.result
        record = json.loads((Path(result.folder) / "result.json").read_text("utf-8"))
        print(f"load of the machine: {os.getloadavg()[0]:.1f}")
        print(
            f"{result.label_table.GetNumberOfRows()} structures: shown {table:.1f} s after the "
            f"last sample, all maps after {everything:.1f} s "
            f"(worker: {record['timings']['summary_s']:.1f} s)"
        )
        started = time.process_time()
        widget.results.tables.show(result)
        print(f"table filled in {time.process_time() - started:.2f} CPU s")
        print(
            "read-out: median {:.2f} ms, largest {:.2f} ms".format(
                *(1000 * value for value in readout(result))
            )
        )
        for outlines in (False, True):
            print(
                f"step of the film, three views of {SIZE} pixels, {CUBE} cubed, "
                f"{'with' if outlines else 'without'} outlines, load {os.getloadavg()[0]:.1f}"
            )
            for what, (wall, cpu) in film(result, outlines).items():
                print(f"  {what}: {1000 * wall:.0f} ms wall, {1000 * cpu:.0f} ms CPU")
    finally:
        host.unload(widget)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
