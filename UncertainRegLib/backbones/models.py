"""Model folders, which every training writes: read, found by name, and kept in the store."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from ..checksum import sha256_of
from .weights import store

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
        raise ValueError(
            f"{folder} is not a trained model: {file} cannot be read ({error.strerror})."
        ) from error
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
        raise ValueError(
            f"{file} is missing or not the file that {MANIFEST} describes; copy the "
            "whole folder again."
        )
    return torch.load(file, map_location="cpu", weights_only=True)


def models() -> list[str]:
    """Names of the models in the store, which every list of backbones shows."""
    return sorted(file.parent.name for file in (store() / "models").glob(f"*/{MANIFEST}"))


def folder_of(name: str) -> Path | None:
    """The model folder that a backbone's name means: a path, or a model in the store; or None."""
    path = Path(name).expanduser()
    for folder in (path.parent if path.name == MANIFEST else path, store() / "models" / name):
        if name and (folder / MANIFEST).is_file():
            return folder
    return None


def install_model(folder: str | Path, name: str) -> Path:
    """Copy a model folder into the store, where all lists of backbones find it by this name.

    Raises:
        ValueError: no model there, it is damaged, or the name is no plain one.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"{name!r} is no name for a model; use letters, digits, - and _.")
    manifest = read_model(folder)
    source, target = Path(folder), store() / "models" / name
    file = manifest["weights"]["file"]
    if not (source / file).is_file() or sha256_of(source / file) != manifest["weights"]["sha256"]:
        raise ValueError(f"{source / file} is missing or not the file that {MANIFEST} describes.")
    target.mkdir(parents=True, exist_ok=True)
    for each in (file, MANIFEST):  # the manifest last: then the model is there as a whole
        shutil.copyfile(source / each, target / each)
    return target
