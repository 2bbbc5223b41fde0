"""A dose seen through the samples, in the scene: filled, shown, saved and read again."""

import pytest

pytest.importorskip("slicer")

from support.fake_dose import write_fake_dose
from support.fake_result import write_fake_result
from UncertainRegLib.scene.bundle import read_bundle, write_bundle
from UncertainRegLib.scene.dose import show_histogram
from UncertainRegLib.scene.headless import HeadlessScene
from UncertainRegLib.scene.result import find_results, load_result


@pytest.fixture
def folder(tmp_path):
    folder = write_fake_result(tmp_path / "result")
    write_fake_dose(folder)
    return folder


def curve(scene, result, number: int) -> list[float]:
    """What a line of the chart shows."""
    series = scene.GetNodeByID(result.dose_chart.GetNthPlotSeriesNodeID(number))
    column = series.GetTableNode().GetTable().GetColumnByName(series.GetYColumnName())
    return [column.GetValue(row) for row in range(column.GetNumberOfTuples())]


def test_the_dose_comes_back_with_the_scene(folder, tmp_path):
    with HeadlessScene() as headless:
        load_result(folder, headless.scene)
        write_bundle(headless.scene, tmp_path / "scene.mrb")
    with HeadlessScene() as headless:
        read_bundle(tmp_path / "scene.mrb", headless.scene)
        (result,) = find_results(headless.scene)
        assert result.dose.side == "moving" and result.dose.limit_gy == 20
        assert result.dose_table.GetTable().GetColumnByName("mean_gy").GetValue(1) == 40
        assert {"dose_expected_gy", "dose_sd_gy"} < set(result.maps)
        assert curve(headless.scene, result, 0) == [100, 60, 20]


def test_the_chart_shows_the_structure_that_is_asked_for(folder):
    with HeadlessScene() as headless:
        result = load_result(folder, headless.scene)
        assert result.dose_chart.GetTitle() == "Dose-volume histogram: Shell"
        assert result.dose_chart.GetNumberOfPlotSeriesNodes() == 3
        show_histogram(headless.scene, result.run, "Core")
        assert result.dose_chart.GetTitle() == "Dose-volume histogram: Core"
        assert [curve(headless.scene, result, n)[1] for n in range(3)] == [60, 55, 65]


def test_a_result_without_a_dose_has_no_nodes_of_one(tmp_path):
    with HeadlessScene() as headless:
        result = load_result(write_fake_result(tmp_path / "result"), headless.scene)
        assert result.dose is None and result.dose_table is None and result.dose_chart is None
        assert show_histogram(headless.scene, result.run, "Core") is None
