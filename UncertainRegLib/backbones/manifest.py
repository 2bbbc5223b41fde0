"""The manifest of a network of one's own: what a file of weights cannot say of itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

UNITS = ("voxels", "mm", "half-extents")
CHANNELS = ("array", "reversed")
INPUTS = (("moving", "fixed"), ("fixed", "moving"))


@dataclass(frozen=True)
class Manifest:
    """Conventions of a registration network.

    Attributes:
        name, title, anatomy, modality, licence: as a person should read them.
        network: the TorchScript (.pt) or exported (.pt2) file, relative to the manifest.
        shape: array shape of the network's images, or null for "any multiple of ``multiple``".
        spacing_mm: isotropic voxel size; null resizes each image's field of view to ``shape``.
        axes: anatomical direction towards which each array axis runs ("LIA"), or null for the
            axes of the fixed image.
        multiple: sizes must be multiples of this, where ``shape`` is null.
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
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"The manifest {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ValueError(f"The manifest {path} is not valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ValueError(f"The manifest {path} must be a JSON object.")
    known = [field.name for field in fields(Manifest)]
    unknown = sorted(set(content) - set(known))
    if unknown:
        raise ValueError(f"The manifest {path} has the unknown key {unknown[0]!r}; keys are "
                         f"{', '.join(known)}.")
    for key in ("name", "network"):
        if not isinstance(content.get(key), str) or not content[key]:
            raise ValueError(f"The manifest {path} must state {key!r}.")
    content = {key: tuple(value) if isinstance(value, list) else value
               for key, value in content.items()}
    content["network"] = str((path.parent / content["network"]).resolve())
    manifest = Manifest(**content)
    problem = _problem(manifest)
    if problem:
        raise ValueError(f"The manifest {path}: {problem}.")
    return manifest


def _problem(manifest: Manifest) -> str:
    """What is wrong with the values, or an empty text."""
    if not Path(manifest.network).is_file():
        return f"the network {manifest.network} does not exist"
    if manifest.shape is not None and not (
            isinstance(manifest.shape, tuple) and len(manifest.shape) == 3
            and all(isinstance(n, int) and n > 0 for n in manifest.shape)):
        return "'shape' is null or three positive numbers"
    if manifest.spacing_mm is None and manifest.shape is None:
        return "'shape' or 'spacing_mm' must be given"
    if manifest.axes is not None and sorted(
            {"L": "x", "R": "x", "P": "y", "A": "y", "S": "z", "I": "z"}.get(letter, "")
            for letter in str(manifest.axes)) != ["x", "y", "z"]:
        return "'axes' is null or three letters such as \"LIA\", one each of L/R, P/A and S/I"
    if manifest.intensity not in ("min-max", "percentiles") and not (
            isinstance(manifest.intensity, tuple) and len(manifest.intensity) == 2):
        return "'intensity' is \"min-max\", \"percentiles\" or [low, high]"
    if manifest.inputs not in INPUTS:
        return "'inputs' is [\"moving\", \"fixed\"] or [\"fixed\", \"moving\"]"
    if manifest.units not in UNITS:
        return f"'units' is one of {', '.join(UNITS)}"
    if manifest.channels not in CHANNELS:
        return f"'channels' is one of {', '.join(CHANNELS)}"
    return ""
