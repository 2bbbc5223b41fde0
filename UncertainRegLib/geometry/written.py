"""Image files written by SimpleITK; what goes wrong is one sentence."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk


def write_sitk(image: sitk.Image, path: str | Path, compress: bool = False) -> None:
    """Write an image in the format of its ending.

    Raises:
        OSError: it cannot be written.
    """
    try:
        sitk.WriteImage(image, str(path), compress)
    except RuntimeError:  # a page of text, and in it the lines of a program
        raise OSError(
            f"{path}: cannot be written; is the disk full, or the folder write-protected or gone?"
        ) from None
