"""A result in a terminal: a few lines and one table."""

from __future__ import annotations

from pathlib import Path

from ..results.columns import STRUCTURES, in_two_lines
from ..results.expectation import with_bounds
from ..results.record import Record
from .whole import of_landmarks, whole

ROWS = 20
# column: width
WIDTHS = {
    "name": 24,
    "expected_mm": 12,
    "bound_mm": 12,
    "u_p50_mm": 14,
    "volume_ml": 8,
    "volume_interval_ml": 19,
    "dice_before": 12,
    "dice": 11,
}


def in_words(record: Record, folder: str | Path) -> str:
    """What a person wants to read after a run."""
    samples = record.samples
    lines = [
        f"{record.status.capitalize()}: {samples.finished} of {samples.asked} samples, "
        f"{record.backbone.title}, {folder}"
    ]
    if record.labels:
        headings = [in_two_lines(STRUCTURES[name].heading).split("\n") for name in WIDTHS]
        lines += [
            _line([heading[place] if place < len(heading) else "" for heading in headings])
            for place in (0, 1)
        ]
    for row in with_bounds(record.labels, record.expected_error, record.calibration)[:ROWS]:
        ends = [row.get("volume_from_ml"), row.get("volume_to_ml")]
        lines.append(
            _line(
                [
                    row["name"][:24],
                    _number(row.get("expected_mm")),
                    _number(row.get("bound_mm")),
                    _number(row["u_p50_mm"]),
                    _number(row["volume_ml"]),
                    "" if None in ends else " … ".join(map(_number, ends)),
                    _number(row["dice_before"], 3),
                    _number(row["dice"], 3),
                ]
            )
        )
    lines += [text for text in (of_landmarks(record.landmarks),) if text]
    lines += whole(record)
    lines.append("Disagreement is not error: where all samples agree, all can be wrong.")
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    """The first cell to the left, the others to the right."""
    first, *others = (
        f"{cell:{'>' if place else '<'}{width}}"
        for place, (cell, width) in enumerate(zip(cells, WIDTHS.values()))
    )
    return "".join([first, *others]).rstrip()


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"
