"""Files that are whole or not there: written beside and moved over."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def replace(file: str | Path, write: Callable[[Path], object]) -> None:
    """Write a file in one step: an interruption leaves the old one whole.

    Args:
        file: what to make or replace; a link stays one, and what is no file (a terminal) is written to.
        write: takes the path of the draft and writes it.

    Raises:
        OSError: it cannot be written; the draft is gone, and the error names the file.
    """
    file = Path(file)
    if file.exists() and not file.is_file():
        write(file)
        return
    file = file.resolve() if file.is_symlink() else file
    draft = file.with_name(file.name + ".part")
    try:
        write(draft)
        os.replace(draft, file)
    except OSError as error:
        if error.filename not in (None, str(draft), draft):  # of another file
            raise
        if error.errno is None:
            raise OSError(f"{file}: cannot be written ({error}).") from None
        raise OSError(error.errno, error.strerror, str(file)) from None
    finally:
        with contextlib.suppress(OSError):  # not there
            draft.unlink()


def replace_text(file: str | Path, text: str) -> None:
    """Write a text file (UTF-8) in one step."""
    replace(file, lambda draft: draft.write_text(text, encoding="utf-8"))


def replace_picture(file: str | Path, image: Any, **options) -> None:
    """Write a picture in one step, in the format of its ending.

    Args:
        image: of Pillow; options: of its ``save``.

    Raises:
        ValueError: the ending is none of a picture.
    """
    from PIL import Image

    kind = Image.registered_extensions().get(Path(file).suffix.lower())
    if kind is None:
        raise ValueError(f"{file}: its ending names no format of pictures; call it .png.")
    replace(file, lambda draft: image.save(draft, format=kind, **options))
