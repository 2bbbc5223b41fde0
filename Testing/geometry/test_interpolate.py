"""Values between voxels are those of scipy, and grids are walked through slab by slab."""

from importlib import import_module

import numpy as np
import pytest
from scipy import ndimage

from UncertainRegLib.geometry import DisplacementField, Grid, interpolate
from UncertainRegLib.geometry import grid as grids
from UncertainRegLib.geometry.interpolate import regrid

try:
    import torch
except ImportError:
    torch = None
needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed")
SHAPES = [(9, 12, 15), (1, 12, 15), (9, 1, 2), (1, 1, 1)]


def places_around(shape):
    """Inside, on voxel centres, on the border and far outside."""
    rng = np.random.default_rng(0)
    size = np.array(shape[::-1])
    index = rng.uniform(-3, size + 2, (6, 7, 3))
    index[0], index[1] = np.round(index[0]), size - 1
    return index.astype(np.float32)


def by_scipy(values, index):
    """One voxel after the other."""
    channels = values.reshape(*values.shape[:3], -1)
    found = [
        ndimage.map_coordinates(channels[..., c], index[..., ::-1].T, order=1, mode="nearest").T
        for c in range(channels.shape[-1])
    ]
    return np.stack(found, -1).reshape(*index.shape[:-1], *values.shape[3:])


def drawn(shape, kind=np.float32):
    return np.random.default_rng(1).normal(scale=9, size=shape).astype(kind)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16])
def test_numpy_gives_the_values_of_scipy(shape, channels, kind, monkeypatch):
    """Also in slabs, and however the values lie in memory."""
    module = import_module("UncertainRegLib.geometry.interpolate")
    monkeypatch.setattr(module, "SLAB_POINTS", 5)
    values, index = drawn((*shape, *channels), kind), places_around(shape)
    wanted = by_scipy(values.astype(np.float64), index)
    apart = np.moveaxis(np.ascontiguousarray(np.moveaxis(values, -1, 0)), 0, -1)
    backwards = np.ascontiguousarray(values[::-1, ::-1])[::-1, ::-1]
    for given in (values, apart, backwards):
        found = interpolate(given, index)
        assert found.dtype == (np.float64 if kind is np.float64 else np.float32)
        np.testing.assert_allclose(found, wanted, atol=5e-6)


def test_numpy_keeps_what_is_the_same_everywhere():
    """Nothing but a constant between equal voxels, to the last bit."""
    values = np.full((5, 6, 7), 0.1, np.float32)
    assert (interpolate(values, places_around(values.shape)) == values[0, 0, 0]).all()


def test_a_voxel_has_its_own_value_to_the_last_bit():
    """Whatever stands before it: another size, or nothing that is a number; and one place is one."""
    values = drawn((5, 6, 7)) * np.float32(1000)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in (7, 6, 5)), indexing="ij"), -1).T
    index = index.reshape(3, 5, 6, 7).transpose(1, 2, 3, 0).astype(np.float32)
    np.testing.assert_array_equal(interpolate(values, index), values)
    line = np.array([0, 1e8, np.nan, 5], np.float32).reshape(1, 1, 4)
    for place, value in ((3.0, 5.0), (9.0, 5.0), (0.0, 0.0)):
        found = interpolate(line, np.array([place, 0.0, 0.0], np.float32))
        assert found.shape == () and found == value


def test_a_grid_ends_with_its_own_values():
    """Also where it is resampled along its axes: the last voxel, and what lies beyond it."""
    line = np.array([0, 1e8, np.nan, 5], np.float32).reshape(1, 1, 4)
    old, new = Grid.from_spacing((1, 1, 4)), Grid.from_spacing((1, 1, 3), (1.0, 1, 1), (2.5, 0, 0))
    assert regrid(line, old, new)[0, 0, 1:].tolist() == [5.0, 5.0]


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_the_order_of_bytes_of_a_file_stays_in_it(mode):
    values = drawn((3, 4, 5)).astype(">f4")
    found = interpolate(values, places_around(values.shape), mode)
    assert found.dtype == np.float32 and found.dtype.isnative


