"""A trained model: one folder with ``model.json`` (what it is) and ``weights.pt``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import torch

from ..backbones.models import MANIFEST, SCHEMA, read_model, read_weights
from ..checksum import sha256_of
from ..environment import versions
from ..results.atomic import replace, replace_text

INTENSITIES = ("minmax", "percentiles")


def save_model(
    out: str | Path,
    kind: str,
    network: dict,
    weights: dict[str, dict],
    grid_shape: tuple[int, int, int],
    spacing_mm: float,
    intensity: str,
    provenance: dict,
    axes: str | None = None,
) -> Path:
    """Write a model folder; ``model.json`` comes last, so that a folder is whole or none.

    Args:
        out: the folder.
        kind: the training that made it: "voxelmorph", "predictive", "bootstrap", ...
        network: settings from which the network is made again.
        weights: a state dict for each member of an ensemble or part of a model, by name.
        grid_shape: (Z, Y, X) of the network's images; spacing_mm: their voxel size.
        intensity: "minmax" (each image to [0, 1]) or "percentiles" (0.5 and 99.5 to 0 and 1).
        provenance: how it came about, see `provenance`; "title", "anatomy" and "modality" in it
            are shown to people.
        axes: of the training images (`FolderPairs.axes`); None takes those of the images it meets.

    Returns:
        The path of ``model.json``.

    Raises:
        ValueError: unknown intensity rule.
    """
    if intensity not in INTENSITIES:
        raise ValueError(f"Intensity rule {intensity!r} is not one of {', '.join(INTENSITIES)}.")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    parts = {
        name: {key: value.detach().cpu() for key, value in part.items()}
        for name, part in weights.items()
    }
    replace(out / "weights.pt", lambda file: torch.save(parts, file))
    manifest = {
        "schema": SCHEMA,
        "kind": kind,
        "network": network,
        "members": list(weights),
        "grid": {"shape": list(grid_shape), "spacing_mm": spacing_mm, "axes": axes},
        "intensity": intensity,
        "weights": {"file": "weights.pt", "sha256": sha256_of(out / "weights.pt")},
        "provenance": provenance,
    }
    replace_text(out / MANIFEST, json.dumps(manifest, indent=2))
    return out / MANIFEST


def load_model(folder: str | Path) -> tuple[dict, dict[str, dict]]:
    """The manifest (content of ``model.json``) and the state dicts of a model folder, by name.

    Raises:
        ValueError: a file is missing, damaged, or of another schema.
    """
    manifest = read_model(folder)
    return manifest, read_weights(folder, manifest)


def provenance(
    files: Iterable[str | Path],
    *,
    steps: int,
    seed: int,
    threads: int,
    loss: str,
    licence: str = "not stated",
    **more,
) -> dict:
    """What a model was made of: data file names with checksums, steps, seed, threads, versions ...

    Args:
        files: the training images.
        threads: of the CPU; with another number the last digits of the weights differ.
        loss: in words.
        licence: of the data, which the weights inherit.
        more: anything else worth keeping, as JSON knows it.
    """
    data = [{"file": Path(file).name, "sha256": sha256_of(file)} for file in files]
    return {
        "data": data,
        "steps": steps,
        "seed": seed,
        "threads": threads,
        "loss": loss,
        "licence": licence,
        "versions": versions(),
        **more,
    }
