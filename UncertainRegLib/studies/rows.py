"""Rows of a study in a CSV file: written as they come, never computed twice, then summed up."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

RESAMPLES = 2000  # of the bootstrap


class Rows:
    """A CSV file of results, one row a map of a pair.

    Args:
        path: the file; its rows are read if it is there.
        key: names of the columns that tell rows apart.

    Attributes:
        all: rows as dictionaries of text.

    Raises:
        ValueError: the file is there and lacks a key column.
    """

    def __init__(self, path: Path, key: tuple[str, ...]) -> None:
        self.path, self.key, self.all = path, key, []
        if path.exists():
            _drop_torn_line(path)
            with open(path, newline="", encoding="utf-8") as stream:
                self.all = list(csv.DictReader(stream))
        if self.all and not set(key) <= set(self.all[0]):
            raise ValueError(f"{path}: is not a table of this study; choose another folder.")
        self._known = {self._key(row) for row in self.all}

    def __contains__(self, row: dict) -> bool:
        return self._key(row) in self._known

    def add(self, row: dict) -> None:
        """Append one row to the file at once: an interrupted study loses one row at most."""
        row = {
            name: f"{value:.6g}" if isinstance(value, float) else str(value)
            for name, value in row.items()
        }
        new = not self.all
        columns = list(row) if new else list(self.all[0])
        with open(self.path, "a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, columns, extrasaction="ignore")
            if new:
                writer.writeheader()
            writer.writerow(row)
        self.all.append(row)
        self._known.add(self._key(row))

    def _key(self, row: dict) -> tuple:
        return tuple(str(row[name]) for name in self.key)


def _drop_torn_line(path: Path) -> None:
    """Take away a last line that a power cut left unfinished; its row is computed again."""
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with open(path, "r+b") as stream:
            stream.truncate(len(whole))


def write_parquet(rows: list[dict], path: Path) -> None:
    """Write rows as a Parquet file; columns of numbers become float64, empty cells null.

    Raises:
        ValueError: the package pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ValueError(
            "Parquet needs the package pyarrow: pip install pyarrow. rows.csv holds the same rows."
        ) from None
    columns = {}
    for name in rows[0]:
        texts = [row[name] for row in rows]
        try:
            columns[name] = [float(text) if text != "" else None for text in texts]
        except ValueError:
            columns[name] = texts
    parquet.write_table(pyarrow.table(columns), path)


def summary(rows: Iterable[dict], group: tuple[str, ...], columns: tuple[str, ...]) -> list[dict]:
    """Mean over the pairs of every group, in order of appearance.

    Returns:
        A dictionary a group: the group's columns, ``pairs``, and for every column its mean and,
        with several pairs, ``(low, high)``: the 95 % percentile bootstrap interval of the mean.
        Empty cells do not count, nor rows of before a column was there.
    """
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in group), []).append(row)
    result = []
    for key, members in groups.items():
        entry = {**dict(zip(group, key)), "pairs": len(members)}
        for name in columns:
            values = np.array([float(row[name]) for row in members if row.get(name, "") != ""])
            values = values[np.isfinite(values)]
            entry[name] = float(values.mean()) if values.size else float("nan")
            entry[f"{name}_interval"] = bootstrap_interval(values)
        result.append(entry)
    return result


def bootstrap_interval(values: np.ndarray) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of the mean over pairs; None with fewer than two."""
    if values.size < 2:
        return None
    draw = np.random.default_rng(0).integers(0, values.size, (RESAMPLES, values.size))
    low, high = np.quantile(values[draw].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def table(entries: list[dict], group: tuple[str, ...], columns: dict[str, str]) -> str:
    """A summary as text: ``columns`` gives each column's heading."""
    head = [*group, "pairs", *columns.values()]
    lines = [head]
    for entry in entries:
        line = [str(entry[name]) for name in (*group, "pairs")]
        for name in columns:
            interval = entry[f"{name}_interval"]
            text = "" if np.isnan(entry[name]) else f"{entry[name]:.3f}"
            line.append(
                text if interval is None else f"{text} [{interval[0]:.3f}, {interval[1]:.3f}]"
            )
        lines.append(line)
    widths = [max(len(line[c]) for line in lines) for c in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths)).rstrip() for line in lines
    )
