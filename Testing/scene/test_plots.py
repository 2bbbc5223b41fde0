"""Validation numbers and curves as nodes; they are saved with the scene."""

from __future__ import annotations

import pytest

slicer = pytest.importorskip("slicer")

from support.fake_result import write_fake_result  # noqa: E402
from support.fake_validation import CURVE, FACTOR, write_fake_calibration, write_fake_validation  # noqa: E402
from UncertainRegLib.scene import nodes, plots  # noqa: E402
from UncertainRegLib.scene.bundle import read_bundle, write_bundle  # noqa: E402
from UncertainRegLib.scene.headless import HeadlessScene  # noqa: E402
from UncertainRegLib.scene.result import find_results, load_result, update_result  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    made = write_fake_result(tmp_path / "result")
    write_fake_validation(made)
    write_fake_calibration(made)
    return made


def values(table) -> dict[str, float]:
    columns = [table.GetTable().GetColumnByName(name) for name in ("measure", "value")]
    return {
        columns[0].GetValue(row): columns[1].GetValue(row) for row in range(table.GetNumberOfRows())
    }


def curve(chart, number: int) -> tuple[str, list[tuple[float, float]]]:
    """Legend and points of a series as the chart draws them."""
    series = chart.GetNthPlotSeriesNode(number)
    table = series.GetTableNode().GetTable()
    x, y = (
        table.GetColumnByName(name) for name in (series.GetXColumnName(), series.GetYColumnName())
    )
    return series.GetName(), [
        (x.GetValue(row), y.GetValue(row)) for row in range(table.GetNumberOfRows())
    ]


def check(result) -> None:
    found = values(result.validation_table)
    assert found["Dice"] == 0.75 and found["TRE, mean"] == 1.5
    assert found["Mislabelled"] == pytest.approx(22) and found["ECE, segmentation alone"] == 0.22
    assert "Within the stated bound" not in found  # not known
    charts = plots.charts(result.scene, result.run)
    assert set(charts) == set(CURVE)
    chart = charts["landmarks_risk_coverage"]
    assert chart.GetYAxisTitle() == "Mean TRE of those kept (mm)"
    assert not chart.GetLegendVisibility()  # it would lie on the curves
    assert chart.GetXAxisTitle().splitlines()[1] == (
        "blue line: sorted by disagreement, grey dashes: sorted by the error itself"
    )
    assert curve(chart, 0) == ("sorted by disagreement", [(0.5, 1.0), (1.0, 2.0)])
    assert curve(chart, 1) == ("sorted by the error itself", [(0.5, 0.5), (1.0, 2.0)])
    assert curve(charts["reliability"], 0) == ("observed", [(0.9, 0.8)])  # no empty bin
    assert curve(charts["reliability"], 1) == ("perfect", [(0.9, 0.9)])
    assert result.calibration.factor == FACTOR


def test_numbers_and_curves_become_nodes_and_survive_saving(folder, tmp_path):
    with HeadlessScene() as headless:
        result = load_result(folder, headless.scene)
        assert result.warnings == [] and result.folder == str(folder)
        check(result)
        write_bundle(headless.scene, tmp_path / "scene.mrb")
    with HeadlessScene() as headless:
        read_bundle(tmp_path / "scene.mrb", headless.scene)
        (result,) = find_results(headless.scene)
        check(result)
        before = headless.scene.GetNumberOfNodes()
        check(update_result(result, folder))
        assert headless.scene.GetNumberOfNodes() == before


def test_a_validation_that_comes_later_is_added_and_refreshed(tmp_path):
    folder = write_fake_result(tmp_path / "result")
    with HeadlessScene() as headless:
        result = load_result(folder, headless.scene)
        assert result.validation_table is None and result.calibration is None
        assert plots.charts(headless.scene, result.run) == {}
        write_fake_validation(folder)
        file = folder / "validation" / "ellipsoids.csv"
        file.write_text("nominal,observed\nnan,nan\n", "utf-8")
        result = update_result(result, folder)
        assert len(result.warnings) == 1 and "ellipsoids.csv" in result.warnings[0]
        assert "ellipsoids" not in plots.charts(headless.scene, result.run)
        file.write_text("nominal,observed\n0.5,0.4\n", "utf-8")
        result = update_result(result, folder)
        chart = plots.charts(headless.scene, result.run)["ellipsoids"]
        assert curve(chart, 0) == ("observed", [(0.5, 0.4)])
        assert nodes.find(headless.scene, result.run, plots.TABLE) is result.validation_table


def test_a_chart_is_shown_beside_the_slices_and_the_layout_given_back(folder):
    with HeadlessScene() as headless:
        scene = headless.scene
        result = load_result(folder, scene)
        chart = plots.charts(scene, result.run)["reliability"]
        assert plots.show_chart(scene, chart) is None  # no layout here, but it is selected
        layout = scene.AddNewNodeByClass("vtkMRMLLayoutNode")
        layout.SetViewArrangement(layout.SlicerLayoutFourUpView)
        view = scene.AddNewNodeByClass("vtkMRMLPlotViewNode")
        before = plots.show_chart(scene, chart)
        assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpPlotView
        assert view.GetPlotChartNodeID() == chart.GetID()
        plots.restore_layout(scene, before)
        assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView
