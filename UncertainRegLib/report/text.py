"""A result in a terminal: a few lines and one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..results.columns import STRUCTURES, in_two_lines
from ..results.record import Record
from ..results.schema import FILE
from . import shown
from .whole import of_landmarks, whole, within_bound

ROWS = 20
# column: width
WIDTHS = {
    "name": 24,
    "expected_mm": 12,
    "bound_mm": 12,
    "u_p50_mm": 14,
    "u_p95_mm": 22,
    "volume_ml": 8,
    "volume_interval_ml": 19,
    "volume_samples_ml": 19,
    "dice_before": 12,
    "dice": 11,
}
DIGITS = {"dice_before": 3, "dice": 3}


def in_words(record: Record, folder: str | Path) -> str:
    """What a person wants to read after a run."""
    samples = record.samples
    lines = [
        f"{record.status.capitalize()}: {samples.finished} of {samples.asked} samples, "
        f"{record.backbone.title}, {folder}"
    ]
    structures, landmarks = (record.bounded(rows) for rows in (record.labels, record.landmarks))
    if structures:
        lines += _table(structures)
        more = len(structures) - ROWS
        if more > 0:
            are = "1 more structure is" if more == 1 else f"{more} more structures are"
            lines.append(f"{are} in {Path(folder) / FILE} and in the report.")
    lines += [text for text in (of_landmarks(landmarks), within_bound(landmarks)) if text]
    lines += whole(record)
    lines.append("Disagreement is not error: where all samples agree, all can be wrong.")
    return "\n".join(lines)


def _table(rows: list[dict]) -> list[str]:
    names = (
        "name",
        *shown.errors(rows),
        "u_p50_mm",
        "u_p95_mm",
        "volume_ml",
        shown.volume(rows),
        *shown.dice(rows),
    )
    headings = [in_two_lines(STRUCTURES[name].heading).split("\n") for name in names]
    lines = [
        [heading[part] if part < len(heading) else "" for heading in headings] for part in (0, 1)
    ]
    lines += [[_cell(row, name) for name in names] for row in rows[:ROWS]]
    return [_line(names, cells) for cells in lines]


def _cell(row: dict, name: str) -> str:
    if name == "name":
        return row["name"][: WIDTHS["name"]]
    if name in shown.ENDS:
        ends = [row.get(end) for end in shown.ENDS[name]]
        return "" if None in ends else " … ".join(map(_number, ends))
    return _number(row.get(name), DIGITS.get(name, 2))


def _line(names: Sequence[str], cells: list[str]) -> str:
    """The first cell to the left, the others to the right."""
    return "".join(
        f"{cell:{'>' if place else '<'}{WIDTHS[name]}}"
        for place, (name, cell) in enumerate(zip(names, cells))
    ).rstrip()


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"
