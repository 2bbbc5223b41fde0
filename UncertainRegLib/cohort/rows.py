"""The rows of a cohort's table, read from ``cohort.csv``; needs nothing but Python."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from .folder import CohortFolder
from .table import value


def read_rows(folder: str | Path, kind: str, columns: Sequence[str]) -> Iterator[dict]:
    """The rows of a kind, "pair", "structure" or "landmark", in the order of the table.

    Args:
        folder: of the cohort.
        columns: those to read; what is empty is None.

    Raises:
        ValueError: there is no table, or it is damaged.
    """
    file = CohortFolder(Path(folder)).csv
    try:
        with open(file, newline="", encoding="utf-8") as stream:
            lines = csv.reader(stream)
            head = next(lines)
            of_kind, places = head.index("kind"), [head.index(name) for name in columns]
            for line in lines:
                if line[of_kind] == kind:
                    yield {name: value(name, line[at]) for name, at in zip(columns, places)}
    except FileNotFoundError:
        raise ValueError(
            f"{folder}: has no {file.name}, it is no folder of a cohort; `cohort report` writes it."
        ) from None
    except (OSError, ValueError, IndexError, StopIteration, RuntimeError, csv.Error):
        raise ValueError(f"{file}: is damaged; `cohort report` writes it anew.") from None
