"""The file of a custom network: read as TorchScript, or refused by saying what it is instead."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

WEIGHTS_ONLY = "holds weights only (or a pickled module), not the network's program"
EXPORT = (
    "Load it into the network's class in Python and export that: "
    'torch.jit.script(network).save("network.pt"); see Docs/own-network.md'
)
# how a file begins -> what it is
BEGINNINGS = {
    b"PK": "is a zip file that was cut off; copy or export it again",
    b"\x80": f"{WEIGHTS_ONLY}. {EXPORT}",  # a pickle of torch before 1.6
    b"\x89HDF": "is an HDF5 file, probably of Keras; only TorchScript can be read",
    b"\x08": f"looks like an ONNX file; only TorchScript can be read. {EXPORT}",
    b"version https://git-lfs": "is a pointer of Git LFS, not the file itself; fetch it with "
    "`git lfs pull`",
    b"<": "is a web page or XML, not a network; download the file itself",
}


def load_network(path: str, device: str):
    """The network in a TorchScript file, on a device, for inference.

    A TorchScript file is read without unpickling Python objects; files that would need that are
    recognised beforehand and refused.

    Raises:
        ValueError: the file holds no TorchScript, or one that this torch cannot read.
    """
    import torch

    problem = not_torchscript(path)
    if problem:
        raise ValueError(f"{path} {problem}.")
    try:
        return torch.jit.load(path, map_location=device).eval()
    except Exception as error:  # what torch raises for a damaged archive has no one class
        raise ValueError(
            f"{path} cannot be loaded by torch {torch.__version__}: it is damaged, or "
            f"made for another torch ({last_words(error)})."
        ) from error


def not_torchscript(path: str) -> str:
    """What a file is, in words that follow its name, when it is no TorchScript; else empty."""
    with open(path, "rb") as file:
        head = file.read(32)
    if not head:
        return "is empty; copy or export it again"
    if zipfile.is_zipfile(path):
        return _not_in_zip(path)
    if head[8:10] in (b'{"', b"{}"):
        return f"holds weights only (safetensors), not the network's program. {EXPORT}"
    for beginning, words in BEGINNINGS.items():
        if head.startswith(beginning):
            return words
    if Path(path).suffix == ".onnx":
        return BEGINNINGS[b"\x08"]
    return f"is no TorchScript file. {EXPORT}"


def _not_in_zip(path: str) -> str:
    """The same of a zip file; TorchScript has a folder of code and a table of constants."""
    with zipfile.ZipFile(path) as archive:
        full = archive.namelist()
    names = {name.partition("/")[2] for name in full}
    if "constants.pkl" in names and any(name.startswith("code/") for name in names):
        return ""
    if "serialized_exported_program.json" in full or any(n.startswith("models/") for n in names):
        return (
            "is a program of torch.export, which torch reads by unpickling: that can run "
            "anything, so it is not read here. Export it with torch.jit.script or "
            "torch.jit.trace instead; see Docs/own-network.md"
        )
    if "data.pkl" in names:
        return f"{WEIGHTS_ONLY}. {EXPORT}"
    return f"is a zip file without a network's program. {EXPORT}"


def last_words(error: Exception) -> str:
    """The one line of torch's many that says what went wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"[\w.]*(Error|Exception): ", line)]
    words = telling[-1].partition(": ")[2] if telling else "".join(lines[:1])
    return words.rstrip(".") or type(error).__name__
