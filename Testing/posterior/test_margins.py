"""The margins of a ball are balls, a bound further out and a bound further in."""

import numpy as np
import pytest

from UncertainRegLib.geometry import Grid, Image
from UncertainRegLib.posterior.margins import margin_volume

GRID = Grid.from_spacing((40, 40, 80), (0.5, 1.0, 1.0), (-19.75, -19.5, -19.5))


def ball(radius_mm: float) -> Image:
    inside = np.linalg.norm(GRID.points(), axis=-1) < radius_mm
    return Image(inside.astype(np.float32), GRID)


def radius_of(inside: np.ndarray) -> float:
    """Of a ball of as many voxels, in mm."""
    return float(np.cbrt(inside.sum() * GRID.voxel_volume_ml * 1000.0 * 3.0 / (4.0 * np.pi)))


def test_a_constant_bound_moves_the_boundary_by_itself():
    found = margin_volume(ball(10.0), np.full(GRID.shape, 3.0))
    for level, radius in ((-1.0, 7.0), (0.0, 10.0), (1.0, 13.0)):
        assert radius_of(found.array < level) == pytest.approx(radius, abs=0.4)


def test_the_margin_is_wide_where_the_bound_is():
    found = margin_volume(ball(10.0), np.where(GRID.points()[..., 0] < 0, 1.0, 4.0))
    line = found.array[20, 20]  # along x, at about half a voxel from the middle
    x = GRID.points()[20, 20, :, 0]
    assert x[line < 1.0].min() == pytest.approx(-11.0, abs=1.0)
    assert x[line < 1.0].max() == pytest.approx(14.0, abs=1.0)


def test_a_bound_wider_than_the_structure_leaves_no_core():
    found = margin_volume(ball(3.0), np.full(GRID.shape, 5.0))
    assert not (found.array < -1.0).any() and (found.array < 1.0).any()


def test_a_structure_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="empty"):
        margin_volume(ball(0.0), np.ones(GRID.shape))
