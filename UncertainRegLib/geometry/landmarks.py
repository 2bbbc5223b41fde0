"""Landmarks: named points in LPS mm, and their files."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np

from .coordinates import LPS, NOWHERE, RAS, position, system_factors, unit_factor
from .errors import InputError, Say, unsaid
from .landmark_csv import parse_csv

DEFINED = "2"  # status of a point in .fcsv; 0, 1 and 3 are undefined, a preview, and missing
READS = (ValueError, KeyError, IndexError, TypeError, AttributeError, csv.Error)


def read_points(path: str | Path, say: Say = unsaid) -> tuple[list[str], np.ndarray]:
    """Read the landmarks of a file that have a position; ``say`` hears which have none.

    Returns:
        Labels, and (P, 3) LPS mm.

    Raises:
        InputError: see `read_landmarks`.
    """
    labels, points = read_landmarks(path, say)
    placed = np.isfinite(points).all(axis=1)
    return [label for label, here in zip(labels, placed) if here], points[placed]


def read_landmarks(path: str | Path, say: Say = unsaid) -> tuple[list[str], np.ndarray]:
    """Read all landmarks of a file, also those without a position: a CSV (`landmark_csv`), or
    Slicer's ``.mrk.json`` or ``.fcsv``.

    Returns:
        Labels, and (P, 3) LPS mm, NaN for a point that was never placed.

    Raises:
        InputError: missing file, unknown format, coordinates that are not and cannot be made LPS
            mm, a line without three numbers, or no point that is placed.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    notes: list[str] = []
    try:
        labels, positions = _parsed(path, notes.append)
    except READS as error:
        words = str(error).strip().splitlines() or [type(error).__name__]
        if isinstance(error, UnicodeDecodeError):
            words = ["it is no text"]
        raise InputError(
            f"{path}: cannot be read as landmarks ({words[-1][:160]}); use a CSV "
            "with columns label,x,y,z in LPS mm, .mrk.json or .fcsv."
        ) from None
    points = np.array(positions, dtype=np.float64).reshape(-1, 3)
    placed = np.all(np.isfinite(points), axis=1)
    if not placed.any():
        raise InputError(f"{path}: contains no landmark that has a position.")
    for note in dict.fromkeys(notes):
        say(f"{path.name}: {note}.")
    if not placed.all():
        without = [label for label, here in zip(labels, placed) if not here]
        say(
            f"{path.name}: these landmarks have no position and are left out: {', '.join(without)}."
        )
    return labels, np.where(placed[:, None], points, np.nan)


def write_points(labels: list[str], points: np.ndarray, path: str | Path) -> None:
    """Write landmarks as CSV ``label,x,y,z``, LPS mm; a position of NaN is left empty.

    Where a label begins with "#", which begins a remark, the labels are in the last column.
    """
    last = any(label.startswith("#") for label in labels)
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["x", "y", "z", "label"] if last else ["label", "x", "y", "z"])
        for label, point in zip(labels, points):
            placed = np.isfinite(point).all()
            cells = list(map(float, point)) if placed else [""] * 3
            writer.writerow([*cells, label] if last else [label, *cells])


def _parsed(path: Path, note: Say) -> tuple[list[str], list]:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() == ".json":
        return _parse_json(json.loads(text), note)
    if path.suffix.lower() == ".fcsv" or re.match(r"#\s*(Markups f|F)iducial", text):
        return _parse_fcsv(text)
    return parse_csv(text, note)


def _parse_json(content: dict, note: Say) -> tuple[list[str], list]:
    if not isinstance(content, dict) or not isinstance(content.get("markups"), list):
        raise ValueError('it has no list "markups"')
    labels: list[str] = []
    points: list[np.ndarray | tuple[float, ...]] = []
    for markup in content["markups"]:
        kind = markup.get("type", "Fiducial")
        if kind != "Fiducial":
            note(f"holds a markup of the type {kind}; its control points are taken as landmarks")
        unit = markup.get("coordinateUnits") or "mm"  # or a code: ["mm", "UCUM", "millimeter"]
        factors = system_factors(str(markup.get("coordinateSystem", "LPS"))) * unit_factor(
            unit if isinstance(unit, str) else str(unit[0]), note
        )
        for point in markup["controlPoints"]:
            placed = point.get("positionStatus", "defined") == "defined" and point.get("position")
            labels.append(str(point.get("label") or len(labels) + 1))
            points.append(position(point["position"]) * factors if placed else NOWHERE)
    return labels, points


def _parse_fcsv(text: str) -> tuple[list[str], list]:
    """Files without a version are RAS, later ones LPS unless they say otherwise."""
    labels, points, factors = [], [], RAS
    for line in text.splitlines():
        if line.startswith("#"):
            key, _, value = (part.strip() for part in line.lstrip("# ").partition("="))
            if key == "CoordinateSystem":
                factors = system_factors(value)
            elif key == "Markups fiducial file version":
                factors = LPS
            elif key == "columns" and value.replace(" ", "").split(",")[1:4] != ["x", "y", "z"]:
                raise ValueError(f"its columns are {value}, not id,x,y,z")
        elif line.strip():
            cells = [cell.strip() for cell in next(csv.reader([line]))]
            placed = len(cells) < 15 or cells[14] == DEFINED
            labels.append(cells[11] if len(cells) > 11 and cells[11] else cells[0])
            points.append(position(cells[1:4]) * factors if placed else NOWHERE)
    return labels, points
