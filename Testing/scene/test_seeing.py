"""What helps to see: worst places, grey where unsure, outlines, growth, two images in one."""

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="needs the slicer-core wheel")

from support.fake_result import SAMPLES, oblique_direction, write_fake_result  # noqa: E402
from UncertainRegLib.palette import SEQUENTIAL, SIGNED, colors  # noqa: E402
from UncertainRegLib.scene import display, legend, log_colors, nodes  # noqa: E402
from UncertainRegLib.scene.bundle import read_bundle, write_bundle  # noqa: E402
from UncertainRegLib.scene.colors import color_table, display_of, table_name  # noqa: E402
from UncertainRegLib.scene.growth import STEPS, add_growth  # noqa: E402
from UncertainRegLib.scene.headless import HeadlessScene  # noqa: E402
from UncertainRegLib.scene.mixed import Mixer  # noqa: E402
from UncertainRegLib.scene.outlines import has_outlines, hide_outlines, outlining  # noqa: E402
from UncertainRegLib.scene.removal import remove_result  # noqa: E402
from UncertainRegLib.scene.result import find_results, load_result  # noqa: E402
from UncertainRegLib.scene.samples import sample_weights  # noqa: E402
from UncertainRegLib.scene.slices import SHOWS  # noqa: E402
from UncertainRegLib.scene.steps import finished  # noqa: E402
from UncertainRegLib.scene.suppressed import can_be_grey, suppressed  # noqa: E402
from UncertainRegLib.scene.worst import APART, MOST, worst_places  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_fake_result(tmp_path_factory.mktemp("result"))


@pytest.fixture
def result(folder):
    with HeadlessScene() as headless:
        yield load_result(folder, headless.scene)


def mixed(result, kind: str, share: float = 0.5):
    return Mixer(result).fill(result, kind, share)


def to_ras(node) -> np.ndarray:
    matrix = slicer.vtkMRMLSliceNode().GetSliceToRAS()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def test_worst_places_are_peaks_in_order_and_no_neighbours(result):
    node = result.maps["expected_error_mm"]
    values = slicer.util.arrayFromVolume(node)
    values[:] = 0.1
    values[10, 14, 12], values[10, 14, 13] = 5.0, 4.9  # one place
    values[4, 5, 6], values[15, 20, 18] = 4.0, 4.5
    values[2:4, 2:4, 2:4] = np.nan
    matrix = to_ras(node)
    expected = [(matrix @ [*ijk, 1.0])[:3] for ijk in ((12, 14, 10), (18, 20, 15), (6, 5, 4))]
    found = worst_places(result)
    np.testing.assert_allclose(found[:3], expected, atol=1e-3)
    assert 3 < len(found) <= MOST
    size = np.linalg.norm(matrix[:3, :3] @ values.shape[::-1])
    apart = np.linalg.norm(np.subtract.outer(found, found)[:, range(3), :, range(3)], axis=0)
    assert apart[~np.eye(len(found), dtype=bool)].min() > APART * size
    for node in result.maps.values():
        slicer.util.arrayFromVolume(node)[:] = np.nan
    assert worst_places(result) == []


def test_the_volume_change_is_in_percent_and_the_displacement_in_mm(result, folder):
    import SimpleITK as sitk

    node = result.maps["jacobian"]
    ratio = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "maps" / "jacobian.nrrd")))
    shown = slicer.util.arrayFromVolume(node)
    known = np.isfinite(shown)
    np.testing.assert_allclose(shown[known], 100 * (ratio[known] - 1), atol=1e-3)
    assert node.GetAttribute("UncertainReg.Unit") == "%" and node.GetName().endswith("(%)")
    assert display_of(node).GetWindowLevelMax() == 100.0


