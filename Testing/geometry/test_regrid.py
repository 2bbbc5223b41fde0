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


def turned(grid: Grid) -> Grid:
    """The same voxels with the axes (i, j, k) in the order (j, k, i)."""
    order = [1, 2, 0]
    affine = grid.affine.copy()
    affine[:3, :3] = affine[:3, order]
    return Grid(tuple(grid.size[order][::-1]), affine)


@pytest.mark.parametrize(
    "new",
    [
        OLD.resized((20, 31, 33)),
        OLD.resized((4, 5, 6)),
        OLD.resized((1, 12, 1)),
        OLD.part([-3, 2, -5], (14, 6, 30)),
        flipped(OLD).resized((7, 20, 9)),
        turned(OLD),
        turned(flipped(OLD)),
        turned(flipped(OLD)).resized((20, 7, 9)),
        turned(OLD).part([3, 2, 1], (4, 5, 6)),
        Grid.from_spacing((8, 9, 10), (1.1, 1.3, 2.0), (5.0, -4.0, 12.0), TURNED),
    ],
    ids=[
        "finer",
        "coarser",
        "single",
        "beyond",
        "flipped",
        "turned",
        "turned and flipped",
        "turned, other voxels",
        "a part, turned",
        "oblique",
    ],
)
@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_the_values_are_those_of_interpolation_point_by_point(new, channels, library):
    """Along the axes or not, with borders repeated."""
    values = np.random.default_rng(0).normal(size=(*OLD.shape, *channels))
    # the places point by point are kept in single precision
    wanted = interpolate(values, OLD.to_index(new.points(np.zeros(0))))
    given = values if library == "numpy" else pytest.importorskip("torch").from_numpy(values)
    found = regrid(given, OLD, new)
    assert type(found) is type(given)
    np.testing.assert_allclose(np.asarray(found), wanted, atol=1e-5)


def test_voxels_that_are_there_are_not_computed_anew():
    """Turned and flipped, every value is one of the old ones, to the last digit."""
    values = np.random.default_rng(0).normal(size=OLD.shape).astype(np.float32)
    found = regrid(values, OLD, turned(flipped(OLD)))
    np.testing.assert_array_equal(found, values[::-1, :, ::-1].transpose(2, 0, 1))


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
