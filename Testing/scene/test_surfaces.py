"""Surfaces of a structure, the main movement, and what the views get back."""

import numpy as np
import pytest

slicer = pytest.importorskip("slicer")
vtk = pytest.importorskip("vtk")

from vtk.util.numpy_support import vtk_to_numpy  # noqa: E402

from support.fake_result import oblique_direction, write_fake_result  # noqa: E402
from UncertainRegLib.geometry import Grid, Image  # noqa: E402
from UncertainRegLib.results.expectation import margin_of  # noqa: E402
from UncertainRegLib.scene import arrows, display, nodes, surfaces, sweep, tables  # noqa: E402
from UncertainRegLib.scene.bundle import read_bundle, write_bundle  # noqa: E402
from UncertainRegLib.scene.headless import HeadlessScene  # noqa: E402
from UncertainRegLib.scene.result import find_results, load_result, update_result  # noqa: E402
from UncertainRegLib.scene.transform import field_of  # noqa: E402


@pytest.fixture
def headless():
    with HeadlessScene() as headless:
        yield headless


@pytest.fixture(params=[False, True], ids=["right-handed", "left-handed"])
def folder(tmp_path, request):
    return write_fake_result(tmp_path, left_handed=request.param)


def _volume_ml(segment) -> float:
    mass = vtk.vtkMassProperties()
    mass.SetInputData(segment.GetRepresentation("Closed surface"))
    return mass.GetVolume() / 1000.0


def test_surfaces_enclose_each_other_and_the_structure(folder, headless):
    result = load_result(folder, headless.scene)
    node = surfaces.show_surfaces(result, "Core")
    segmentation = node.GetSegmentation()
    assert [segmentation.GetNthSegment(n).GetName() for n in range(3)] == [
        "Core, 5 % of the samples",
        "Core, 50 % of the samples",
        "Core, 95 % of the samples",
    ]
    volumes = [_volume_ml(segmentation.GetNthSegment(n)) for n in range(3)]
    assert volumes[0] > volumes[1] > volumes[2] > 0.0
    probability = surfaces.probability_of(result, "Core")
    mean = float(probability.array.sum()) * probability.grid.voxel_volume_ml
    assert volumes[1] == pytest.approx(mean, rel=0.15)
    center = np.zeros(6)
    segmentation.GetNthSegment(1).GetRepresentation("Closed surface").GetBounds(center)
    ball = np.zeros(6)
    result.fixed.GetRASBounds(ball)
    np.testing.assert_allclose(
        (center[::2] + center[1::2]) / 2, (ball[::2] + ball[1::2]) / 2, atol=1.0
    )
    for n in range(5):  # triangles face out
        normals = vtk.vtkPolyDataNormals()
        normals.SetInputData(segmentation.GetNthSegment(n).GetRepresentation("Closed surface"))
        normals.ConsistencyOff(), normals.SplittingOff(), normals.Update()
        output = normals.GetOutput()
        points = vtk.util.numpy_support.vtk_to_numpy(output.GetPoints().GetData())
        vectors = vtk.util.numpy_support.vtk_to_numpy(output.GetPointData().GetNormals())
        assert ((points - points.mean(0)) * vectors).sum(1).mean() > 0
    volume = load_maps(headless)["probability"]
    values = slicer.util.arrayFromVolume(volume)
    assert values.min() == 0.0 and values.max() == pytest.approx(1.0)
    assert surfaces.show_surfaces(result, "Shell") is node
    assert segmentation.GetNumberOfSegments() == 5
    surfaces.hide_surfaces(result)
    assert not node.GetDisplayNode().GetVisibility()


def _bounds(node) -> np.ndarray:
    bounds = np.zeros(6)
    node.GetSegmentation().GetNthSegment(1).GetBounds(bounds)
    return bounds


