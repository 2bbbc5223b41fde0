"""Landmarks in a CSV file: its heading says which column is which coordinate."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

import numpy as np

from .coordinates import NOWHERE, SYSTEMS, UNITS_MM, position, system_factors, unit_factor
from .errors import Say

# letters of columns, and the coordinate system that they say
TRIPLES = {"xyz": set[str](), "ras": {"RAS"}, "lps": {"LPS"}}
VOXELS = "ijk"
KNOWN = {"defined", "selected", "visible", "locked", "description"}  # of Slicer's own export


def parse_csv(text: str, note: Say) -> tuple[list[str], list[np.ndarray]]:
    """Labels and LPS mm of each row; NaN for a point without a position.

    Without a heading the columns are label,x,y,z in LPS mm. A heading may have them in another
    order, r,a,s or l,p,s in place of x,y,z, and a system or unit after a letter: "x_ras", "x (cm)".

    Raises:
        ValueError: a heading without coordinates in mm, a row that does not fit it, or, without
            a heading, coordinates where the labels should be.
    """
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""))]
    rows = [row for row in rows if any(row)]
    heading = None
    while rows and heading is None and (_is_remark(rows[0]) or _is_heading(rows[0])):
        row = rows.pop(0)
        cells = [row[0].lstrip("# "), *row[1:]]
        if not _is_remark(row) or _triples(_axes(cells)):  # numpy writes headings as remarks
            heading = _Heading(cells, note)
    remarks = [row[0] for row in rows if _is_remark(row) and any(map(_is_number, row[1:]))]
    if remarks:
        note(f"has rows that begin with # and are left out as remarks: {', '.join(remarks)}")
    rows = [row for row in rows if not _is_remark(row)]
    for row in rows:
        if len(row) != (heading.width if heading else 4):
            raise ValueError(
                f"the row {_quoted(row)} does not have "
                + (
                    f"the columns of its heading {heading}"
                    if heading
                    else "the four columns label,x,y,z"
                )
            )
    if heading is None:
        if any(_is_number(row[0]) and not row[0].isdecimal() for row in rows):
            raise ValueError(
                f"it has no heading, and the row {_quoted(rows[0])} begins with a number that is "
                "no name; write a heading such as label,x,y,z or x,y,z,label"
            )
        return [row[0] for row in rows], [position(row[1:]) for row in rows]
    return (
        [heading.label(row, number) for number, row in enumerate(rows, 1)],
        [heading.position(row) for row in rows],
    )


class _Heading:
    """What the columns are.

    Raises:
        ValueError: they do not say where the three coordinates are, or in which system.
    """

    def __init__(self, cells: list[str], note: Say) -> None:
        self.text, self.width = _quoted(cells), len(cells)
        axes = _axes(cells)
        letters = self._letters(axes)
        self.columns = [axes[letter].column for letter in letters]
        words = {word for letter in letters for word in axes[letter].words}
        systems = {word.upper() for word in words if word.upper() in SYSTEMS}
        systems |= TRIPLES[letters]
        units = words & set(UNITS_MM) or {"mm"}
        if len(systems) > 1 or len(units) > 1:
            raise ValueError(f"its heading {self} contradicts itself")
        self.factors = system_factors((systems or {"LPS"}).pop()) * unit_factor(units.pop(), note)
        others = {c: cells[c].lower() for c in range(len(cells)) if c not in self.columns}
        self.defined = next((c for c in others if others[c] == "defined"), None)
        self.name = next(
            (c for c in others if others[c] in ("label", "name")),
            next((c for c in others if others[c] not in KNOWN), None),
        )
        if self.name is None:
            note("has no column of names; its points are numbered in their order")
        unused = [cells[c] for c in others if c != self.name and others[c] not in KNOWN]
        if unused:
            note(f"has columns that are not used: {', '.join(unused)}")

    def __str__(self) -> str:
        return self.text

    def _letters(self, axes: dict[str, _Axis]) -> str:
        found = _triples(axes)
        usable = [letters for letters in found if letters in TRIPLES]
        if found == [VOXELS]:
            raise ValueError(f"its heading {self} gives voxel indices, not millimetres")
        if len(usable) != 1:
            raise ValueError(
                f"its heading {self} does not say which three columns are x,y,z, r,a,s or l,p,s"
            )
        if any(axes[letter].is_double for letter in usable[0]):
            raise ValueError(f"its heading {self} names a coordinate twice")
        return usable[0]

    def label(self, row: list[str], number: int) -> str:
        return str(number) if self.name is None else row[self.name]

    def position(self, row: list[str]) -> np.ndarray:
        if self.defined is not None and row[self.defined] == "0":
            return np.array(NOWHERE)
        return position(row[column] for column in self.columns) * self.factors


@dataclass
class _Axis:
    """A column that a letter heads, with further words of its cell, such as "ras" or "mm"."""

    column: int
    words: list[str]
    is_double: bool = False


def _axes(heading: list[str]) -> dict[str, _Axis]:
    axes: dict[str, _Axis] = {}
    for column, cell in enumerate(heading):
        letter, *words = re.findall(r"[^\W_]+", cell.lower()) or [""]
        if letter in set("".join(TRIPLES) + VOXELS) and all(
            word in UNITS_MM or word.upper() in SYSTEMS for word in words
        ):
            axes[letter] = _Axis(column, words, letter in axes)
    return axes


def _triples(axes: dict[str, _Axis]) -> list[str]:
    """Which of xyz, ras, lps and ijk have all their letters."""
    return [letters for letters in (*TRIPLES, VOXELS) if set(letters) <= set(axes)]


def _is_remark(row: list[str]) -> bool:
    return row[0].startswith("#")


def _is_heading(row: list[str]) -> bool:
    """Has the row words, and no number, beside its first cell?"""
    return any(row[1:]) and not any(map(_is_number, row[1:]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _quoted(cells: list[str]) -> str:
    return f"“{','.join(cells)}”"