@needs_torch
def test_linear_values_of_torch_have_slopes_in_the_place():
    """A ramp of 2 mm a voxel."""
    ramp = 2 * torch.arange(5.0).expand(3, 4, 5)
    place = torch.tensor([[1.3, 1.0, 1.0]], requires_grad=True)
    interpolate(ramp, place).sum().backward()
    assert place.grad[0, 0] == pytest.approx(2.0)


@needs_torch
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [(), (3,)])
def test_torch_gives_the_values_of_scipy(shape, channels):
    """Also along axes of one voxel."""
    values, index = drawn((*shape, *channels)), places_around(shape)
    wanted, places = by_scipy(values, index), torch.from_numpy(index)
    for given in (places, places.transpose(0, 1).contiguous().transpose(0, 1)):
        found = interpolate(torch.from_numpy(values), given)
        np.testing.assert_allclose(found.numpy(), wanted, atol=2e-5)


def test_a_field_of_whole_voxels_moves_them_exactly():
    """The truth by formula: a linear ramp is interpolated without error."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in (5, 6, 7)), indexing="ij")
    ramp = (100 * k + 10 * j + i).astype(np.float32)
    index = np.array([[0.5, 1.25, 3.0], [6.0, 5.0, 4.0], [-4.0, 2.0, 9.0]], np.float32)
    expected = [300 + 12.5 + 0.5, 456.0, 400 + 20 + 0]
    np.testing.assert_allclose(interpolate(ramp, index), expected, rtol=1e-6)
    if torch is not None:
        found = interpolate(torch.from_numpy(ramp), torch.from_numpy(index))
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_a_place_that_is_not_a_number_has_no_value():
    """A registration that diverged gives such places; the others keep their values."""
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    index = np.array([[np.nan, 0.0, 0.0], [1.0, np.nan, 1.0], [3.0, 2.0, 1.0]], np.float32)
    answers = [interpolate(values, index)]
    answers.append(interpolate(np.stack([values] * 3, -1), index)[:, 2])
    if torch is not None:
        answers.append(interpolate(torch.from_numpy(values), torch.from_numpy(index)).numpy())
    for found in answers:
        assert np.isnan(found[:2]).all()
        assert found[2] == 23.0


def test_slabs_are_the_whole_grid(monkeypatch):
    """Each plane once, at its place in the world."""
    grid = Grid.from_spacing((7, 4, 5), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    monkeypatch.setattr(grids, "SLAB_VOXELS", 45)
    parts = list(grid.slabs(np.zeros(0)))
    assert [part.shape[0] for _, part in parts] == [2, 2, 2, 1]
    points = np.concatenate([part.points() for _, part in parts])
    np.testing.assert_allclose(points, grid.points(), atol=1e-5)


@needs_torch
def test_on_a_graphics_card_there_is_one_slab(monkeypatch):
    """Its memory has no cache to stay in."""
    monkeypatch.setattr(grids, "SLAB_VOXELS", 45)
    grid = Grid.from_spacing((7, 4, 5))
    assert len(list(grid.slabs(torch.zeros(0, device="meta")))) == 1


def test_a_plane_larger_than_a_slab_is_a_slab(monkeypatch):
    """Nothing smaller is made."""
    monkeypatch.setattr(grids, "SLAB_VOXELS", 3)
    field = DisplacementField(np.ones((3, 4, 5, 3), np.float32), Grid.from_spacing((3, 4, 5)))
    seen = []
    doubled = field.slab_by_slab(lambda slab: seen.append(slab.grid.shape) or 2 * slab.vectors)
    assert seen == [(1, 4, 5)] * 3
    np.testing.assert_array_equal(doubled.vectors, 2.0)
