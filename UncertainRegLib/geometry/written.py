"""Image files written by SimpleITK, whole or not at all; what goes wrong is one sentence."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import SimpleITK as sitk

TWO_FILES = (".mhd", ".nhdr", ".hdr", ".img", ".hdr.gz", ".img.gz")  # header and voxels apart


def write_sitk(
    image: sitk.Image, path: str | Path, compress: bool = False, level: int = -1
) -> None:
    """Write an image in the format of its ending; an interruption leaves no part of it under its name.

    Args:
        level: of the compression, or the quality of a JPEG; -1 is the format's own.

    Raises:
        OSError: it cannot be written.
    """
    path = Path(path)
    draft = path if path.name.lower().endswith(TWO_FILES) else _draft(path)
    try:
        sitk.WriteImage(image, str(draft), compress, level)
        os.replace(draft, path)
    except (RuntimeError, OSError):  # of SimpleITK a page of text, and in it the lines of a program
        raise OSError(
            f"{path}: cannot be written; is the disk full, or the folder write-protected or gone?"
        ) from None
    finally:
        if draft != path:
            with contextlib.suppress(OSError):  # not there
                draft.unlink()


def _draft(path: Path) -> Path:
    """A name beside it with the same ending, which says the format."""
    ending = "".join(path.suffixes[-2 if path.suffix.lower() == ".gz" else -1 :])
    return path.with_name(f"{path.name.removesuffix(ending)}.part{ending}")
