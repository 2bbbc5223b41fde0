"""A dose seen through the samples, as nodes: the table, and the dose-volume histogram of a structure.

All of it is read from what ``evaluate dose`` wrote. Its maps are maps like the others.
"""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path

import slicer

from ..results.columns import DOSE, Column
from ..results.reader import ResultFolder
from . import nodes
from .steps import Steps
from .tables import fill_table

TABLE, HISTOGRAMS, CHART = "dose_table", "dose_histograms", "dose_chart"
TITLE = "Dose-volume histogram"
# column of the file: (what it is, colour, is it dashed)
LINES = {
    "registered_percent": ("registration", (0.12, 0.38, 0.71), False),
    "low_percent": ("5 % of the samples", (0.5, 0.5, 0.5), True),
    "high_percent": ("95 % of the samples", (0.5, 0.5, 0.5), True),
}


def fill_dose(scene: slicer.vtkMRMLScene, run: str, source: ResultFolder) -> Steps[dict[str, str]]:
    """Bring table and histograms of a run up to date, where a dose was seen; returns what all nodes
    of the run remember: the entry without its rows."""
    dose = source.record.dose
    if dose is None:
        return {"Dose": "null"}
    table, _ = nodes.find_or_add(scene, run, TABLE, "vtkMRMLTableNode", "Dose")
    fill_table(table, dose.rows, DOSE)
    path = source.file(dose.curves)
    if path is not None:
        histograms = yield from nodes.fill(
            scene,
            run,
            HISTOGRAMS,
            "vtkMRMLTableNode",
            "Dose-volume histograms",
            path,
            _read,
            _set,
            source.warnings,
        )
        if histograms is not None and dose.rows:
            _add_chart(scene, run, histograms)
            show_histogram(scene, run, dose.rows[0]["name"])
    return {"Dose": json.dumps(asdict(replace(dose, rows=[])))}


def show_histogram(
    scene: slicer.vtkMRMLScene, run: str, structure: str
) -> slicer.vtkMRMLPlotChartNode | None:
    """Let the chart of a run show a structure; None where there is no chart."""
    chart = nodes.find(scene, run, CHART)
    if chart is not None:
        for column in LINES:
            series = nodes.find(scene, run, f"dose_series:{column}")
            if series is not None:
                series.SetYColumnName(f"{structure}: {column}")
        chart.SetTitle(f"{TITLE}: {structure}")
    return chart


def _add_chart(scene: slicer.vtkMRMLScene, run: str, table: slicer.vtkMRMLTableNode) -> None:
    chart, is_new = nodes.find_or_add(scene, run, CHART, "vtkMRMLPlotChartNode", TITLE)
    for column, (legend, color, is_dashed) in LINES.items():
        series, _ = nodes.find_or_add(
            scene, run, f"dose_series:{column}", "vtkMRMLPlotSeriesNode", legend
        )
        series.SetPlotType(series.PlotTypeScatter)
        series.SetMarkerStyle(series.MarkerStyleNone)
        series.SetLineStyle(series.LineStyleDash if is_dashed else series.LineStyleSolid)
        series.SetColor(*color)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName("dose_gy")
        if not chart.HasPlotSeriesNodeID(series.GetID()):
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
    if is_new:
        chart.SetLegendVisibility(False)  # Slicer draws it over the curves
        chart.SetXAxisTitle(
            "Dose (Gy)\nblue line: registration, grey dashes: 5 and 95 % of samples"
        )
        chart.SetYAxisTitle("Volume that receives it or more (%)")


def _read(path: Path) -> list[dict]:
    """One row a dose, with the curves of all structures side by side.

    Raises:
        ValueError: the file holds no curves.
    """
    rows: dict[float, dict] = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            one = rows.setdefault(float(row["dose_gy"]), {"dose_gy": float(row["dose_gy"])})
            one |= {f"{row['structure']}: {name}": float(row[name]) for name in LINES}
    if not rows:
        raise ValueError("it holds no curves")
    return list(rows.values())


def _set(node: slicer.vtkMRMLTableNode, rows: list[dict]) -> None:
    fill_table(node, rows, {name: Column(name) for name in rows[0]})
