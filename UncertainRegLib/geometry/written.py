"""Image files written by SimpleITK, whole or not at all; what goes wrong is one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import SimpleITK as sitk

TWO_FILES = (".mhd", ".nhdr", ".hdr", ".img")  # a header that names the file of its voxels


def write_sitk(image: sitk.Image, path: str | Path, compress: bool = False) -> None:
    """Write an image in the format of its ending; an interruption leaves no part of it under its name.

    Raises:
        OSError: it cannot be written.
    """
    path = Path(path)
    detached = path.suffix.lower() in TWO_FILES
    draft = path if detached else path.with_name(f"part.{path.name}")
    try:
        sitk.WriteImage(image, str(draft), compress)
        os.replace(draft, path)
    except (RuntimeError, OSError):  # of SimpleITK a page of text, and in it the lines of a program
        draft.unlink(missing_ok=True)
        raise OSError(
            f"{path}: cannot be written; is the disk full, or the folder write-protected or gone?"
        ) from None
