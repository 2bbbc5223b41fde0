"""Values on another grid: along the axes, or point by point, the same."""

import numpy as np
import pytest

from UncertainRegLib.geometry import Grid, interpolate
from UncertainRegLib.geometry.interpolate import regrid

OLD = Grid.from_spacing((9, 12, 15), (1.5, 1.0, 2.5), (3.0, -7.0, 11.0))
TURNED = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])


def flipped(grid: Grid) -> Grid:
    """The same voxels, counted from the other ends of the first and the last axis."""
    affine = grid.affine.copy()
    affine[:3, 3] = grid.to_world((grid.size - 1) * [1, 0, 1])
    affine[:3, [0, 2]] *= -1
    return Grid(grid.shape, affine)


@pytest.mark.parametrize(
    "new",
    [
        OLD.resized((20, 31, 33)),
        OLD.resized((4, 5, 6)),
        OLD.resized((1, 12, 1)),
        OLD.part([-3, 2, -5], (14, 6, 30)),
        flipped(OLD).resized((7, 20, 9)),
        Grid.from_spacing((8, 9, 10), (1.1, 1.3, 2.0), (5.0, -4.0, 12.0), TURNED),
    ],
    ids=["finer", "coarser", "single", "beyond", "flipped", "oblique"],
)
@pytest.mark.parametrize("channels", [(), (3,)])
def test_the_values_are_those_of_interpolation_point_by_point(new, channels):
    """Along the axes or not, with borders repeated."""
    values = np.random.default_rng(0).normal(size=(*OLD.shape, *channels))
    # the places point by point are kept in single precision
    wanted = interpolate(values, OLD.to_index(new.points(np.zeros(0))))
    np.testing.assert_allclose(regrid(values, OLD, new), wanted, atol=1e-5)


def test_a_single_voxel_fills_everything():
    """There is nothing to interpolate between."""
    one = Grid.from_spacing((1, 1, 1), (4, 4, 4))
    found = regrid(np.full(one.shape, 2, np.int16), one, one.resized((3, 2, 4)))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, 2.0)


def test_what_is_not_a_number_stays_beside_its_place():
    """Blank voxels do not spread along a whole axis."""
    values = np.zeros(OLD.shape, np.float32)
    values[4, 6, 7] = np.nan
    finer = regrid(values, OLD, OLD.resized((18, 24, 30)))
    assert 0 < np.isnan(finer).sum() <= 4**3
