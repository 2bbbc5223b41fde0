"""The long table of a cohort: a row for each pair, each structure and each landmark.

It is written row by row, so that a cohort of any size needs the memory of one result.
"""

from __future__ import annotations

import contextlib
import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from ..results.atomic import replace
from ..results.columns import LANDMARKS, PAIRS, STRUCTURES
from ..results.decision import read_decisions
from ..results.maps import DISAGREEMENT, EXPECTED
from ..results.reader import ResultError, read_record
from ..results.record import Record
from .folder import CohortFolder

SCHEMA = 1  # of the columns
COMPLETE, FAILED, MISSING = "complete", "failed", "missing"
TEXTS = {
    "kind", "id", "group", "status", "sentence", "name", "verdict", "decision", "reason",
    "decided_by", "decided_at", "fixed", "moving", "version",
}  # fmt: skip
WHOLE = {"schema", "label", "samples", "warnings", "lost", "voxels"}
YES_OR_NO = {"within_bound", "inside95"}
# Entries of rows that are no single number, or have another name here.
NOT_HERE = {"axes_mm", "mean_lps", "worst_voxel_lps", "volume_interval_ml", "volume_samples_ml"}
COLUMNS = tuple(
    name
    for name in dict.fromkeys(
        ["schema", "kind", "id", "group", "name", "label", *PAIRS, *STRUCTURES, *LANDMARKS]
    )
    if name not in NOT_HERE
)
ROWS_AT_ONCE = 2000  # of a row group of Parquet


class Listed(Protocol):
    """What the table needs to know of a pair (`pairs_file.Pair`)."""

    name: str
    group: str

    def differs(self, record: Record) -> str:
        """By what it asks for something else than a result was made with; empty where it does
        not."""


def write_tables(
    folder: CohortFolder, pairs: Iterable[Listed], say: Callable[[str], None]
) -> dict[str, int]:
    """Write the table of what is there, as CSV and, where pyarrow is installed, as Parquet.

    Args:
        pairs: in the order of the table.
        say: hears what is left out.

    Returns:
        How many pairs are complete, failed, missing.
    """
    counts: Counter[str] = Counter({COMPLETE: 0, FAILED: 0, MISSING: 0})

    def write(draft: Path) -> None:
        with open(draft, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            for pair in pairs:
                rows = list(rows_of(folder, pair))
                counts[rows[0]["status"]] += 1
                writer.writerows({name: _text(one) for name, one in row.items()} for row in rows)

    replace(folder.csv, write)
    write_parquet(folder, say)
    return dict(counts)


def rows_of(folder: CohortFolder, pair: Listed) -> Iterator[dict]:
    """The row of a pair, then those of its structures and landmarks; what is empty is left out."""
    common = {"schema": SCHEMA, "id": pair.name, "group": pair.group}
    about = {**common, "kind": "pair"}
    why = folder.why_failed(pair.name)
    if why:
        yield {**about, "status": FAILED, "sentence": why}
        return
    where = folder.result(pair.name)
    if not where.exists():
        yield {**about, "status": MISSING, "sentence": "It has not been run yet."}
        return
    try:
        record = read_record(where)
        other = pair.differs(record)
    except ResultError as error:
        yield {**about, "status": MISSING, "sentence": str(error)}
        return
    if record.status != COMPLETE or other:
        why = f"The result that is there {other or 'is not complete'}; run the cohort again."
        yield {**about, "status": MISSING, "sentence": why}
        return
    doubt = record.given.suspicions[:1] if record.given is not None else []
    said = {"sentence": doubt[0]} if doubt else {}
    yield {**about, "status": COMPLETE, **said, **_numbers(record), **_decision(where)}
    for kind, rows in (("structure", record.labels), ("landmark", record.landmarks)):
        for row in record.bounded(rows):
            named = {**row, "name": row["label"], "label": None} if kind == "landmark" else row
            kept = {name: one for name, one in named.items() if name in COLUMNS}
            yield {**common, "kind": kind, **kept}


def _numbers(record: Record) -> dict:
    """What a result says of the pair as a whole."""
    found = {
        "fixed": record.inputs["fixed"].file,
        "moving": record.inputs["moving"].file,
        "version": record.versions.get("UncertainReg"),
        "samples": record.samples.finished,
        "warnings": len(record.warnings),
        "seconds": record.timings.get("total_s"),
        "verdict": None if record.acceptance is None else record.acceptance.state,
    }
    for name, one in record.over_anatomy.items():
        if name in (EXPECTED, DISAGREEMENT):
            stem = name.removesuffix("_mm")
            found |= {f"{stem}_mean_mm": one.mean, f"{stem}_p95_mm": one.p95}
    found["expected_error_boundary_mm"] = _of_boundaries(record.labels)
    for name, change in (record.before_after.changes if record.before_after else {}).items():
        before = "tre_before_mm" if name == "tre_mm" else f"{name}_before"
        found |= {before: change.before, name: change.after}
    return found


def _of_boundaries(rows: list[dict]) -> float | None:
    """Mean expected error of the boundaries of all structures, mm, by their surface."""
    known = [
        (row["expected_mm"], row["surface_cm2"])
        for row in rows
        if row.get("expected_mm") is not None and row.get("surface_cm2")
    ]
    surface = sum(one for _, one in known)
    return sum(value * one for value, one in known) / surface if surface else None


def _decision(where: Path) -> dict:
    """The last decision about a result."""
    try:
        found = read_decisions(where)
    except ValueError as error:  # damaged: the numbers are none the worse
        return {"sentence": str(error)}
    if not found:
        return {}
    last = found[-1]
    return {
        "decision": last.decision,
        "reason": last.reason,
        "decided_by": last.name,
        "decided_at": last.time,
    }


def _text(value) -> str:
    """A cell of the CSV; empty for what is not known."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def write_parquet(folder: CohortFolder, say: Callable[[str], None]) -> None:
    """Write the CSV of a cohort as Parquet: numbers as numbers, empty cells as null."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        say(
            f"{folder.parquet.name} is not written: it needs the package pyarrow (pip install "
            f"pyarrow). {folder.csv.name} holds the same rows."
        )
        return
    kinds = {name: pyarrow.float64() for name in COLUMNS}
    kinds |= {name: pyarrow.string() for name in TEXTS}
    kinds |= {name: pyarrow.int64() for name in WHOLE}
    kinds |= {name: pyarrow.bool_() for name in YES_OR_NO}
    schema = pyarrow.schema(kinds.items(), {"schema": str(SCHEMA)})

    def write(draft: Path) -> None:
        with (
            open(folder.csv, newline="", encoding="utf-8") as file,
            contextlib.closing(parquet.ParquetWriter(draft, schema)) as writer,
        ):
            for rows in _in_parts(csv.DictReader(file)):
                columns = [[value(name, row[name]) for row in rows] for name in COLUMNS]
                writer.write_table(pyarrow.table(columns, schema=schema))

    replace(folder.parquet, write)


def _in_parts(rows: Iterable[dict]) -> Iterator[list[dict]]:
    part: list[dict] = []
    for row in rows:
        part.append(row)
        if len(part) == ROWS_AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def value(name: str, text: str) -> str | int | float | bool | None:
    """A cell of the CSV as what it says."""
    if not text:
        return None
    if name in TEXTS:
        return text
    if name in YES_OR_NO:
        return text == "true"
    return int(text) if name in WHOLE else float(text)
