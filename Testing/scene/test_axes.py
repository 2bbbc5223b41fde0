"""What is drawn on demand: ellipsoids in the slices, two colours for modes, logarithm, bound."""

import json

import numpy as np
import pytest

slicer = pytest.importorskip("slicer")
vtk = pytest.importorskip("vtk")

from support.fake_result import write_fake_result  # noqa: E402
from UncertainRegLib.geometry import Image  # noqa: E402
from UncertainRegLib.scene import axes, display, legend, log_colors, maps, worst  # noqa: E402
from UncertainRegLib.scene.frames import grid_of, lps_to_ras  # noqa: E402
from UncertainRegLib.scene.headless import HeadlessScene  # noqa: E402
from UncertainRegLib.scene.legend import legend_of  # noqa: E402
from UncertainRegLib.scene.probe import Probe  # noqa: E402
from UncertainRegLib.scene.result import find_results, load_result, update_result  # noqa: E402
from UncertainRegLib.scene.sweep import DIRECTIONS, add_difference  # noqa: E402
from UncertainRegLib.scene.transform import field_of  # noqa: E402

CALIBRATION = {
    "level": 0.95,
    "factor": 2.5,
    "refused": None,
    "warning": "",
    "warps": 4,
    "amplitude_mm": 2.0,
    "coverage_check": 0.94,
}


@pytest.fixture
def folder(tmp_path):
    return write_fake_result(tmp_path)


@pytest.fixture
def result(folder):
    with HeadlessScene() as headless:
        headless.fit_slices(200, 200)
        yield load_result(folder, headless.scene)


def _edit(folder, **entries) -> None:
    path = folder / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | entries), "utf-8")


def test_ellipsoids_of_the_samples_in_the_planes_of_the_views(result):
    point = worst.worst_point(result)
    display.jump_to(result.scene, point)
    node = axes.show_axes(result)
    assert axes.has_axes(result)
    mesh = slicer.util.arrayFromModelPoints(node)
    per_ellipsoid = 14 * 7 + 2  # points of the sphere
    centers = mesh.reshape(-1, per_ellipsoid, 3).mean(1)
    assert len(centers) > 20
    # every centre lies on one of the three planes, where the map says something
    distance = []
    for view in display.slice_nodes(result.scene):
        matrix = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())
        distance.append(np.abs((centers - matrix[:3, 3]) @ matrix[:3, 2]))
    assert np.min(distance, axis=0).max() < 0.3
    # and each is the 95 % ellipsoid that the read-out states there
    probe = Probe(result)
    for number in range(0, len(centers), 7):
        reading = probe.read(centers[number])
        assert reading.is_known
        found = mesh.reshape(-1, per_ellipsoid, 3)[number] - centers[number]
        reach = np.abs(found @ reading.directions[0]).max()
        assert reach == pytest.approx(reading.axes_mm[0], rel=0.15, abs=0.05)
    assert not node.GetDisplayNode().GetVisibility3D() and node.GetDisplayNode().GetVisibility2D()
    before = len(centers)
    display.jump_to(result.scene, point + [4.0, 4.0, 4.0])
    assert axes.show_axes(result) is node
    assert len(slicer.util.arrayFromModelPoints(node)) != before * per_ellipsoid
    axes.hide_axes(result)
    assert not axes.has_axes(result)


def test_axes_need_samples(result):
    result.sample_sequence = None
    with pytest.raises(ValueError, match="two samples"):
        axes.show_axes(result)
    del result.maps["uncertainty_mm"]
    with pytest.raises(ValueError, match="map of disagreement"):
        axes.show_axes(result)


def test_axes_need_a_slice_view(result):
    for view in display.slice_nodes(result.scene):
        result.scene.RemoveNode(view)
    with pytest.raises(ValueError, match="slice view"):
        axes.show_axes(result)
    assert not axes.has_axes(result)


def test_modes_differ_in_two_colours(result):
    direction = add_difference(result, 0, 3)
    result = find_results(result.scene)[0]
    node = result.maps["mode_difference_mm"]
    values = slicer.util.arrayFromVolume(node)
    shown = np.isfinite(values)
    a, b = (field_of(result.sample_sequence.GetNthDataNode(n)).vectors for n in (0, 3))
    np.testing.assert_allclose(
        np.abs(values[shown]), np.linalg.norm(a - b, axis=-1)[shown], rtol=1e-4
    )
    axis = ["left", "posterior", "superior"].index(direction)
    # where A's field is smaller along an axis, A puts the anatomy further along it
    np.testing.assert_array_equal(values[shown] > 0, (b - a)[shown][:, axis] > 0)
    assert 0 < shown.sum() < shown.size
    window = node.GetDisplayNode()
    assert window.GetWindowLevelMin() == -window.GetWindowLevelMax()
    assert window.GetColorNode().GetName() == "UncertainReg diverging"
    further = DIRECTIONS[direction][0]
    title = f"A and B apart (mm)\n+ A {further}\n- B {further}"
    assert legend_of(node).GetTitleText() == title
    assert f"A puts the anatomy {further}" in node.GetDescription()