def test_a_map_turns_grey_where_the_samples_disagree(result):
    values = slicer.util.arrayFromVolume(result.maps["jacobian"])
    unsure = slicer.util.arrayFromVolume(result.maps["uncertainty_mm"])
    end = log_colors.window(result.maps["uncertainty_mm"])[1]
    values[:], unsure[:] = 60.0, 0.0
    values[0, 0, 1], unsure[0, 0, 2], unsure[0, 0, 3] = np.nan, 0.6 * end, 2 * end
    values[0, 0, 4], unsure[0, 0, 4] = -60.0, 2 * end
    assert can_be_grey(result, "jacobian") and not can_be_grey(result, "uncertainty_mm")
    node = suppressed(result, "jacobian")
    index = slicer.util.arrayFromVolume(node)[0, 0, :5]
    table = color_table(result.scene, "diverging grey").GetLookupTable()
    rows = np.array([np.multiply(table.GetTableValue(int(n))[:3], 255) for n in index])
    plain = colors("diverging").astype(float)
    assert np.abs(plain[204] - rows[0]).max() < 6  # sure: the colour of the map itself
    assert index[1] == 0  # nothing known: not drawn
    chroma = np.ptp(rows, axis=1)
    assert chroma[0] > chroma[2] > 10 > chroma[3]
    np.testing.assert_allclose(rows[3], rows[4])  # of all that is unsure one grey is left
    display.show_map(result, "jacobian", grey=True)
    view = display.slice_views(result.scene)[0]
    assert view.GetForegroundVolumeID() == node.GetID()
    assert legend.legend_of(node).GetVisibility()
    assert "Local volume change (%)" in legend.legend_of(node).GetTitleText()
    assert not legend.legend_of(result.maps["jacobian"]).GetVisibility()
    display.show_map(result, "jacobian")
    assert view.GetForegroundVolumeID() == result.maps["jacobian"].GetID()


@pytest.mark.parametrize("name", ["uncertainty_mm", "jacobian"])
def test_every_table_keeps_values_and_logarithm(result, name):
    node = result.maps[name]
    offered = next(table for table in (SEQUENTIAL, SIGNED) if log_colors.colors_of(node) in table)
    before = log_colors.window(node)
    log_colors.set_log(node, True)
    for table in offered:
        display.color_by(result, name, table)
        assert log_colors.colors_of(node) == table
        assert log_colors.is_log(node) == (name == "uncertainty_mm")
        assert log_colors.window(node) == before
    log_colors.set_log(node, False)
    assert table_name(display_of(node)) == offered[-1]


def test_tables_grow_lighter_or_are_lightest_in_the_middle():
    """Lightness alone tells the order, whatever colours somebody sees."""
    assert len(SEQUENTIAL) >= 5
    for name in (*SEQUENTIAL, *SIGNED):
        light = (colors(name) / 255.0) ** 2.2 @ [0.2126, 0.7152, 0.0722]
        if name in SIGNED:
            assert np.argmax(light) in (127, 128)
            np.testing.assert_allclose(light[:100], light[:155:-1], atol=0.15)
            light = light[:128]
        assert (np.diff(light) > -2e-3).all() and light[-1] - light[0] > 0.6


def test_outlines_of_all_samples_lie_around_that_of_the_registration(result):
    steps = outlining(result, "Core")
    node = finished(steps)
    assert has_outlines(result) and not node.GetDisplayNode().GetVisibility3D()
    points = slicer.util.arrayFromModelPoints(node)
    from UncertainRegLib.scene.surfaces import probability_of, surface_at

    half = surface_at(probability_of(result, "Core"), 0.5)
    center = np.array(half.GetCenter())
    radii = np.linalg.norm(points - center, axis=1)
    assert radii.min() > 2.0 and radii.max() < 20.0
    one = half.GetNumberOfPoints()
    assert 0.5 * SAMPLES * one < len(points) < 2 * SAMPLES * one
    result.sample_sequence.GetNthDataNode(0).SetAttribute("UncertainReg.LogWeight", "-inf")
    assert sample_weights(result.sample_sequence)[0] == 0
    fewer = slicer.util.arrayFromModelPoints(finished(outlining(result, "Core")))
    assert len(fewer) < len(points)
    hide_outlines(result)
    assert not has_outlines(result)
    with pytest.raises(ValueError, match="no segment"):
        finished(outlining(result, "Nowhere"))


def test_the_registration_grows_from_nothing_to_the_whole(result):
    add_growth(result)
    add_growth(result)  # there already
    point = np.array(slicer.util.arrayFromMarkupsControlPoints(result.landmarks)[0])
    whole = np.array(result.transform.GetTransformFromParent().TransformPoint(point)) - point
    assert np.linalg.norm(whole) > 3.0
    display.show_moving(result, "growth_transform")
    assert result.moving.GetParentTransformNode() is result.growth_transform
    for step in range(STEPS + 1):
        result.growth_browser.SetSelectedItemNumber(step)
        transform = result.growth_transform.GetTransformFromParent()
        moved = np.array(transform.TransformPoint(point)) - point
        np.testing.assert_allclose(moved, whole * step / STEPS, atol=1e-3)