def _under_a_turned_table(scene, node):
    """A copy of a volume node that the user's linear transform brings to where the node is."""
    to_world, ijk_to_ras = np.eye(4), vtk.vtkMatrix4x4()
    to_world[:3, :3], to_world[:3, 3] = oblique_direction().T, (40.0, -15.0, 60.0)
    node.GetIJKToRASMatrix(ijk_to_ras)
    local = np.linalg.inv(to_world) @ slicer.util.arrayFromVTKMatrix(ijk_to_ras)
    copy = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    copy.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(local))
    slicer.util.updateVolumeFromArray(copy, slicer.util.arrayFromVolume(node))
    table = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Table")
    table.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(to_world))
    copy.SetAndObserveTransformNodeID(table.GetID())
    return copy


def test_margins_are_a_bound_further_out_and_in(tmp_path, headless):
    result = load_result(write_fake_result(tmp_path), headless.scene)
    segmentation = surfaces.show_surfaces(result, "Core").GetSegmentation()
    assert [segmentation.GetNthSegment(n).GetName() for n in (3, 4)] == [
        "Core, outer 95 % margin",
        "Core, inner 95 % margin",
    ]
    bound = margin_of(result.expected_error, result.calibration)
    node = result.maps["expected_error_mm"]
    slicer.util.arrayFromVolume(node)[:] = 1.5 / bound.factor  # mm
    margin = surfaces.margin_around(result, "Core")
    sizes = [(margin.array < level).sum() * margin.grid.voxel_volume_ml for level in (-1, 0, 1)]
    radii = [float(np.cbrt(3000.0 * size / (4.0 * np.pi))) for size in sizes]
    assert np.diff(radii) == pytest.approx([1.5, 1.5], abs=0.5)
    slicer.util.arrayFromVolume(node)[:] = np.nan
    assert surfaces.margin_around(result, "Core") is None
    assert surfaces.show_surfaces(result, "Core").GetSegmentation().GetNumberOfSegments() == 3


def test_a_fixed_image_under_a_linear_transform_counts_where_it_is_seen(folder, headless):
    plain = load_result(folder, headless.scene)
    fixed = _under_a_turned_table(headless.scene, plain.fixed)
    result = load_result(folder, headless.scene, {"fixed": fixed})
    assert result.warnings == []
    np.testing.assert_array_equal(
        *(slicer.util.arrayFromVolume(each.maps["uncertainty_mm"]) for each in (result, plain))
    )
    np.testing.assert_allclose(
        *(_bounds(surfaces.show_surfaces(each, "Core")) for each in (result, plain)), atol=1e-3
    )


def test_a_fixed_image_under_a_deformable_transform_is_a_warning(folder, headless):
    fixed = load_result(folder, headless.scene).fixed
    warp = headless.scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "Warp")
    fixed.SetAndObserveTransformNodeID(warp.GetID())
    result = load_result(folder, headless.scene, {"fixed": fixed})
    assert len(result.warnings) == 1 and "deformable transform Warp" in result.warnings[0]
    assert np.isfinite(slicer.util.arrayFromVolume(result.maps["uncertainty_mm"])).all()


def load_maps(headless):
    return find_results(headless.scene)[0].maps


def test_a_missing_structure_is_named(folder, headless):
    result = load_result(folder, headless.scene)
    with pytest.raises(ValueError, match="no segment 'Liver'"):
        surfaces.show_surfaces(result, "Liver")


def test_fields_survive_the_scene(folder, headless):
    from UncertainRegLib.geometry import read_field

    result = load_result(folder, headless.scene)
    for number in (0, 3):
        truth = read_field(folder / f"samples/sample-{number:04d}.nrrd")
        found = field_of(result.sample_sequence.GetNthDataNode(number))
        np.testing.assert_array_equal(found.vectors, truth.vectors)
        np.testing.assert_allclose(found.grid.affine, truth.grid.affine, atol=1e-6)


