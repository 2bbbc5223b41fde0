"""Networks trained here: a model folder is a backbone like any other."""

from __future__ import annotations

import json
from pathlib import Path

from .weights import sha256_of

SCHEMA = "uncertainreg-model/1"
MANIFEST = "model.json"
KEYS = ("kind", "network", "members", "grid", "intensity", "weights", "provenance")


def read_model(folder: str | Path) -> dict:
    """The manifest of a model folder, see `training.model_folder`.

    Args:
        folder: the folder, or its ``model.json``.

    Raises:
        ValueError: a sentence that names the file and what is wrong with it.
    """
    folder = Path(folder)
    file = folder if folder.name == MANIFEST else folder / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{folder} is not a trained model: {file} cannot be read "
                         f"({error.strerror}).") from error
    except ValueError as error:
        raise ValueError(f"{file} is not valid JSON: {error}.") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise ValueError(f"{file} is not of the schema {SCHEMA}.")
    missing = [key for key in KEYS if key not in manifest]
    if missing:
        raise ValueError(f"{file} lacks {missing[0]!r}; train the model again.")
    return manifest


def read_weights(folder: str | Path, manifest: dict) -> dict[str, dict]:
    """The state dicts of a model folder, by name of the member or part.

    Raises:
        ValueError: the file is missing, or not the one of the manifest.
    """
    import torch

    file = Path(folder) / manifest["weights"]["file"]
    if not file.is_file() or sha256_of(file) != manifest["weights"]["sha256"]:
        raise ValueError(f"{file} is missing or not the file that {MANIFEST} describes; copy the "
                         "whole folder again.")
    return torch.load(file, map_location="cpu", weights_only=True)
