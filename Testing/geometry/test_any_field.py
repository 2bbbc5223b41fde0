"""What holds of any displacement field: composition and inversion, on any grid."""

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import given

from support.properties import SAME_EXAMPLES, grids, numbers
from UncertainRegLib.geometry import DisplacementField, compose, identity, invert_at

SHIFTS = numbers(-40.0, 40.0, 3)
MATRICES = numbers(-0.12, 0.12, 3, 3)  # of the displacement: no map of these folds


def constant(shift, grid) -> DisplacementField:
    """The same displacement everywhere, mm."""
    return DisplacementField(np.broadcast_to(shift, (*grid.shape, 3)).copy(), grid)


def linear(matrix, shift, grid) -> DisplacementField:
    """d(x) = matrix (x - centre) + shift, mm; exact between the voxels too."""
    return DisplacementField((grid.points() - grid.center) @ matrix.T + shift, grid)


def inside(share, grid) -> np.ndarray:
    """Points (N, 3) of a grid in mm, from shares between 0 and 1 of its extent."""
    return grid.to_world(share * (grid.size - 1))


@SAME_EXAMPLES
@given(grids(), numbers(-50.0, 50.0, 4, 3))
def test_a_place_is_an_index_and_back(grid, index):
    assert np.allclose(grid.to_index(grid.to_world(index)), index, atol=1e-6)


@SAME_EXAMPLES
@given(grids(), MATRICES, SHIFTS)
def test_the_identity_changes_nothing_on_either_side(grid, matrix, shift):
    field = linear(matrix, shift, grid)
    assert np.allclose(compose(field, identity(grid)).vectors, field.vectors, atol=1e-4)
    assert np.allclose(compose(identity(grid), field).vectors, field.vectors, atol=1e-4)


@SAME_EXAMPLES
@given(grids(), grids(), SHIFTS, SHIFTS)
def test_shifts_add_up_whatever_grids_they_are_on(one, other, first, second):
    both = compose(constant(first, one), constant(second, other))
    assert both.grid == other
    assert np.allclose(both.vectors, np.add(first, second), atol=1e-4)


@SAME_EXAMPLES
@given(grids(), MATRICES, MATRICES, numbers(-0.2, 0.2, 3))
def test_a_composition_maps_points_as_one_map_after_the_other(grid, outer, inner, shift):
    outer, inner = linear(outer, shift, grid), linear(inner, -shift, grid)
    points = grid.points()
    expected = outer.map(inner.map(points))
    assert np.allclose(compose(outer, inner).map(points), expected, atol=1e-3)


@SAME_EXAMPLES
@given(grids(), MATRICES, SHIFTS, numbers(0.0, 1.0, 5, 3))
def test_what_was_mapped_is_found_again(grid, matrix, shift, share):
    field, truth = linear(matrix, shift, grid), inside(share, grid)
    found, residual = invert_at(field, field.map(truth), tolerance_mm=1e-3)
    assert residual.max() <= 1e-3
    assert np.linalg.norm(found - truth, axis=-1).max() < 2e-3


@SAME_EXAMPLES
@given(grids(), numbers(-3.0, 3.0, 3, 3), SHIFTS, numbers(-0.5, 1.5, 5, 3))
def test_a_residual_is_the_distance_that_remains(grid, matrix, shift, share):
    """Also of a map that folds, and of points it does not reach."""
    field, asked = linear(matrix, shift, grid), inside(share, grid)
    found, residual = invert_at(field, asked)
    assert np.allclose(np.linalg.norm(field.map(found) - asked, axis=-1), residual, atol=1e-6)
