"""The real module in the test host, with a worker that pretends."""

import pytest

from support import ROOT
from support.finished_run import finished, run_once  # noqa: F401 - fixtures
from support.panel import MODULE, add_volume


@pytest.fixture
def host():
    """The running host with an empty scene; fails on anything PythonQt would only print."""
    qt_host = pytest.importorskip(
        "support.qt_host", reason="needs PySide6 and slicer-core", exc_type=ImportError
    )
    started = qt_host.start()
    import slicer

    slicer.mrmlScene.Clear()
    yield started
    started.check()


@pytest.fixture
def module(host, monkeypatch):
    """UncertainReg.py, loaded as Slicer does; its worker only pretends."""
    loaded = host.load_module(MODULE)
    import UncertainRegParts.worker.task

    stub = ROOT / "Testing" / "support" / "stub_worker.py"
    monkeypatch.setattr(UncertainRegParts.worker.task, "workerScript", lambda: stub)
    return loaded


@pytest.fixture
def widget(module, host):
    """The panel, entered, as after choosing the module in the application."""
    made = host.make_widget(module.UncertainRegWidget)
    yield made
    host.unload(made)


@pytest.fixture
def inputs(widget):
    """Fixed and moving volumes, chosen in the panel."""
    fixed, moving = add_volume("MR before"), add_volume("MR after", 1)
    widget.ui.fixedSelector.setCurrentNode(fixed)
    widget.ui.movingSelector.setCurrentNode(moving)
    widget.ui.samplesSpinBox.value = 6
    return fixed, moving


@pytest.fixture
def real_worker(module, monkeypatch):
    import UncertainRegParts.worker.process
    import UncertainRegParts.worker.task

    monkeypatch.setattr(
        UncertainRegParts.worker.task, "workerScript", UncertainRegParts.worker.process.workerScript
    )
