"""How long the panel keeps the application from answering: while running, loading, comparing.

    python Testing/benchmarks/bench_event_loop.py [RESULT]

RESULT is the folder of a finished run; without one the brain pair of the real data is registered
first (13 structures with their truth, 51 landmarks, 8 samples). A worker that only replays it
sends its samples to the real module in the test host, with three slice views that draw what
changed as the application does: at most 60 times a second, and not while drawing is paused.

A heartbeat, a timer of 0 ms, notes the processor seconds of the whole process from one beat to the
next. The longest are printed, with what took them; they do not depend on what else the machine
does.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]
SAMPLES, LANDMARKS, SIZE = 8, 51, 480
REPLAYED = "UNCERTAINREG_REPLAYED"  # environment variable of the worker: the folder


def brain(folder: Path) -> Path:
    """The result folder of a real run, with truth."""
    from UncertainRegLib.__main__ import main
    from UncertainRegLib.geometry import read_image
    from UncertainRegLib.geometry.landmarks import write_points

    data = Path(os.environ.get("UNCERTAINREG_DATA", ROOT.parent / "shared" / "data"))
    data /= "brain_t1_inter"
    labels = read_image(data / "subC_aligned_seg13.nii.gz")
    inside = np.argwhere(labels.array > 0)[:, ::-1]
    chosen = np.random.default_rng(0).choice(len(inside), LANDMARKS, replace=False)
    names = [str(number + 1) for number in range(LANDMARKS)]
    write_points(names, labels.grid.to_world(inside[chosen]), folder / "points.csv")
    files = {
        "fixed": data / "subA_t1.nii.gz",
        "moving": data / "subC_aligned_t1.nii.gz",
        "moving-labels": data / "subC_aligned_seg13.nii.gz",
        "fixed-labels": data / "subA_seg13.nii.gz",
        "moving-points": folder / "points.csv",
    }
    options = [text for name, file in files.items() for text in (f"--{name}", str(file))]
    out = folder / "brain"
    main(["run", *options, "--samples", str(SAMPLES), "--out", str(out)])
    return out


def replay() -> None:
    """The worker: the samples of a finished run once more, one every half second."""
    source = Path(os.environ[REPLAYED])
    job = json.loads(Path(sys.argv[sys.argv.index("--job") + 1]).read_text("utf-8"))
    out, asked = Path(job["out"]), job["samples"]

    def say(event: str, **values) -> None:
        print(json.dumps({"event": event, **values}), flush=True)

    say("started", pid=os.getpid())
    record = json.loads((source / "result.json").read_text("utf-8"))
    asked = record["samples"]["finished"]
    shutil.copytree(source, out, dirs_exist_ok=True)
    maps, samples = record["maps"], record["samples"]
    for count in range(1, asked + 1):
        time.sleep(0.5)
        say("sample", finished=count, asked=asked, eta_s=0.5 * (asked - count))
        if count < 2:
            continue
        name = f"maps/live-{count}.nrrd"
        shutil.copy(source / maps["uncertainty_mm"]["file"], out / name)
        live = {**maps["uncertainty_mm"], "file": name}
        lists = {key: samples[key][:count] for key in ("files", "log_weights", "status")}
        part = {
            **record,
            "status": "partial",
            "maps": {"uncertainty_mm": live},
            "labels": [],
            "landmarks": [],
            "samples": {**samples, **lists, "finished": count},
        }
        _write(out, part)
        say("snapshot", result=str(out / "result.json"))
    _write(out, {**record, "samples": {**samples, "asked": asked}})
    say("finished", status="complete", result=str(out / "result.json"))


def _write(out: Path, record: dict) -> None:
    new = out / "new.json"
    new.write_text(json.dumps(record), "utf-8")
    new.replace(out / "result.json")


class Drawing:
    """Slice views that draw what changed when a timer says so."""

    def __init__(self) -> None:
        import qt
        import slicer
        import vtk

        from support.panel import layout_of
        from UncertainRegLib.scene.views import SliceView

        headless = slicer._host_scene
        self.views = [SliceView(headless, name, (SIZE, SIZE)) for name in headless.slices]
        self.paused, self.changed, self.seconds, self.drawn = 0, set(), 0.0, 0
        for number, view in enumerate(self.views):
            for source in (view.managers, view.logic):
                event = vtk.vtkCommand.UpdateEvent if source is view.managers else "ModifiedEvent"
                source.AddObserver(event, lambda *_, n=number: self.changed.add(n))
        slicer.app.layoutManager = lambda: layout_of(self.views)
        slicer.app.pauseRender = lambda: self._pause(1)
        slicer.app.resumeRender = lambda: self._pause(-1)
        self.timer = qt.QTimer()
        self.timer.setInterval(16)
        self.timer.connect("timeout()", self._draw)
        self.timer.start()

    def _pause(self, more: int) -> None:
        self.paused += more

    def _draw(self) -> None:
        if self.paused or not self.changed:
            return
        started = time.process_time()
        for number in sorted(self.changed):
            self.views[number].mapper.SetInputConnection(
                self.views[number].logic.GetImageDataConnection()
            )
            self.views[number].window.Render()
        self.changed.clear()
        self.drawn += 1
        self.seconds += time.process_time() - started


class Heartbeat:
    """Processor seconds between two beats of a timer, by phase."""

    def __init__(self, profile: bool) -> None:
        import qt

        self.phase, self.gaps, self._last = "idle", {}, None
        self._profiler = cProfile.Profile() if profile else None
        self.worst = {}
        self._timer = qt.QTimer()
        self._timer.connect("timeout()", self._beat)
        self._timer.start(0)

    def _beat(self) -> None:
        now = time.process_time()
        if self._profiler:
            self._profiler.disable()
        if self._last is not None:
            gap = now - self._last
            self.gaps.setdefault(self.phase, []).append(gap)
            if self._profiler and gap > self.worst.get(self.phase, (0.0, None))[0]:
                self.worst[self.phase] = (gap, pstats.Stats(self._profiler))
        if self._profiler:
            self._profiler = cProfile.Profile()
            self._profiler.enable()
        self._last = time.process_time()

    def report(self) -> str:
        lines = []
        for phase, gaps in self.gaps.items():
            gaps = sorted(gaps, reverse=True)
            longest = ", ".join(f"{1000 * gap:.0f}" for gap in gaps[:5])
            over = sum(gap > 0.1 for gap in gaps)
            lines.append(f"{phase}: longest gaps {longest} ms; {over} above 100 ms")
        return "\n".join(lines)


def nodes_of(folder: Path) -> dict:
    """The inputs of a run in the scene, as a user would have loaded them."""
    import slicer

    from UncertainRegLib.scene.removal import remove_result
    from UncertainRegLib.scene.result import load_result

    result = load_result(folder, slicer.mrmlScene, map_names=())
    found = {
        name: getattr(result, name)
        for name in ("fixed", "moving", "moving_segmentation", "moving_points")
    }
    for name, node in found.items():
        if node is not None:
            for attribute in ("UncertainReg.Run", "UncertainReg.Role"):
                node.RemoveAttribute(attribute)
            node.SetName(name)
    remove_result(result)
    return found


def main(result: Path | None, profile: bool) -> None:
    from support import qt_host

    host = qt_host.start()
    import slicer

    with tempfile.TemporaryDirectory() as temporary:
        result = result or brain(Path(temporary))
        os.environ[REPLAYED] = str(result)
        drawing = Drawing()
        found = nodes_of(result)
        for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            view.SetBackgroundVolumeID(found["fixed"].GetID())
        slicer._host_scene.fit_slices(SIZE, SIZE)
        host.process_events()
        started = time.process_time()
        module = host.load_module(ROOT / "UncertainReg" / "UncertainReg.py")
        widget = host.make_widget(module.UncertainRegWidget)
        print(f"panel opened in {time.process_time() - started:.2f} CPU s")
        import UncertainRegParts.worker.task as task

        real, task.workerScript = task.workerScript, lambda: Path(__file__)
        ui = widget.ui
        ui.fixedSelector.setCurrentNode(found["fixed"])
        ui.movingSelector.setCurrentNode(found["moving"])
        ui.segmentationSelector.setCurrentNode(found["moving_segmentation"])
        ui.landmarksSelector.setCurrentNode(found["moving_points"])
        beat = Heartbeat(profile)

        def until(condition) -> None:
            while not condition():
                host.process_events()

        for _ in range(20):
            host.process_events()
        beat.phase = "starting"
        ui.applyButton.click()
        host.process_events()
        run = widget.logic.run
        if run is None:
            raise SystemExit(widget.logic.error)
        beat.phase = "running"
        until(lambda: run.state != "running")
        shown = time.process_time()
        beat.phase = "loading"
        until(lambda: not run.isActive)
        print(f"loaded in {time.process_time() - shown:.2f} CPU s: {run.state}, {run.message}")
        until(lambda: not drawing.changed)
        task.workerScript = real
        beat.phase = "comparing"
        widget.ui.validateButton.click()
        evaluation = widget.results.validate.evaluating.evaluation
        until(lambda: not evaluation.isActive)
        for _ in range(20):
            host.process_events()
        print(f"compared: {evaluation.state} {evaluation.error}")
        beat.phase = "film"
        steps = []
        for step in range(3 * SAMPLES):
            before = time.process_time()
            ui.sampleSlider.value = (step + 1) % SAMPLES
            host.process_events()
            until(lambda: not drawing.changed)
            steps.append(time.process_time() - before)
        first, later = (1000 * np.median(part) for part in (steps[:SAMPLES], steps[SAMPLES:]))
        print(
            f"step of the film, three views of {SIZE} pixels with outlines: {first:.0f} CPU ms in "
            f"the first round, {later:.0f} in later ones"
        )
        beat.phase = "opening the module"
        widget.exit()
        widget.enter()
        for _ in range(5):
            host.process_events()
        beat.phase = "end"
        print(beat.report())
        print(f"drawn {drawing.drawn} times in {drawing.seconds:.1f} CPU s")
        for phase, (gap, stats) in beat.worst.items():
            if gap > 0.1:
                print(f"---- {phase}: {1000 * gap:.0f} ms with the profiler")
                stats.sort_stats("cumulative").print_stats(18)
        host.unload(widget)


if __name__ == "__main__":
    if "--job" in sys.argv:
        replay()
    else:
        folders = [Path(text) for text in sys.argv[1:] if not text.startswith("-")]
        main(folders[0] if folders else None, "--profile" in sys.argv)
