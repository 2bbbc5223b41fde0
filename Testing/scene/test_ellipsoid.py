"""Ellipsoids of the samples are in the fixed space, whatever turns or stretches the images."""

import numpy as np
import pytest

pytest.importorskip("slicer")
pytest.importorskip("vtk")

from UncertainRegLib.geometry import Grid
from UncertainRegLib.posterior.region import prediction_radius
from UncertainRegLib.scene.ellipsoid import around, ellipsoids
from UncertainRegLib.scene.frames import lps_to_ras

POINTS = np.array([[10.0, -20.0, 5.0], [0.0, 40.0, -8.0]])
GRID = Grid.from_spacing((50, 60, 50), (2, 2, 2), (-50, -60, -50))


def moved_by(matrix, shifts):
    """Where samples y = matrix @ (x + shift) put the points and their neighbours."""
    return np.stack([(around(POINTS, GRID) + shift) @ matrix.T for shift in shifts])


def test_a_shift_along_an_axis_stays_along_it_when_the_images_are_turned_and_scaled():
    angle = np.radians(90.0)
    turn = 1.5 * np.array(
        [[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]]
    )
    shifts = np.random.default_rng(1).normal(size=(16, 3)) * [3.0, 1.0, 0.5]  # fixed space, mm
    weights = np.full(16, 1 / 16)
    axes, directions = ellipsoids(moved_by(turn, shifts), weights)
    variances, vectors = np.linalg.eigh(np.cov(shifts.T, ddof=0))
    expected = prediction_radius(16) * np.sqrt(variances[::-1])
    for found, rows in zip(axes, directions):
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        np.testing.assert_allclose(np.abs(rows @ vectors[:, ::-1]), np.eye(3), atol=1e-5)
        assert abs(rows[0, 0]) > 0.9  # along x, although the images are turned by 90 degrees


def test_folds_and_few_samples_have_none():
    shifts = np.random.default_rng(2).normal(size=(16, 3))
    folded, _ = ellipsoids(moved_by(np.diag([1.0, 1.0, -1.0]), shifts), np.full(16, 1 / 16))
    few, _ = ellipsoids(moved_by(np.eye(3), shifts[:4]), np.full(4, 0.25))
    assert np.isnan(folded).all() and np.isnan(few).all()


@pytest.mark.parametrize("grid", [GRID, Grid.from_spacing((3, 3, 3), (1, 1, 1), (-1, -1, -1))])
def test_slopes_are_taken_inside_the_grid_of_the_samples(grid):
    corner = lps_to_ras(grid.corners()[:1])
    near = around(corner, grid)[0]
    np.testing.assert_allclose(near[0], corner[0])
    np.testing.assert_allclose(near[2::2] - near[1::2], 4.0 * np.eye(3), atol=1e-9)
    index = grid.to_index(lps_to_ras(near[1:]))
    if grid is GRID:
        assert (index > -1e-6).all() and (index < grid.size - 1 + 1e-6).all()
    else:
        np.testing.assert_allclose(index.mean(axis=0), 1.0)  # too small: about its centre
