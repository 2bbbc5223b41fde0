"""VoxelMorph and SynthMorph weights that were saved by Keras (.h5)."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

CLASSIC = re.compile(r"conv3d(?:_(\d+))?$")  # of 2018: numbered in the order they were made
CLASSIC_LEVELS = 4  # of which the first halve the image
CLASSIC_INT_STEPS = 7
LAYERS = (
    (re.compile(r"enc_conv_(\d+)_0$"), "encoder.{}"),
    (re.compile(r"dec_conv_(\d+)_0$"), "decoder.{}"),
    (re.compile(r"dec_final_conv_(\d+)$"), "remaining.{}"),
    (re.compile(r"(?:^|_)flow(?:_\d+)?$"), "flow"),
    (re.compile(r"(?:^|_)log_sigma(?:_\d+)?$"), "log_sigma"),
    (CLASSIC, "conv.{}"),
)


def read_settings(path: str | Path) -> dict:
    """int_steps and int_downsize as recorded in the file, as far as they are.

    A classic network, of 2018, halves by strided convolutions with TensorFlow's padding; with a
    log_sigma it has a velocity of half size, without one its flow is the displacement.
    """
    names: list[str] = []
    with _opened(path) as file:
        file.visit(names.append)
        text = file.attrs.get("model_config", "{}")
    config = json.loads(text).get("config", {})
    parts = {part for name in names for part in name.split("/")}
    if any(CLASSIC.match(part) for part in parts):
        velocity = any(part.startswith("log_sigma") for part in parts)
        return {
            "strided": True,
            "one_sided": True,
            "int_steps": CLASSIC_INT_STEPS if velocity else 0,
        }
    settings = {
        "int_steps": config.get("int_steps"),
        "int_downsize": config.get("int_downsize") or config.get("int_resolution"),
    }
    return {name: int(value) for name, value in settings.items() if value is not None}


def _in_order(numbers: list[int]) -> dict[int, str]:
    """Names of the convolutions of a classic network, by the number in theirs."""
    parts = [f"encoder.{n}" for n in range(CLASSIC_LEVELS)]
    parts += [f"decoder.{n}" for n in range(CLASSIC_LEVELS)]
    parts += [f"remaining.{n}" for n in range(max(0, len(numbers) - len(parts)))]
    return dict(zip(numbers, parts))


@contextmanager
def _opened(path: str | Path):
    """The open file; one that is no HDF5 file, or damaged, is named."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except OSError as error:
        raise ValueError(f"{path} is not a readable HDF5 file: {error}") from error


def read_state(path: str | Path) -> dict[str, Tensor]:
    """State dict for ``voxelmorph.from_state`` from a .h5 file of a Keras ``VxmDense``, or of the
    classic networks of 2018 (layers conv3d_NNN, flow_NN, log_sigma_NN).

    Keras stores kernels as (z, y, x, in, out), torch as (out, in, z, y, x); the layer order is
    told by the names. Use ``padding="border"`` with it, TensorFlow's rule.

    Raises:
        ValueError: the file is no HDF5 file, or has none of the expected layers.
    """
    import h5py

    found: dict[str, Tensor] = {}

    def visit(name: str, item) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        layer, _, kind = name.rpartition("/")
        layer = layer.rpartition("/")[2]
        for pattern, target in LAYERS:
            match = pattern.search(layer)
            if match and kind.split(":")[0] in ("kernel", "bias"):
                found_by = [group or "0" for group in match.groups()]
                value = np.asarray(item, dtype=np.float32)
                if kind.startswith("kernel"):
                    value = np.moveaxis(value, (-1, -2), (0, 1))
                key = target.format(*found_by)
                suffix = "weight" if kind.startswith("kernel") else "bias"
                found[f"{key}.{suffix}"] = torch.from_numpy(value.copy())

    with _opened(path) as file:
        file.visititems(visit)
    if "flow.weight" not in found:
        raise ValueError(f"{path} holds no layers of a Keras VoxelMorph network.")
    classic = _in_order(sorted({int(name.split(".")[1]) for name in found if "conv." in name}))
    if classic:
        return {
            f"{classic[int(name.split('.')[1])]}.{name.split('.')[2]}"
            if "conv." in name
            else name: v
            for name, v in found.items()
        }
    # Keras counts decoder levels from the finest, the network from the coarsest.
    levels = sum(name.startswith("encoder.") and name.endswith("weight") for name in found)
    state = {}
    for name, value in found.items():
        part, _, rest = name.partition(".")
        if part == "decoder":
            index, kind = rest.split(".")
            name = f"decoder.{levels - 1 - int(index)}.{kind}"
        state[name] = value
    return state
