"""Lists of image pairs as CSV: a heading of known columns, then a pair a line.

A list is read line by line, so that one of any length needs the memory of one line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path


class PairsError(ValueError):
    """The list cannot be used; the message says which line and why."""


@dataclass(frozen=True)
class Line:
    """A line that is not empty.

    Attributes:
        number: in the file, from 1, which is the heading.
        cells: by column; those that are empty are left out.
        is_too_long: it has more cells than the heading.
    """

    number: int
    cells: dict[str, str]
    is_too_long: bool


def read_lines(path: Path, columns: Sequence[str]) -> Iterator[Line]:
    """The lines of a list, in its order.

    Args:
        columns: all that it may have, in any order, hyphens for underscores, any case; "fixed" and
            "moving" are needed.

    Raises:
        PairsError: no such file, no CSV, or a column that is missing, unknown or there twice.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            lines = csv.reader(stream)
            names = _columns(path, next(lines, []), columns)
            for line in lines:
                if any(cell.strip() for cell in line):
                    cells = {name: cell.strip() for name, cell in zip(names, line) if cell.strip()}
                    yield Line(lines.line_num, cells, len(line) > len(names))
    except OSError as error:
        raise PairsError(f"{path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise PairsError(f"{path}: is no text in UTF-8; save it as CSV UTF-8.") from None
    except csv.Error as error:
        raise PairsError(f"{path}: is no CSV ({error}).") from None


def _columns(path: Path, heading: list[str], known: Sequence[str]) -> list[str]:
    """The names of the columns as in ``known``."""
    found = [name.strip().lower().replace("-", "_") for name in heading]
    if len(found) == 1 and ";" in found[0]:
        raise PairsError(f"{path}: is separated by semicolons; save it with commas.")
    for name in found:
        if name in known and found.count(name) == 1:
            continue
        if name in known:
            raise PairsError(f"{path}: has the column {name} twice.")
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known)}."
        raise PairsError(f"{path}: has a column {name or 'without a name'}; {hint}")
    lacking = [name for name in ("fixed", "moving") if name not in found]
    if lacking:
        raise PairsError(f"{path}: needs the columns fixed and moving; lacks {lacking[0]}.")
    return found