def test_the_main_movement_swings_about_the_mean(folder, headless):
    result = load_result(folder, headless.scene)
    sweep.add_sweep(result)
    browser, sequence = result.sweep_browser, result.sweep_sequence
    assert sequence.GetNumberOfDataNodes() == sweep.FRAMES and browser.GetPlaybackLooped()
    fields = [field_of(sequence.GetNthDataNode(n)).vectors for n in range(sweep.FRAMES)]
    samples = [field_of(result.sample_sequence.GetNthDataNode(n)).vectors for n in range(6)]
    weights = np.exp(-0.1 * np.arange(6))
    mean = np.average(samples, axis=0, weights=weights)
    np.testing.assert_allclose((fields[0] + fields[sweep.FRAMES // 2]) / 2, mean, atol=1e-4)
    steps = [np.abs(a - b).max() for a, b in zip(fields, fields[1:] + fields[:1], strict=True)]
    assert max(steps) < 0.5 * np.abs(fields[0] - fields[8]).max()  # smooth, also at the seam
    display.show_moving(result, "sweep_transform")
    assert result.moving.GetParentTransformNode() is result.sweep_transform
    (again,) = find_results(headless.scene)
    assert again.sweep_transform is result.sweep_transform
    sweep.add_sweep(again)  # is there already
    assert headless.scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode") == 2


def test_more_samples_make_the_main_movement_stale(tmp_path, headless):
    folder = write_fake_result(tmp_path, samples=3, status="partial")
    result = load_result(folder, headless.scene)
    sweep.add_sweep(result)
    display.show_moving(result, "sweep_transform")
    write_fake_result(tmp_path, samples=5)
    result = update_result(result, folder)
    assert result.sweep_browser is None
    assert result.moving.GetParentTransformNode() is result.transform


def test_everything_on_demand_is_saved_with_the_scene(tmp_path, headless):
    folder = write_fake_result(tmp_path / "result")
    result = load_result(folder, headless.scene)
    surfaces.show_surfaces(result, "Core")
    sweep.add_sweep(result)
    arrows.show_arrows(result)
    write_bundle(headless.scene, tmp_path / "scene.mrb")
    with HeadlessScene() as other:
        read_bundle(tmp_path / "scene.mrb", other.scene)
        (loaded,) = find_results(other.scene)
        assert loaded.surfaces.GetSegmentation().GetNumberOfSegments() == 5
        assert loaded.sweep_sequence.GetNumberOfDataNodes() == sweep.FRAMES
        assert arrows.has_arrows(loaded)
        surfaces.show_surfaces(loaded, "Shell")  # still computable, without the folder
        assert (
            loaded.surfaces.GetSegmentation().GetNthSegment(0).GetName()
            == "Shell, 5 % of the samples"
        )


def test_arrows_are_drawn_true_to_scale_and_only_over_the_image(folder, headless):
    result = load_result(folder, headless.scene)
    field = field_of(result.transform)
    longest = arrows.show_arrows(result)
    assert longest == pytest.approx(np.linalg.norm(field.vectors, axis=-1).max())
    node = nodes.find(headless.scene, result.run, "arrows")
    shown = node.GetDisplayNode()
    assert shown.GetVisualizationMode() == shown.VIS_MODE_GLYPH and shown.GetVisibility2D()
    assert shown.GetRegionNode() is result.fixed and 1.0 < shown.GetGlyphSpacingMm() < 5.0
    assert shown.GetGlyphScalePercent() == 100 and shown.GetGlyphDisplayRangeMaxMm() >= longest
    inside = field.grid.to_world((np.array(field.grid.size) - 1) / 2)
    outside = field.grid.to_world([-5.0, 5.0, 5.0])
    for place, there in ((inside, True), (outside, False)):
        ras = place * [-1, -1, 1]
        drawn, registered = (
            np.subtract(one.GetTransformFromParent().TransformPoint(ras), ras)
            for one in (node, result.transform)
        )
        np.testing.assert_allclose(drawn, registered * there, atol=1e-4)
    arrows.hide_arrows(result)
    assert not arrows.has_arrows(result) and not shown.GetVisibility2D()


def test_surfaces_are_smoothed_by_at_most_half_a_voxel():
    grid = Grid((24, 24, 24), np.eye(4))
    distance = np.linalg.norm(grid.points(np.zeros(0)) - grid.center, axis=-1)
    noise = np.random.default_rng(0).normal(0, 0.06, grid.shape)
    noisy = Image((0.5 + (8 - distance) / 4 + noise).clip(0, 1).astype(np.float32), grid)

    def roughness(surface):
        points = vtk_to_numpy(surface.GetPoints().GetData()) * [-1, -1, 1]
        return np.linalg.norm(points - grid.center, axis=1).std()

    smooth = surfaces.surface_at(noisy, 0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surfaces, "SMOOTHED_VOXELS", 0.0)
        rough = surfaces.surface_at(noisy, 0.5)
    before, after = (vtk_to_numpy(one.GetPoints().GetData()) for one in (rough, smooth))
    assert 0.1 < np.linalg.norm(after - before, axis=1).max() < 0.5 + 1e-4
    assert roughness(smooth) < 0.6 * roughness(rough)


def test_3d_views_centre_on_what_was_asked_for_and_go_back(headless):
    camera = slicer.vtkMRMLCameraNode()
    headless.scene.AddNode(camera)
    camera.SetPosition(0, 500, 0)
    camera.SetFocalPoint(0, 0, 0)
    views = display.remember_views(headless.scene)
    display.look_at(headless.scene, [10, 30, 40, 60, -20, 0])
    np.testing.assert_allclose(camera.GetFocalPoint(), (20, 50, -10))
    away = np.subtract(camera.GetPosition(), camera.GetFocalPoint())
    assert away[1] > 17 / np.sin(np.radians(15)) and abs(away[0]) + abs(away[2]) < 1e-6
    display.restore_views(headless.scene, views)
    assert camera.GetPosition() == (0, 500, 0) and camera.GetFocalPoint() == (0, 0, 0)


def test_views_are_given_back_with_layers_opacity_and_position(folder, headless):
    result = load_result(folder, headless.scene)
    scene = headless.scene
    headless.fit_slices()
    composite = display.slice_views(scene)[0]
    composite.SetBackgroundVolumeID(result.moving.GetID())
    composite.SetForegroundOpacity(0.25)
    slice_nodes = [logic.GetSliceNode() for logic in headless.slices.values()]
    before = [(view.GetSliceOffset(), view.GetFieldOfView()) for view in slice_nodes]
    views = display.remember_views(scene)
    display.show_map(result, opacity=0.8)
    display.jump_to(scene, (3.0, 5.0, 7.0))
    for view in slice_nodes:
        view.SetFieldOfView(10.0, 10.0, 1.0)
    display.restore_views(scene, views)
    assert composite.GetBackgroundVolumeID() == result.moving.GetID()
    assert composite.GetForegroundVolumeID() is None
    assert composite.GetForegroundOpacity() == 0.25
    after = [(view.GetSliceOffset(), view.GetFieldOfView()) for view in slice_nodes]
    np.testing.assert_allclose([a[0] for a in after], [b[0] for b in before], atol=1e-6)
    assert [a[1] for a in after] == [b[1] for b in before]


def test_views_of_another_size_are_given_back_undistorted(folder, headless):
    load_result(folder, headless.scene)
    headless.fit_slices()
    views = display.remember_views(headless.scene)
    for logic in headless.slices.values():
        view = logic.GetSliceNode()
        width = view.GetFieldOfView()[0]
        logic.ResizeSliceNode(1000, 500)  # the layout or the window changed meanwhile
        display.restore_views(headless.scene, views)
        to_ras = slicer.util.arrayFromVTKMatrix(view.GetXYToRAS())
        np.testing.assert_allclose(np.linalg.norm(to_ras[:3, :2], axis=0), width / 1000)


def test_tables_are_written_with_titles_and_units(folder, headless, tmp_path):
    result = load_result(folder, headless.scene)
    tables.write_csv(result.landmark_table, tmp_path / "landmarks.csv")
    head, first, second = (tmp_path / "landmarks.csv").read_text("utf-8").splitlines()
    assert head.startswith(
        "Landmark,Expected error (mm),95 % bound (mm),Disagreement (mm),TRE before (mm),"
        "TRE after (mm),Within bound,"
    )
    assert first.startswith("apex,1.5,3.0,2.29,5.4,1.2,yes,")
    column = head.split(",").index("TRE after (mm)")
    assert (first.split(",")[column], second.split(",")[column]) == ("1.2", "")
