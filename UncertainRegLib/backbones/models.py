"""Model folders, which every training writes: read, found by name, and kept in the store.

The store also keeps networks of one's own, a folder each with the manifest and the network.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..checksum import sha256_of
from .manifest import read_manifest
from .network_file import not_torchscript
from .weights import store

SCHEMA = "uncertainreg-model/1"
MANIFEST = "model.json"
OWN_MANIFEST = "manifest.json"  # of a network of one's own, see `manifest`
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
    """Names of the models and own networks in the store, which every list of backbones shows."""
    folder = store() / "models"
    return sorted(
        file.parent.name for kind in (MANIFEST, OWN_MANIFEST) for file in folder.glob(f"*/{kind}")
    )


def own_manifest(name: str) -> Path | None:
    """The manifest of a network of one's own: that file itself, or one in the store; or None."""
    if name.endswith(".json"):
        return Path(name)
    file = store() / "models" / name / OWN_MANIFEST
    return file if name and file.is_file() else None


def folder_of(name: str) -> Path | None:
    """The model folder that a backbone's name means: a path, or a model in the store; or None."""
    path = Path(name).expanduser()
    for folder in (path.parent if path.name == MANIFEST else path, store() / "models" / name):
        if name and (folder / MANIFEST).is_file():
            return folder
    return None


def checksum_of(name: str) -> str:
    """SHA-256 of the files behind a backbone's name: a model folder, or a network with its manifest;
    empty for methods of the library."""
    folder, manifest = folder_of(name), own_manifest(name)
    if folder is not None:
        return sha256_of(*sorted(filter(Path.is_file, folder.iterdir())))
    if manifest is not None and manifest.is_file():
        return sha256_of(manifest, read_manifest(manifest).network)
    return ""


def install_model(folder: str | Path, name: str) -> Path:
    """Copy a model folder into the store, where all lists of backbones find it by this name.

    Raises:
        ValueError: no model there, it is damaged, or the name is no plain one.
    """
    source = Path(folder)
    if source.is_file() and source.name != MANIFEST:
        raise ValueError(
            f"{source} is a file: give the manifest (.json) of a network of your own, see "
            "Docs/own-network.md, or the folder of a trained model."
        )
    manifest = read_model(folder)
    file = manifest["weights"]["file"]
    if not (source / file).is_file() or sha256_of(source / file) != manifest["weights"]["sha256"]:
        raise ValueError(f"{source / file} is missing or not the file that {MANIFEST} describes.")
    with _stored_as(name) as target:
        for each in (file, MANIFEST):
            shutil.copyfile(source / each, target / each)
    return _place_of(name)


def install_network(manifest: str | Path, name: str) -> Path:
    """Copy the manifest and the file of a network of one's own into the store, likewise.

    Raises:
        ValueError: the manifest cannot be used, its network is no TorchScript, or the name is no
            plain one.
    """
    network = Path(read_manifest(manifest).network)
    problem = not_torchscript(str(network))
    if problem:
        raise ValueError(f"{network} {problem}.")
    content = json.loads(Path(manifest).read_text(encoding="utf-8-sig"))
    content["network"] = network.name
    with _stored_as(name) as target:
        shutil.copyfile(network, target / network.name)
        (target / OWN_MANIFEST).write_text(json.dumps(content, indent=1), encoding="utf-8")
    return _place_of(name)


def _place_of(name: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):  # a dot would make it that of a file
        raise ValueError(f"{name!r} is no name for a model; use letters, digits, - and _.")
    return store() / "models" / name


@contextmanager
def _stored_as(name: str) -> Iterator[Path]:
    """An empty folder to be filled; it then takes the place of whatever had the name, whole."""
    place, part = _place_of(name), store() / f"{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(exist_ok=True)
        part.replace(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
