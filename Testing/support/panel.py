"""What a user does with the panel in the test host, and waiting for what comes of it."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from support import ROOT

MODULE = ROOT / "UncertainReg" / "UncertainReg.py"


def add_volume(name: str, seed: int = 0):
    import slicer

    array = np.random.default_rng(seed).normal(size=(20, 28, 24)).astype(np.float32)
    return slicer.util.addVolumeFromArray(array, name=name)


def run_until(host, condition, seconds: float = 600.0) -> None:
    """Patient: a busy machine starts a process in a minute."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this takes too long"
        host.process_events()
        time.sleep(0.005)


def apply_and_wait(host, widget) -> str:
    widget.ui.applyButton.click()
    run_until(host, lambda: not widget.logic.run.isActive)
    return widget.logic.run.state


def layout_of(views) -> SimpleNamespace:
    """What the layout manager of the application says of slice views (``scene.views.SliceView``)."""
    widgets = {
        view.node.GetLayoutName(): SimpleNamespace(
            sliceLogic=lambda view=view: view.logic,
            sliceView=lambda view=view: SimpleNamespace(renderWindow=lambda: view.window),
        )
        for view in views
    }
    return SimpleNamespace(
        sliceViewNames=lambda: tuple(widgets), sliceWidget=lambda name: widgets[name]
    )


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not (status.exists() and "State:\tZ" in status.read_text(encoding="utf-8"))


def in_its_own_process(code: str) -> subprocess.CompletedProcess:
    """Run Python code that can import the test host and the library."""
    path = os.pathsep.join([str(ROOT / "Testing"), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