def test_logarithm_changes_colours_and_not_values(result):
    node = result.maps["uncertainty_mm"]
    before = slicer.util.arrayFromVolume(node).copy()
    shown = node.GetDisplayNode()
    window, floor = log_colors.window(node), shown.GetLowerThreshold()
    log_colors.set_log(node, True)
    assert log_colors.is_log(node) and log_colors.window(node) == window
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), before)
    assert shown.GetLowerThreshold() == floor  # what is hidden stays hidden
    linear, table = np.zeros(4), np.zeros(4)
    shown.GetColorNode().GetColor(25, table)  # a tenth of the window: the middle of two decades
    log_colors.set_log(node, False)
    shown.GetColorNode().GetColor(129, linear)
    np.testing.assert_allclose(table, linear, atol=0.03)
    assert (shown.GetWindowLevelMin(), shown.GetWindowLevelMax()) == window
    assert shown.GetLowerThreshold() == floor and not log_colors.is_log(node)
    jacobian = result.maps["jacobian"]
    assert not log_colors.can_be_log(jacobian)
    log_colors.set_log(jacobian, True)
    assert not log_colors.is_log(jacobian)


def test_marks_of_a_logarithm_are_round_and_a_decade_apart(result):
    node = result.maps["uncertainty_mm"]
    node.GetDisplayNode().SetWindowLevelMinMax(0.0, 2.2)
    display.show_map(result, "uncertainty_mm")
    display.color_by_log(result, "uncertainty_mm", True)
    found = legend_of(node)
    scale = found.GetPrimaryDisplayNode()
    assert scale is not node.GetDisplayNode() and not scale.GetSaveWithScene()
    assert scale.GetWindowLevelMin() == pytest.approx(0.03) and scale.GetWindowLevelMax() == 3.0
    assert scale.GetColorNode().GetLookupTable().GetScale() == vtk.VTK_SCALE_LOG10
    assert (found.GetNumberOfLabels(), found.GetLabelFormat()) == (3, "%g")  # 0.03, 0.3, 3
    ellipsoids = result.ellipsoids.GetDisplayNode()
    assert ellipsoids.GetScalarRange() == (0.0, 3.0)
    assert ellipsoids.GetColorNodeID() == node.GetDisplayNode().GetColorNodeID()
    display.color_by_log(result, "uncertainty_mm", False)
    assert found.GetPrimaryDisplayNode() is node.GetDisplayNode()
    assert found.GetNumberOfLabels() == 5 and node.GetNumberOfDisplayNodes() == 2


def test_the_window_follows_the_values_also_under_a_logarithm(result):
    node = result.maps["uncertainty_mm"]
    grid = grid_of(node)
    log_colors.set_log(node, True)
    maps.set_values(node, Image(np.full(grid.shape, 7.0, "f4"), grid), "uncertainty_mm", "mm")
    assert log_colors.window(node) == (0.0, 7.0)
    assert node.GetDisplayNode().GetWindowLevelMax() == 10.0
    node.GetDisplayNode().SetWindowLevelMinMax(0.0, 4.0)  # by the user
    maps.set_values(node, Image(np.full(grid.shape, 9.0, "f4"), grid), "uncertainty_mm", "mm")
    log_colors.set_log(node, False)
    assert node.GetDisplayNode().GetWindowLevelMax() == 4.0


@pytest.mark.parametrize("high", [0.3, 0.05, 1.3, 5.3, 41.0])
def test_the_numbers_of_a_legend_differ(result, high):
    node = result.maps["uncertainty_mm"]
    node.GetDisplayNode().SetWindowLevelMinMax(0.0, high)
    display.show_map(result, "uncertainty_mm")
    found = legend_of(node)
    marks = np.linspace(0.0, high, found.GetNumberOfLabels())
    assert len({found.GetLabelFormat() % mark for mark in marks}) == len(marks)


def test_a_legend_is_in_one_view_of_the_users_choice(result):
    display.show_map(result, "uncertainty_mm")
    places = {node.GetLayoutName(): node.GetID() for node in display.slice_nodes(result.scene)}
    found = legend_of(result.maps["uncertainty_mm"])
    assert list(found.GetViewNodeIDs()) == [places["Red"]]
    legend.put_legend_in(result.scene, "Green")
    assert list(found.GetViewNodeIDs()) == [places["Green"]]
    display.show_map(result, "expected_error_mm")  # also those of other maps
    assert list(legend_of(result.maps["expected_error_mm"]).GetViewNodeIDs()) == [places["Green"]]
    views = {view.GetLayoutName(): view for view in display.slice_views(result.scene)}
    views["Green"].SetForegroundVolumeID(None)  # where its map is not, it is of no use
    legend.refresh_legends(result.scene)
    found = legend_of(result.maps["expected_error_mm"])
    assert found.GetVisibility() and list(found.GetViewNodeIDs()) == [places["Red"]]
    for text in (found.GetTitleTextProperty(), found.GetLabelTextProperty()):
        assert text.GetBackgroundOpacity() > 0.5 and text.GetFontSize() <= 12