def test_fixed_and_registered_are_shown_in_turn(result):
    fixed = slicer.util.arrayFromVolume(result.fixed)
    for node in (result.fixed, result.moving):  # one grey value for each
        slicer.util.arrayFromVolume(node)[:] = 10.0 if node is result.fixed else 70.0
        node.GetDisplayNode().AutoWindowLevelOff()
    result.fixed.GetDisplayNode().SetWindowLevelMinMax(0.0, 100.0)
    result.moving.GetDisplayNode().SetWindowLevelMinMax(40.0, 140.0)  # 70 is drawn as 30
    both = slicer.util.arrayFromVolume(mixed(result, "checkerboard"))
    assert both.shape == fixed.shape and set(np.unique(both.round())) == {10.0, 30.0}
    assert 0.3 < (both > 20).mean() < 0.55
    mixer = Mixer(result)
    for share in (0.0, 0.25, 1.0):
        both = slicer.util.arrayFromVolume(mixer.fill(result, "swipe", share))
        assert (both[:, 0, 0] < 20).all() == (share > 0)
        expected = {0.0: 1.0, 0.25: 7 / 8, 1.0: 0.0}[share]
        assert (both[10, 5:-5, 5:-5] > 20).mean() == pytest.approx(expected, abs=0.15)
    assert mixer.is_of(result)
    result.moving.GetImageData().Modified()
    assert not mixer.is_of(result)
    result.scene.RemoveNode(result.moving)
    result.moving = None
    with pytest.raises(ValueError, match="not in the scene"):
        mixed(result, "swipe")


def test_the_registered_image_is_where_slicer_draws_it(folder):
    """Against the product's own warping, oblique as the pair is."""
    from UncertainRegLib.geometry import read_field, read_volume, warp

    assert not np.allclose(oblique_direction(), np.eye(3))
    with HeadlessScene() as headless:
        result = load_result(folder, headless.scene)
        for node in (result.fixed, result.moving):
            node.GetDisplayNode().AutoWindowLevelOff()
            node.GetDisplayNode().SetWindowLevelMinMax(0.0, 100.0)
        found = slicer.util.arrayFromVolume(mixed(result, "swipe", 0.0))
    field = read_field(folder / "transform.nrrd")
    truth = warp(read_volume(folder / "moving.nrrd"), field, outside=np.nan).array
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(found[inner], truth[inner], atol=0.5)


def test_all_of_it_is_saved_with_the_scene(result, tmp_path):
    add_growth(result)
    display.color_by(result, "uncertainty_mm", "cividis")
    display.show_map(result, "jacobian", grey=True)
    mixed(result, "checkerboard")
    finished(outlining(result, "Core"))
    display.show_moving(result, "growth_transform")
    result.growth_browser.SetSelectedItemNumber(5)
    point = slicer.util.arrayFromMarkupsControlPoints(result.landmarks)[0]
    moved = result.growth_transform.GetTransformFromParent().TransformPoint(point)
    write_bundle(result.scene, tmp_path / "scene.mrb")
    with HeadlessScene() as headless:
        read_bundle(tmp_path / "scene.mrb", headless.scene)
        (loaded,) = find_results(headless.scene)
        assert log_colors.colors_of(loaded.maps["uncertainty_mm"]) == "cividis"
        assert has_outlines(loaded) and loaded.growth_browser.GetNumberOfItems() == STEPS + 1
        assert loaded.moving.GetParentTransformNode() is loaded.growth_transform
        transform = loaded.growth_transform.GetTransformFromParent()
        np.testing.assert_allclose(transform.TransformPoint(point), moved, atol=1e-3)
        shown = nodes.find(loaded.scene, loaded.run, "suppressed")
        assert shown.GetNodeReference(SHOWS) is loaded.maps["jacobian"]
        assert np.unique(slicer.util.arrayFromVolume(shown)).size > 20
        assert nodes.find(loaded.scene, loaded.run, "mixed") is not None
        remove_result(loaded)
        assert not nodes.runs(headless.scene)
