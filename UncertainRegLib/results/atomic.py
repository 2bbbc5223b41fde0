"""Files that are whole or not there: written beside and moved over."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def replace(file: str | Path, write: Callable[[Path], object]) -> None:
    """Write a file in one step: an interruption leaves the old one whole.

    Args:
        file: what to make or replace.
        write: takes the path of the draft and writes it.

    Raises:
        OSError: it cannot be written; the draft is gone, and the error names the file.
    """
    file = Path(file)
    draft = file.with_name(file.name + ".part")
    try:
        write(draft)
        os.replace(draft, file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror or str(error), str(file)) from None


def replace_text(file: str | Path, text: str) -> None:
    """Write a text file (UTF-8) in one step."""
    replace(file, lambda draft: draft.write_text(text, encoding="utf-8"))
