"""The validation of a result as nodes: a table of numbers, and its curves as plots.

All of it is read from what ``evaluate result`` wrote (``result.json`` and CSV files beside it);
nothing is computed here. Tables, series and charts are saved with the scene.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

import slicer

from ..results.columns import MEASURES, Column
from ..results.reader import ResultFolder
from ..results.validation import Validation
from . import nodes
from .slices import nodes_of_class
from .steps import Steps
from .tables import fill_table

TABLE = "validation_table"
CHART = "plot:"  # start of the role of a chart; the name of its curve follows
# curve: title, titles of the axes, column of x, {column of y: legend}
CURVES = {
    "landmarks_risk_coverage": (
        "Landmarks: risk and coverage",
        "Fraction of landmarks kept, most certain first",
        "Mean TRE of those kept (mm)",
        "coverage",
        {"risk": "sorted by disagreement", "oracle": "sorted by the error itself"},
    ),
    "landmarks_sparsification": (
        "Landmarks: sparsification",
        "Fraction of landmarks removed, most uncertain first",
        "Mean TRE of the rest (mm)",
        "removed",
        {"remaining_error": "sorted by disagreement", "oracle": "sorted by the error itself"},
    ),
    "ellipsoids": (
        "Landmarks: ellipsoids",
        "Nominal content of the ellipsoid",
        "Fraction of true points inside",
        "nominal",
        {"observed": "observed", "nominal": "perfect"},
    ),
    "labels_risk_coverage": (
        "Labels: risk and coverage",
        "Fraction of boundary voxels kept, most certain first",
        "Mislabelled fraction of those kept",
        "coverage",
        {"risk": "sorted by label entropy", "oracle": "sorted by the error itself"},
    ),
    "labels_sparsification": (
        "Labels: sparsification",
        "Fraction of boundary voxels removed, most uncertain first",
        "Mislabelled fraction of the rest",
        "removed",
        {"remaining_error": "sorted by label entropy", "oracle": "sorted by the error itself"},
    ),
    "reliability": (
        "Labels: reliability",
        "Probability of the most probable label",
        "Fraction of voxels where it is true",
        "confidence",
        {"accuracy": "observed", "confidence": "perfect"},
    ),
}
_LINES = ("blue line", "grey dashes")
_COLORS = ((0.12, 0.38, 0.71), (0.5, 0.5, 0.5))  # what was found, what would be perfect


def fill_validation(scene: slicer.vtkMRMLScene, run: str, source: ResultFolder) -> Steps[None]:
    """Bring the numbers and plots of a run up to date, one plot a step; nothing happens without a
    validation."""
    entry = source.record.validation
    if not entry:
        return
    table, _ = nodes.find_or_add(scene, run, TABLE, "vtkMRMLTableNode", "Validation")
    fill_table(table, measures(entry), MEASURES)
    for name in entry.curves:
        path = source.file(name)
        if path is not None and path.stem in CURVES:
            yield from _fill_chart(scene, run, path, source.warnings)


def measures(entry: Validation) -> list[dict]:
    """Rows of the table from the "validation" entry of ``result.json``."""
    rows = []

    def add(measure: str, value: float | None, unit: str, meaning: str) -> None:
        if value is not None:
            value = 100 * value if unit == "%" else value
            rows.append({"measure": measure, "value": value, "unit": unit, "meaning": meaning})

    if entry.labels:
        found, maps = entry.labels, entry.labels.maps
        add("Dice", found.dice, "", "mean over the structures, of the registered segmentation")
        add("Mislabelled", found.mislabelled, "%", "of the voxels near a true boundary")
        for name, title in (
            ("label entropy", "label entropy"),
            ("u", "disagreement"),
            ("blur 2 mm", "constant blur"),
        ):
            add(
                f"AUROC, {title}",
                maps[name].auroc,
                "",
                "finds mislabelled voxels near a boundary: 0.5 is chance, 1 perfect",
            )
        for name, title in (
            ("label entropy", "label probabilities"),
            ("label entropy, broadened", "broadened by the calibration"),
            ("one-hot", "segmentation alone"),
        ):
            if name in maps:
                add(
                    f"ECE, {title}",
                    maps[name].ece,
                    "",
                    "gap between probability and truth near a boundary: 0 is perfect",
                )
    if entry.landmarks:
        found = entry.landmarks
        add("Landmarks", found.count, "points", "with a true position")
        add(
            "TRE, mean",
            found.tre_mean_mm,
            "mm",
            "distance to the true position, in the fixed space",
        )
        add("TRE, median", found.tre_median_mm, "mm", "half of the landmarks are nearer")
        add("TRE, 95th percentile", found.tre_p95_mm, "mm", "95 % of the landmarks are nearer")
        add(
            "In the samples' ellipsoid",
            found.inside95,
            "%",
            "a further sample would be in 95 % of cases: less means that the samples differ too little",
        )
        add("Within the stated bound", found.bound_coverage, "%", "the bound is meant for 95 %")
        add("Spearman", found.spearman, "", "rank correlation of disagreement and TRE")
        add("Normalised AURC", found.naurc, "", "0: sorts like the error itself, 1: like chance")
    return rows


def charts(scene: slicer.vtkMRMLScene, run: str) -> dict[str, slicer.vtkMRMLPlotChartNode]:
    """The charts of a run by the name of their curve, in the order of CURVES."""
    found = {
        node.GetAttribute(nodes.ROLE).removeprefix(CHART): node
        for node in nodes.of_run(scene, run)
        if node.GetAttribute(nodes.ROLE).startswith(CHART)
    }
    return {name: found[name] for name in CURVES if name in found}


def show_chart(scene: slicer.vtkMRMLScene, chart: slicer.vtkMRMLPlotChartNode) -> int | None:
    """Show a chart, in a layout like the present one with a plot view.

    Returns:
        The layout before, for ``restore_layout``; None outside the application.
    """
    layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    before = None
    if layout is not None:
        before = layout.GetViewArrangement()
        layout.SetViewArrangement(slicer.vtkSlicerPlotsLogic.GetLayoutWithPlot(before))
    # After the layout, which makes the view.
    scene.GetFirstNodeByClass("vtkMRMLSelectionNode").SetActivePlotChartID(chart.GetID())
    for view in nodes_of_class(scene, "vtkMRMLPlotViewNode"):
        view.SetPlotChartNodeID(chart.GetID())
    return before


def restore_layout(scene: slicer.vtkMRMLScene, before: int | None) -> None:
    """Give the views back the layout that ``show_chart`` found."""
    layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    if layout is not None and before is not None:
        layout.SetViewArrangement(before)


def _fill_chart(
    scene: slicer.vtkMRMLScene, run: str, path: Path, warnings: list[str]
) -> Steps[None]:
    """A curve as a table, one series a column, and a chart; made once, then refilled."""
    name = path.stem
    title, x_title, y_title, x, legends = CURVES[name]
    table = yield from nodes.fill(
        scene,
        run,
        f"curve:{name}",
        "vtkMRMLTableNode",
        title,
        path,
        _read_curve,
        _set_curve,
        warnings,
    )
    if table is None:
        return
    chart, is_new = nodes.find_or_add(scene, run, CHART + name, "vtkMRMLPlotChartNode", title)
    for number, (column, legend) in enumerate(legends.items()):
        series, made = nodes.find_or_add(
            scene, run, f"series:{name}:{column}", "vtkMRMLPlotSeriesNode", legend
        )
        if made:
            series.SetName(legend)  # the legend shows it: it need not be unique
            series.SetPlotType(series.PlotTypeScatter)
            series.SetMarkerStyle(series.MarkerStyleNone)
            series.SetLineStyle(series.LineStyleDash if number else series.LineStyleSolid)
            series.SetColor(*_COLORS[number])
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName(x)
        series.SetYColumnName(column)
        if not chart.HasPlotSeriesNodeID(series.GetID()):
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
    if is_new:
        chart.SetTitle(title)
        # Slicer draws its legend over the curves.
        chart.SetLegendVisibility(False)
        words = [f"{line}: {legend}" for line, legend in zip(_LINES, legends.values())]
        chart.SetXAxisTitle(f"{x_title}\n{', '.join(words)}")
        chart.SetYAxisTitle(y_title)


def _read_curve(path: Path) -> list[dict[str, float]]:
    """The rows of a CSV file of numbers; empty bins (not a number) are left out.

    Raises:
        ValueError: the file holds no numbers.
    """
    with open(path, newline="", encoding="utf-8") as stream:
        rows = [
            {name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)
        ]
    rows = [row for row in rows if all(map(math.isfinite, row.values()))]
    if not rows:
        raise ValueError("it holds no numbers")
    return rows


def _set_curve(node: slicer.vtkMRMLTableNode, rows: list[dict[str, float]]) -> None:
    fill_table(node, rows, {name: Column(name.replace("_", " ")) for name in rows[0]})
