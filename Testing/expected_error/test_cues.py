"""Cues of the expected error, against values that can be worked out by hand."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from support.phantoms import OBLIQUE, textured
from UncertainRegLib.expected_error.cues import (
    FLOORS,
    anatomy_of,
    cues_of_images,
    cues_of_samples,
    logs,
    means,
)
from UncertainRegLib.geometry import DisplacementField, Grid, Image, identity

GRID = Grid.from_spacing((24, 28, 32), (1.5, 1.5, 1.5), (-10, 5, 3), OBLIQUE)
MIDDLE = (slice(8, -8),) * 3


def linear(matrix):
    """The displacement matrix @ (x - center)."""
    away = GRID.points(np.zeros(0)) - GRID.center
    return DisplacementField((away @ np.asarray(matrix, float).T).astype(np.float32), GRID)


def test_a_shifted_ramp_has_a_gap_of_the_shift():
    """Of the difference of two ramps nothing but their distance is left."""
    along = (GRID.points(np.zeros(0)) - GRID.center) @ OBLIQUE[:, 0]
    fixed = Image((0.5 + 0.02 * along).astype(np.float32), GRID)
    moving = Image((0.5 + 0.02 * (along - 3.0)).astype(np.float32), GRID)
    gap = cues_of_images(fixed, moving, identity(GRID))["gap"][MIDDLE]
    assert gap == pytest.approx(3.0 / 1.5 * 0.02 / (0.02 + 1e-3), rel=0.01)  # in voxels


def test_equal_images_are_alike_and_unrelated_ones_are_not():
    first, other = textured(GRID, seed=1), textured(GRID, seed=2)
    same = cues_of_images(first, first, identity(GRID))
    assert same["gap"].max() == 0 and same["residual"].max() == 0
    assert same["unlike"][MIDDLE].mean() < 0.05
    differ = cues_of_images(first, other, identity(GRID))
    assert differ["unlike"][MIDDLE].mean() > 0.5 and differ["gap"][MIDDLE].mean() > 0.5


def test_likeness_in_detail_is_that_of_the_nearest_voxels():
    """A blot that one image lacks is seen from half as far."""
    image = textured(GRID, seed=1)
    blotted = image.array.copy()
    blotted[12, 14, 16] += 3 * np.ptp(image.array)
    found = cues_of_images(image, Image(blotted, GRID), identity(GRID))
    row = {name: found[name][12, 14, 16:24] for name in ("unlike", "unlike_in_detail")}
    reach = {name: (values > 0.5 * values[0]).sum() for name, values in row.items()}
    assert reach["unlike_in_detail"] < reach["unlike"]


def test_flat_images_say_nothing_of_likeness():
    flat = Image(np.full(GRID.shape, 0.4, np.float32), GRID)
    assert cues_of_images(flat, flat, identity(GRID))["unlike"] == pytest.approx(1.0)


@pytest.mark.parametrize("axis", range(3))
def test_the_strain_of_a_linear_map_is_that_of_its_matrix(axis):
    matrix = np.zeros((3, 3))
    matrix[axis, (axis + 1) % 3], matrix[axis, axis] = 0.1, 0.05
    image = textured(GRID)
    strain = cues_of_images(image, image, linear(matrix))["strain"][MIDDLE]
    symmetric = (matrix + matrix.T) / 2
    assert strain == pytest.approx(np.linalg.norm(symmetric), rel=0.01)


def test_a_small_rotation_is_no_strain():
    turn = Rotation.from_euler("z", 1, degrees=True).as_matrix() - np.eye(3)
    image = textured(GRID)
    assert cues_of_images(image, image, linear(turn))["strain"][MIDDLE].max() < 1e-3


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.25, 100.0])
def test_an_anatomy_with_less_room_in_the_moving_image_is_squeezed(scale):
    image = textured(GRID)
    squeeze = cues_of_images(image, image, linear((scale - 1) * np.eye(3)))["squeeze"][MIDDLE]
    assert squeeze == pytest.approx(max(1 / scale**3, 0.1), rel=0.01)


def test_a_fold_has_a_finite_squeeze():
    image = textured(GRID)
    squeeze = cues_of_images(image, image, linear(np.diag([-2.0, 0.0, 0.0])))["squeeze"]
    assert squeeze[MIDDLE] == pytest.approx(10.0, rel=0.01)


def test_cues_are_weighed_as_logarithms_and_a_pair_by_their_means_over_the_anatomy():
    raw = {name: np.array([[0.2, 0.4, 0.8]]) for name in FLOORS}
    found = logs(raw)
    assert found["gap"] == pytest.approx(np.log([[0.25, 0.45, 0.85]]))
    mean = means(found, np.array([[True, False, True]]))
    assert mean["gap"] == pytest.approx((np.log(0.25) + np.log(0.85)) / 2)


def test_the_anatomy_is_what_is_bright_or_masked_and_everything_where_nothing_is():
    array = np.zeros(GRID.shape, np.float32)
    assert anatomy_of(Image(array, GRID), GRID).all()
    array[5:9] = 1.0
    assert (anatomy_of(Image(array, GRID), GRID) == (array > 0)).all()
    mask = array < 1
    assert (anatomy_of(Image(array, GRID, mask), GRID) == mask).all()


def test_cues_of_samples_are_in_voxels():
    found = cues_of_samples(np.full(GRID.shape, 0.75, np.float32), GRID.voxel_mm)
    assert found["disagreement"] == pytest.approx(0.5, rel=1e-5)


def test_a_slice_has_cues_too():
    grid = Grid.from_spacing((1, 20, 24))
    image = Image(np.random.default_rng(0).random(grid.shape).astype(np.float32), grid)
    found = cues_of_images(image, image, identity(grid))
    assert all(np.isfinite(values).all() for values in found.values())
