"""Rows of result.json as table nodes with titles and units."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import slicer
import vtk

from .frames import lps_to_ras

# key in result.json: (title, unit, what it says)
LABEL_COLUMNS = {
    "name": ("Structure", "", ""),
    "label": ("Label", "", "Number in the segmentation"),
    "u_p50_mm": ("Typical u", "mm", "Median uncertainty at the boundary"),
    "u_p95_mm": ("High u", "mm", "95th percentile of the uncertainty at the boundary"),
    "bound_mm": ("95 % bound", "mm", "Calibrated: 95 % of such places are within this distance; "
                 "of the high uncertainty at the boundary"),
    "worst_u_mm": ("Worst u", "mm", "Largest uncertainty in the structure"),
    "volume_ml": ("Volume", "mL", "Mean volume over the samples"),
    "volume_low_ml": ("Volume low", "mL", "Lower end of the 95 % interval of the volume"),
    "volume_high_ml": ("Volume high", "mL", "Upper end of the 95 % interval of the volume"),
    "volume_sd_ml": ("Volume SD", "mL", "Standard deviation of the volume over the samples"),
    "centroid_sd_mm": ("Centroid SD", "mm", "Spread of the centre over the samples"),
    "pairwise_dice": ("Agreement", "", "Mean Dice overlap between two samples"),
    "mean_entropy": ("Entropy", "nats", "Mean label entropy"),
    "dice_before": ("Dice before", "", "Overlap with the true structure of the images as they lie"),
    "dice": ("Dice", "", "Overlap with the true structure"),
    "ece": ("ECE", "", "Expected calibration error of the label probability"),
    "ause": ("AUSE", "", "Area under the sparsification error curve"),
    "voxels": ("Voxels", "", "Size in the fixed image"),
    "worst_voxel_lps": ("Worst at", "mm", "Where it is (R, A, S)"),
}
LANDMARK_COLUMNS = {
    "label": ("Landmark", "", ""),
    "u_mm": ("u", "mm", "Uncertainty: root of the trace of the covariance"),
    "bound_mm": ("95 % bound", "mm", "Calibrated: 95 % of such places are within this distance"),
    "tre_before_mm": ("TRE before", "mm", "Distance of the points of the images as they lie"),
    "tre_mm": ("TRE", "mm", "Distance of the registered from the true point"),
    "inside95": ("In 95 %", "", "Is the true point inside the ellipsoid"),
    "axes_mm": ("Ellipsoid", "mm", "Semi-axes of the 95 % ellipsoid, longest first"),
    "mean_lps": ("Mean", "mm", "Mean position in the fixed image (R, A, S)"),
    "mahalanobis": ("Mahalanobis", "",
                    "Distance of the mean from the true point in units of the uncertainty"),
}


def fill_table(node: slicer.vtkMRMLTableNode, rows: list[dict], columns: dict) -> None:
    """Replace the content of a table node by rows of result.json.

    Columns without a single value are left out; points become three columns in RAS mm.
    """
    blocked = node.StartModify()
    node.SetLocked(True)
    node.SetUseColumnTitleAsColumnHeader(True)
    node.RemoveAllColumns()
    for key, (title, unit, meaning) in columns.items():
        values = [row.get(key) for row in rows]
        if all(value is None for value in values):
            continue
        for suffix, part in _components(key, values):
            array = _array(part)
            array.SetName(key + suffix)
            node.AddColumn(array)
            heading = f"{title} {suffix[1:].upper()}".strip()
            node.SetColumnTitle(key + suffix, f"{heading} ({unit})" if unit else heading)
            node.SetColumnUnitLabel(key + suffix, unit)
            node.SetColumnDescription(key + suffix, meaning)
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
            writer.writerow(["" if isinstance(value, float) and math.isnan(value) else value
                             for value in values])


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
