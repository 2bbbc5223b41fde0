"""Rows of result.json as table nodes with titles and units."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import slicer
import vtk

from ..results.columns import Column, heading
from .frames import lps_to_ras


def fill_table(node: slicer.vtkMRMLTableNode, rows: list[dict], columns: dict[str, Column]) -> None:
    """Replace the content of a table node by rows of result.json.

    Columns without a single value are left out; points become three columns in RAS mm.
    """
    blocked = node.StartModify()
    node.SetLocked(True)
    node.SetUseColumnTitleAsColumnHeader(True)
    node.RemoveAllColumns()
    for key, column in columns.items():
        values = [row.get(key) for row in rows]
        if all(value is None for value in values):
            continue
        for suffix, part in _components(key, values):
            array = _array(part)
            array.SetName(key + suffix)
            node.AddColumn(array)
            title = f"{column.title} {suffix[1:].upper()}".strip()
            node.SetColumnTitle(key + suffix, heading(title, column.unit))
            node.SetColumnUnitLabel(key + suffix, column.unit)
            node.SetColumnDescription(key + suffix, column.meaning)
    node.EndModify(blocked)


def write_csv(node: slicer.vtkMRMLTableNode, path: str | Path) -> None:
    """Write a table node with its titles (units included) as CSV, or as TSV where ``path`` ends in
    .tsv; missing values are empty.

    Raises:
        OSError: the file cannot be written.
    """
    table = node.GetTable()
    columns = [table.GetColumn(c) for c in range(table.GetNumberOfColumns())]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, "excel-tab" if str(path).endswith(".tsv") else "excel")
        writer.writerow([node.GetColumnTitle(c.GetName()) or c.GetName() for c in columns])
        for row in range(table.GetNumberOfRows()):
            values = [column.GetValue(row) for column in columns]
            writer.writerow(
                [
                    "" if isinstance(value, float) and math.isnan(value) else value
                    for value in values
                ]
            )


def _components(key: str, values: list) -> list[tuple[str, list]]:
    """One column for numbers and words, three for vectors: (suffix of the name, values)."""
    if not any(isinstance(value, (list, tuple)) for value in values):
        return [("", values)]
    rows = [[math.nan] * 3 if value is None else value for value in values]
    suffixes = ("_1", "_2", "_3")
    if key.endswith("_lps"):
        rows, suffixes = lps_to_ras(rows), ("_r", "_a", "_s")
    return [(suffix, [float(row[c]) for row in rows]) for c, suffix in enumerate(suffixes)]


def _array(values: list) -> vtk.vtkAbstractArray:
    """Words as strings (missing: empty), whole numbers as int, others as double (missing: NaN)."""
    if any(isinstance(value, (str, bool)) for value in values):
        words = {True: "yes", False: "no", None: ""}
        array, values = vtk.vtkStringArray(), [words.get(value, value) for value in values]
    elif all(isinstance(value, int) for value in values):
        array = vtk.vtkIntArray()
    else:
        array = vtk.vtkDoubleArray()
        values = [math.nan if value is None else float(value) for value in values]
    for value in values:
        array.InsertNextValue(value)
    return array