def _titles(result) -> list[list[str]]:
    """Lines of the legends of the two maps, as far as they are there."""
    return [
        legend_of(result.maps[name]).GetTitleText().splitlines()
        for name in ("expected_error_mm", "uncertainty_mm")
        if name in result.maps
    ]


def _column(table, name: str) -> list:
    column = table.GetTable().GetColumnByName(name)
    return [column.GetValue(row) for row in range(table.GetTable().GetNumberOfRows())]


def test_the_bound_is_that_of_the_expected_error(result, folder):
    record = json.loads((folder / "result.json").read_text("utf-8"))
    point = lps_to_ras(np.array(record["labels"][0]["worst_voxel_lps"]))
    reading = Probe(result).read(point)
    assert reading.bound_mm == pytest.approx(2.0 * reading.values["expected_error_mm"])
    assert _titles(result) == [
        ["Expected error (mm)", "95 % bound: 2.0 x value"],
        ["Disagreement (mm)"],
    ]
    structures, landmarks = result.label_table, result.landmark_table
    assert _column(structures, "bound_mm") == pytest.approx([2.5 * 1.8, 2.5 * 1.2])
    assert _column(structures, "volume_from_ml") == pytest.approx([8 - 2.304, 3 - 1.536])
    assert structures.GetColumnIndex("volume_low_ml") < 0, "one interval, not two"
    assert _column(landmarks, "bound_mm") == pytest.approx([3.0, 2.2])
    assert _column(landmarks, "within_bound") == ["yes", ""]
    first = [structures.GetColumnName(c) for c in range(4)]
    assert first[0] == "name" and first[2:] == ["expected_mm", "bound_mm"]

    _edit(folder, calibration=CALIBRATION | {"wider": 1.2, "expected_within": 0.91})
    result = update_result(result, folder)
    assert Probe(result).read(point).bound_mm == pytest.approx(1.2 * reading.bound_mm)
    assert _titles(result)[0][1] == "95 % bound: 2.4 x value"
    assert _column(structures, "volume_to_ml") == pytest.approx([8 + 1.2 * 2.304, 3 + 1.2 * 1.536])

    _edit(folder, calibration=CALIBRATION | {"factor": None, "refused": "It does not follow."})
    result = update_result(result, folder)
    assert np.isnan(Probe(result).read(point).bound_mm)
    assert _titles(result) == [["Expected error (mm)"], ["Disagreement (mm)"]]
    assert structures.GetColumnIndex("bound_mm") < 0 and landmarks.GetColumnIndex("bound_mm") < 0
    assert _column(structures, "volume_low_ml") == [7.2, 2.6]
    assert structures.GetColumnIndex("volume_from_ml") < 0
    assert landmarks.GetColumnIndex("within_bound") < 0


def test_without_an_expected_error_the_bound_is_stated_where_it_was_calibrated(tmp_path):
    folder = write_fake_result(tmp_path / "older", expected=False)
    with HeadlessScene() as headless:
        _check_the_bound_of_the_disagreement(load_result(folder, headless.scene), folder)


def _check_the_bound_of_the_disagreement(result, folder) -> None:
    record = json.loads((folder / "result.json").read_text("utf-8"))
    point = lps_to_ras(np.array(record["labels"][0]["worst_voxel_lps"]))
    assert np.isnan(Probe(result).read(point).bound_mm)
    assert result.label_table.GetColumnIndex("bound_mm") < 0
    _edit(folder, calibration=CALIBRATION)
    result = update_result(result, folder)
    reading = Probe(result).read(point)
    assert reading.bound_mm == pytest.approx(2.5 * reading.values["uncertainty_mm"])
    assert _column(result.label_table, "bound_mm") == pytest.approx([2.5 * 3.5, 2.5 * 3.1])
    assert _column(result.label_table, "volume_low_ml") == [7.2, 2.6]
    assert _column(result.landmark_table, "bound_mm")[0] == pytest.approx(2.5 * 2.29)
    assert _titles(result) == [["Disagreement (mm)", "95 % bound: 2.5 x value"]]
    _edit(folder, calibration=CALIBRATION | {"factor": None, "refused": "It does not follow."})
    result = update_result(result, folder)
    assert np.isnan(Probe(result).read(point).bound_mm)
    assert result.label_table.GetColumnIndex("bound_mm") < 0
    assert _titles(result) == [["Disagreement (mm)"]]


def test_verdict_and_oracle_survive_in_the_scene(result, folder):
    _edit(folder, oracle_sample=2, competence={"followed": {"1.0": 0.9}, "warnings": []})
    update_result(result, folder)
    found = find_results(result.scene)[0]
    assert found.oracle_sample == 2 and found.competence.followed == {"1.0": 0.9}
    assert found.sampling.finished == 6 and not found.sampling.files
