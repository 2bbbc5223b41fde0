"""The transform node moves fixed points to moving points, and the moving image to its place."""

import numpy as np
import pytest
import SimpleITK as sitk

slicer = pytest.importorskip("slicer")

from support.fake_result import write_fake_result  # noqa: E402
from support.phantoms import GRID_PAIRS, textured  # noqa: E402
from UncertainRegLib.geometry import read_field, write_image  # noqa: E402
from UncertainRegLib.jobs import Job, run  # noqa: E402
from UncertainRegLib.scene.bundle import read_bundle, write_bundle  # noqa: E402
from UncertainRegLib.scene.frames import lps_to_ras  # noqa: E402
from UncertainRegLib.scene.headless import HeadlessScene  # noqa: E402
from UncertainRegLib.scene.result import find_results, load_result  # noqa: E402
from UncertainRegLib.scene.transform import field_of  # noqa: E402


@pytest.fixture(params=[False, True], ids=["oblique", "left-handed"])
def case(request, tmp_path):
    folder = write_fake_result(tmp_path, left_handed=request.param)
    with HeadlessScene() as headless:
        yield folder, headless, load_result(folder, headless.scene)


def _points_inside(field: sitk.Image, count: int = 200) -> np.ndarray:
    """Random LPS mm points at least a voxel inside the field of view."""
    generator = np.random.default_rng(0)
    size = np.array(field.GetSize())
    index = generator.uniform(1.0, size - 2.0, (count, 3))
    return np.array([field.TransformContinuousIndexToPhysicalPoint(i.tolist()) for i in index])


def _itk_transform(path) -> sitk.DisplacementFieldTransform:
    return sitk.DisplacementFieldTransform(sitk.ReadImage(str(path), sitk.sitkVectorFloat64))


def test_from_parent_moves_fixed_points_to_moving_points(case):
    folder, _, result = case
    field = sitk.ReadImage(str(folder / "transform.nrrd"))
    truth = _itk_transform(folder / "transform.nrrd")
    from_parent = result.transform.GetTransformFromParent()
    moved_most = 0.0
    for point in _points_inside(field):
        expected = np.array(truth.TransformPoint(point.tolist()))
        mapped = lps_to_ras(from_parent.TransformPoint(lps_to_ras(point)))
        np.testing.assert_allclose(mapped, expected, atol=1e-3)
        moved_most = max(moved_most, np.linalg.norm(expected - point))
    assert moved_most > 4.0


def test_to_parent_brings_moving_points_back(case):
    folder, _, result = case
    field = sitk.ReadImage(str(folder / "transform.nrrd"))
    to_parent = result.transform.GetTransformToParent()
    from_parent = result.transform.GetTransformFromParent()
    for point in lps_to_ras(_points_inside(field, 50)):
        back = to_parent.TransformPoint(from_parent.TransformPoint(point))
        np.testing.assert_allclose(back, point, atol=1e-2)


def test_moving_image_is_drawn_in_the_fixed_space(case):
    folder, headless, result = case
    logic = headless.slices["Red"]
    logic.GetSliceCompositeNode().SetBackgroundVolumeID(result.moving.GetID())
    headless.fit_slices(120, 120)
    layer = logic.GetBackgroundLayer()
    layer.UpdateTransforms()
    layer.GetReslice().Update()
    output = layer.GetReslice().GetOutput()
    to_ras = slicer.util.arrayFromVTKMatrix(logic.GetSliceNode().GetXYToRAS())

    moving = sitk.ReadImage(str(folder / "moving.nrrd"))
    truth = _itk_transform(folder / "transform.nrrd")
    compared = 0
    for x in range(5, 115, 3):
        for y in range(5, 115, 3):
            fixed_point = lps_to_ras((to_ras @ [x, y, 0, 1])[:3])
            at = truth.TransformPoint(fixed_point.tolist())
            index = np.array(moving.TransformPhysicalPointToContinuousIndex(at))
            home = moving.TransformPhysicalPointToContinuousIndex(fixed_point.tolist())
            inside = [
                (np.array(i) > 0.6).all() and (np.array(i) < np.array(moving.GetSize()) - 1.6).all()
                for i in (index, home)
            ]
            if not all(inside):
                continue
            expected = moving.EvaluateAtContinuousIndex(index.tolist(), sitk.sitkLinear)
            assert output.GetScalarComponentAsDouble(x, y, 0, 0) == pytest.approx(
                expected, abs=0.05
            )
            compared += 1
    assert compared > 300


def test_landmark_follows_the_transform(case):
    folder, _, result = case
    truth = _itk_transform(folder / "transform.nrrd")
    world = slicer.util.arrayFromMarkupsControlPoints(result.moving_points, world=True)
    native = slicer.util.arrayFromMarkupsControlPoints(result.moving_points)
    for fixed_ras, moving_ras in zip(world, native):
        mapped = truth.TransformPoint(lps_to_ras(fixed_ras).tolist())
        np.testing.assert_allclose(lps_to_ras(mapped), moving_ras, atol=1e-2)


def test_grid_is_kept_as_float32_on_the_file_grid(case):
    folder, _, result = case
    array = slicer.util.arrayFromGridTransform(result.transform)
    file = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "transform.nrrd")))
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, file * np.float32([-1, -1, 1]))


def test_roles_name_fixed_and_moving(case):
    _, _, result = case
    node = slicer.vtkMRMLTransformNode
    transform = result.transform
    assert transform.GetNodeReference(node.GetFixedNodeReferenceRole()) is result.fixed
    assert transform.GetNodeReference(node.GetMovingNodeReferenceRole()) is result.moving
    for moved in (result.moving, result.moving_segmentation, result.moving_points):
        assert moved.GetParentTransformNode() is transform
    assert result.fixed.GetParentTransformNode() is None


@pytest.mark.parametrize("pair", ["oblique", "left-handed"])
def test_the_scene_has_the_working_grid_and_the_same_map(pair, tmp_path):
    """Registered on a coarse grid; the scene, also a saved one, agrees with transform.nrrd."""
    fixed_grid, moving_grid = GRID_PAIRS[pair]
    fixed, moving = textured(fixed_grid), textured(moving_grid, seed=1)
    write_image(fixed, tmp_path / "fixed.nrrd")
    write_image(moving, tmp_path / "moving.nrrd")
    out = tmp_path / "out"
    run(
        Job(
            fixed=str(tmp_path / "fixed.nrrd"),
            moving=str(tmp_path / "moving.nrrd"),
            out=str(out),
            samples=2,
            parameters={"backbone": {"voxels": 8000}},
        ),
        lambda event, **values: None,
    )
    with HeadlessScene() as headless, HeadlessScene() as other:
        load_result(out, headless.scene)
        write_bundle(headless.scene, tmp_path / "scene.mrb")
        read_bundle(tmp_path / "scene.mrb", other.scene)
        for scene in (headless.scene, other.scene):
            result = find_results(scene)[0]
            for name in ("transform", "mean_transform"):
                node, truth = getattr(result, name), read_field(out / f"{name}.nrrd")
                assert field_of(node).grid.size.prod() < 9000 < truth.grid.size.prod()
                at = truth.grid.points(np.zeros(0))[::3, ::3, ::3].reshape(-1, 3)
                found = node.GetTransformFromParent()
                mapped = np.array([found.TransformPoint(point) for point in lps_to_ras(at)])
                wanted = at + truth.vectors[::3, ::3, ::3].reshape(-1, 3)
                np.testing.assert_allclose(lps_to_ras(mapped), wanted, atol=2e-3)  # mm, edges too
                assert np.linalg.norm(wanted - at, axis=-1).max() > 1.0
