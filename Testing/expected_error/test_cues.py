"""Cues of the expected error, against values that can be worked out by hand."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from support.phantoms import OBLIQUE, textured
from UncertainRegLib.expected_error.cues import cues_of_images, cues_of_samples
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


def test_cues_of_samples_are_in_voxels():
    vectors = np.tile(np.float32([3.0, 0.0, 4.0]), (*GRID.shape, 1))
    mean = DisplacementField(vectors, GRID)
    found = cues_of_samples(identity(GRID), mean, np.full(GRID.shape, 0.75, np.float32))
    assert found["offset"] == pytest.approx(5.0 / 1.5, rel=1e-5)
    assert found["disagreement"] == pytest.approx(0.5, rel=1e-5)


def test_a_slice_has_cues_too():
    grid = Grid.from_spacing((1, 20, 24))
    image = Image(np.random.default_rng(0).random(grid.shape).astype(np.float32), grid)
    found = cues_of_images(image, image, identity(grid))
    assert all(np.isfinite(values).all() for values in found.values())
