"""What the machine offers, and checksums of files."""

import hashlib
import sys

import pytest

from UncertainRegLib.checksum import BLOCK_BYTES, sha256_of
from UncertainRegLib.environment import choose_device, versions


class Torch:
    """Stands in for torch with or without a GPU."""

    def __init__(self, gpu):
        self.cuda = self
        self.is_available = lambda: gpu


@pytest.mark.parametrize(
    ("asked", "uses_torch", "gpu", "found"),
    [
        ("cpu", True, True, "cpu"),
        ("auto", False, True, "cpu"),
        ("auto", True, True, "cuda"),
        ("auto", True, False, "cpu"),
        ("cuda", False, True, "cuda"),
    ],
)
def test_a_gpu_is_used_where_it_is_asked_for_or_helps(monkeypatch, asked, uses_torch, gpu, found):
    monkeypatch.setitem(sys.modules, "torch", Torch(gpu))
    assert choose_device(asked, uses_torch) == found


@pytest.mark.parametrize("torch", [Torch(False), None], ids=["no GPU", "no torch"])
def test_a_gpu_that_is_not_there_is_refused(monkeypatch, torch):
    monkeypatch.setitem(sys.modules, "torch", torch)
    with pytest.raises(ValueError, match="No CUDA GPU can be used here"):
        choose_device("cuda")


def test_versions_name_what_is_loaded():
    assert {"UncertainReg", "python", "system", "numpy"} <= versions().keys()
    assert ("torch" in versions()) == ("torch" in sys.modules)


def test_a_checksum_goes_on_over_blocks_and_files(tmp_path):
    first, second = b"a" * (BLOCK_BYTES + 1), b"b"
    (tmp_path / "first").write_bytes(first)
    (tmp_path / "second").write_bytes(second)
    assert sha256_of(tmp_path / "first") == hashlib.sha256(first).hexdigest()
    both = sha256_of(tmp_path / "first", str(tmp_path / "second"))
    assert both == hashlib.sha256(first + second).hexdigest()
