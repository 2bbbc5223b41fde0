"""Errors across boundaries, on spheres and boxes whose distances are known."""

import numpy as np
import pytest

from UncertainRegLib.geometry import DisplacementField, Grid, identity
from UncertainRegLib.metrics.boundaries import (
    boundary_errors,
    faces,
    signed_distance_mm,
    surface_mm2,
)

GRID = Grid.from_spacing((40, 44, 48), (1.0, 1.1, 0.9), (-20, 5, 7))


def sphere(grid, radius, center=None):
    away = grid.points(np.zeros(0)) - (grid.center if center is None else center)
    return np.linalg.norm(away, axis=-1) < radius


def errors_of(field, fixed, moving, moving_grid=GRID):
    return boundary_errors(
        field, fixed, GRID, moving, moving_grid, 2000, np.random.default_rng(1)
    ).errors_mm


@pytest.mark.parametrize("radius", [10.0, 12.0, 14.0])
def test_concentric_spheres_differ_by_their_radii(radius):
    found = errors_of(identity(GRID), sphere(GRID, 12.0), sphere(GRID, radius))
    assert found.mean() == pytest.approx(12.0 - radius, abs=0.15)
    assert found.std() < 0.45  # what voxels do to a sphere


def test_a_registration_that_is_right_has_no_error():
    shift = np.array([2.3, -1.4, 3.1])
    field = DisplacementField(np.broadcast_to(shift, (*GRID.shape, 3)).astype(np.float32), GRID)
    found = errors_of(field, sphere(GRID, 11.0), sphere(GRID, 11.0, GRID.center + shift))
    assert abs(found.mean()) < 0.1 and np.abs(found).mean() < 0.35


def test_a_shift_that_was_missed_is_seen_across_the_boundary_alone():
    """The mean size of a component of a vector is half its length."""
    missed = np.array([0.0, 0.0, 3.0])
    found = errors_of(identity(GRID), sphere(GRID, 11.0), sphere(GRID, 11.0, GRID.center + missed))
    assert np.abs(found).mean() == pytest.approx(1.5, abs=0.15)
    assert np.abs(found).max() == pytest.approx(3.0, abs=0.7)


def test_distances_are_those_of_the_fixed_space():
    """The moving image shows everything twice as large: 4 mm there are 2 mm here."""
    moving_grid = Grid.from_spacing((80, 88, 96), GRID.spacing, 2 * np.array([-20, 5, 7]))
    double = DisplacementField(GRID.points(np.zeros(0, np.float32)), GRID)  # x -> 2 x
    moving = sphere(moving_grid, 24.0, 2 * GRID.center)
    found = errors_of(double, sphere(GRID, 10.0), moving, moving_grid)
    assert found.mean() == pytest.approx(-2.0, abs=0.15)


def test_the_boundary_lies_between_voxels_and_not_at_the_edge_of_the_image():
    box = np.zeros((6, 7, 8), bool)
    box[2:4, 3:, 1:6] = True  # reaches the edge along j
    index = faces(box)
    assert len(index) == 2 * (4 * 5) + 1 * (2 * 5) + 2 * (2 * 4)
    assert {1.5, 3.5} == set(index[index[:, 2] % 1 == 0.5, 2])
    assert set(index[index[:, 1] % 1 == 0.5, 1]) == {2.5}
    distance = signed_distance_mm(box, Grid.from_spacing(box.shape))
    assert distance[1, 5, 3] == 0.5 and distance[2, 5, 3] == -0.5 and distance[0, 5, 3] == 1.5


def test_the_surface_is_that_of_the_faces():
    box = np.zeros((10, 10, 10), bool)
    box[2:5, 3:7, 4:9] = True
    grid = Grid.from_spacing(box.shape, (1.0, 2.0, 3.0))  # along i, j, k
    edges = np.array([5 * 1.0, 4 * 2.0, 3 * 3.0])
    expected = 2 * (edges[0] * edges[1] + edges[1] * edges[2] + edges[0] * edges[2])
    assert surface_mm2(box, grid) == pytest.approx(expected)


def test_a_structure_without_a_boundary_is_refused():
    full, none = np.ones(GRID.shape, bool), np.zeros(GRID.shape, bool)
    for fixed, moving in ((full, sphere(GRID, 5)), (sphere(GRID, 5), none)):
        with pytest.raises(ValueError, match="no boundary"):
            errors_of(identity(GRID), fixed, moving)
