"""Fixtures of all rooms: where the real image pairs are, and an environment of its own."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from support import ROOT


@pytest.fixture(scope="session", autouse=True)
def own_environment(tmp_path_factory):
    """No setting and no installed weights of whoever runs the tests decide one of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNCERTAINREG_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
        for name in ("UNCERTAINREG_TRACEBACK", "STUB"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real image pairs; the test is skipped where it is absent."""
    folder = Path(os.environ.get("UNCERTAINREG_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "brain_t1_inter").is_dir():
        pytest.skip("the real image pairs (../shared/data, or UNCERTAINREG_DATA) are not here")
    return folder


@pytest.fixture(params=["numpy", "torch"])
def convert(request):
    """Arrays of each library; torch is skipped where it is absent."""
    if request.param == "numpy":
        return np.asarray
    return pytest.importorskip("torch").as_tensor


@pytest.fixture
def set_threads():
    """Sets the number of torch's CPU threads, which is as before after the test."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def ctrl_c():
    """Ctrl-C is heard, also where the tests run in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
