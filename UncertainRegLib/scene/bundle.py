"""A scene as one ``.mrb`` file, outside Slicer."""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

import slicer


def write_bundle(scene: slicer.vtkMRMLScene, path: str | Path) -> None:
    """Write the scene with all its data to a ``.mrb`` file that Slicer opens.

    Raises:
        OSError: it could not be written.
    """
    path = Path(path).absolute()
    refusal = OSError(
        f"{path}: the scene could not be written; is the folder there, and the disk not full?"
    )
    try:
        # In a folder of its own: Slicer leaves what it wrote of a scene, and its name is in the file.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix="part.") as folder:
            draft = Path(folder) / path.name
            if not scene.WriteToMRB(str(draft)):
                raise refusal
            os.replace(draft, path)
    except OSError:
        raise refusal from None


def read_bundle(path: str | Path, scene: slicer.vtkMRMLScene) -> None:
    """Read a ``.mrb`` file into an empty scene.

    Raises:
        OSError: it could not be read.
    """
    with tempfile.TemporaryDirectory(prefix="UncertainReg") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
        except zipfile.BadZipFile:
            raise OSError(f"{path}: is not a .mrb file.") from None
        found = list(Path(folder).rglob("*.mrml"))
        if not found:
            raise OSError(f"{path}: has no scene in it.")
        scene.SetURL(str(found[0]))
        if not scene.Import(None):
            raise OSError(f"{path}: the scene in it could not be read.")


def write_result_scene(folder: str | Path, path: str | Path) -> None:
    """Write a result folder as a ``.mrb`` scene, lengths to 0.01 mm (see `rounding`).

    Raises:
        OSError, ResultError: the scene cannot be written, or the folder holds no result.
    """
    from .headless import HeadlessScene
    from .result import load_result
    from .rounding import round_result

    with HeadlessScene() as headless:
        round_result(load_result(folder, headless.scene))
        write_bundle(headless.scene, path)
