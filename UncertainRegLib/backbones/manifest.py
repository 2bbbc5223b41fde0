"""The manifest of a custom network: how to call it, which its file cannot say."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path

from ..geometry.volume import MAX_VOXELS
from ..json_text import each_once

UNITS = ("voxels", "mm", "half-extents")
CHANNELS = ("array", "reversed")
INPUTS = (["moving", "fixed"], ["fixed", "moving"])
INTENSITIES = ("min-max", "percentiles")
FEWEST = 4  # voxels along an axis


@dataclass(frozen=True)
class Manifest:
    """Conventions of a registration network; ``Docs/own-network.md`` explains them at length.

    Attributes:
        name, title, anatomy, modality, licence: as a person should read them.
        network: the TorchScript file (.pt), relative to the manifest.
        shape: array shape of the network's images, or null for "any multiple of ``multiple``".
        spacing_mm: isotropic voxel size; null resizes each image's field of view to ``shape``.
        axes: anatomical direction towards which each array axis runs ("LIA"), or null for the
            axes of the fixed image.
        multiple: sizes must be multiples of this.
        intensity: "min-max" (to [0, 1]), "percentiles" (0.5 to 99.5), or [low, high].
        inputs: order of the arguments; ``joined`` true passes one tensor of two channels.
        output: which of several outputs is the displacement, from fixed to moving points.
        units: "voxels", "mm" along the array axes, or "half-extents" ([-1, 1] spans the corner
            voxel centres).
        channels: "array" (channel c along array axis c) or "reversed" (c along the last axis
            first).
        needs_affine: the images are aligned by an estimated affine map first.
        stochastic: two calls differ.
        outside: intensity beyond the field of view, in network units; null repeats the border.
    """

    name: str
    network: str
    title: str = ""
    anatomy: str = "any"
    modality: str = "any"
    licence: str = "not stated"
    shape: tuple[int, int, int] | None = None
    spacing_mm: float | None = None
    axes: str | None = None
    multiple: int = 1
    intensity: str | tuple[float, float] = "min-max"
    inputs: tuple[str, str] = ("moving", "fixed")
    joined: bool = False
    output: int = 0
    units: str = "voxels"
    channels: str = "array"
    needs_affine: bool = False
    stochastic: bool = False
    outside: float | None = 0.0


def read_manifest(path: str | Path) -> Manifest:
    """Read and check a manifest (JSON); its network's path becomes absolute.

    Raises:
        ValueError: a sentence that names the file, the key and what is allowed.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=each_once)
    except OSError as error:
        raise ValueError(f"The manifest {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ValueError(f"The manifest {path} is not valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ValueError(f"The manifest {path} must be a JSON object.")
    problem = _problem(content)
    if problem:
        raise ValueError(f"The manifest {path} {problem}.")
    content = {
        key: tuple(value) if isinstance(value, list) else value for key, value in content.items()
    }
    content["network"] = str((path.parent / content["network"]).resolve())
    if not Path(content["network"]).is_file():
        raise ValueError(
            f"The manifest {path}: the network {content['network']} does not exist; "
            "state 'network' relative to the manifest."
        )
    return Manifest(**content)


def _problem(content: dict) -> str:
    """What is wrong with the keys and values of a manifest, or an empty text."""
    known = [field.name for field in fields(Manifest)]
    unknown = sorted(set(content) - set(known))
    if unknown:
        return f"has the unknown key {unknown[0]!r}; keys are {', '.join(known)}"
    for key in ("name", "network"):
        if not content.get(key):
            return f"must state {key!r}"
    for key, value in content.items():
        fits, allowed = RULES[key]
        if not fits(value):
            return f"says {key!r} is {json.dumps(value)}; it must be {allowed}"
    shape, multiple = content.get("shape"), content.get("multiple", 1)
    if shape is None and content.get("spacing_mm") is None:
        return "must state 'shape' or 'spacing_mm'"
    if shape is not None and any(size % multiple for size in shape):
        return f"has a 'shape' {json.dumps(shape)} that is not of multiples of {multiple}"
    if shape is not None and math.prod(shape) > MAX_VOXELS:
        return f"has a 'shape' {json.dumps(shape)} of more than 1024^3 voxels"
    return ""


def _is_text(value) -> bool:
    return isinstance(value, str)


def _is_flag(value) -> bool:
    return isinstance(value, bool)


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not _is_flag(value) and math.isfinite(value)


def _is_whole(value, least: int) -> bool:
    return isinstance(value, int) and not _is_flag(value) and value >= least


def _is_shape(value) -> bool:
    return value is None or (
        isinstance(value, list)
        and len(value) == 3
        and all(_is_whole(size, FEWEST) for size in value)
    )


def _is_axes(value) -> bool:
    along = {"L": "x", "R": "x", "P": "y", "A": "y", "S": "z", "I": "z"}
    return value is None or (
        _is_text(value) and sorted(along.get(letter, "") for letter in value) == ["x", "y", "z"]
    )


def _is_intensity(value) -> bool:
    return value in INTENSITIES or (
        isinstance(value, list)
        and len(value) == 2
        and all(map(_is_number, value))
        and value[0] < value[1]
    )


# key -> (does a JSON value fit, what would)
RULES = {
    **dict.fromkeys(("name", "title", "anatomy", "modality", "licence"), (_is_text, "a text")),
    "network": (_is_text, "the path of a file, relative to the manifest"),
    "shape": (
        _is_shape,
        f"null or three whole numbers from {FEWEST}, the sizes along the array axes",
    ),
    "spacing_mm": (
        lambda value: value is None or (_is_number(value) and value > 0),
        "null or a positive number of millimetres",
    ),
    "axes": (_is_axes, 'null or three letters such as "LIA", one each of L/R, P/A and S/I'),
    "multiple": (lambda value: _is_whole(value, 1), "a whole number from 1"),
    "intensity": (_is_intensity, '"min-max", "percentiles" or [low, high]'),
    "inputs": (lambda value: value in INPUTS, '["moving", "fixed"] or ["fixed", "moving"]'),
    **dict.fromkeys(("joined", "needs_affine", "stochastic"), (_is_flag, "true or false")),
    "output": (lambda value: _is_whole(value, 0), "a whole number from 0"),
    "units": (lambda value: value in UNITS, f"one of {', '.join(UNITS)}"),
    "channels": (lambda value: value in CHANNELS, f"one of {', '.join(CHANNELS)}"),
    "outside": (lambda value: value is None or _is_number(value), "null or a number"),
}
