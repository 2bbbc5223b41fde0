"""Values between voxels: torch gives what scipy gives, and grids are walked through slab by slab."""

import numpy as np
import pytest

from UncertainRegLib.geometry import DisplacementField, Grid, interpolate
from UncertainRegLib.geometry import grid as grids

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("shape", [(9, 12, 15), (1, 12, 15), (9, 1, 2), (1, 1, 1)])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_torch_gives_the_values_of_scipy(shape, channels):
    """Inside, on voxel centres, on the border and far outside; also along axes of one voxel."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(*shape, *channels)).astype(np.float32)
    size = np.array(shape[::-1])
    index = rng.uniform(-3, size + 2, (6, 7, 3))
    index[0], index[1] = np.round(index[0]), size - 1
    places = torch.from_numpy(index.astype(np.float32))
    wanted = interpolate(values, index)
    for given in (places, places.transpose(0, 1).contiguous().transpose(0, 1)):
        found = interpolate(torch.from_numpy(values), given)
        np.testing.assert_allclose(found.numpy(), wanted, atol=2e-6)


def test_a_field_of_whole_voxels_moves_them_exactly():
    """The truth by formula: a linear ramp is interpolated without error."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in (5, 6, 7)), indexing="ij")
    ramp = torch.from_numpy((100 * k + 10 * j + i).astype(np.float32))
    index = torch.tensor([[0.5, 1.25, 3.0], [6.0, 5.0, 4.0], [-4.0, 2.0, 9.0]])
    expected = [300 + 12.5 + 0.5, 456.0, 400 + 20 + 0]
    np.testing.assert_allclose(interpolate(ramp, index).numpy(), expected, rtol=1e-6)


def test_a_place_that_is_not_a_number_has_no_value():
    """A registration that diverged gives such places; the others keep their values."""
    values = torch.arange(24.0).reshape(2, 3, 4)
    index = torch.tensor([[np.nan, 0.0, 0.0], [1.0, np.nan, 1.0], [3.0, 2.0, 1.0]])
    found = interpolate(values, index)
    assert found[:2].isnan().all()
    assert found[2] == 23.0


def test_slabs_are_the_whole_grid(monkeypatch):
    """Each plane once, at its place in the world; on a graphics card in one piece."""
    grid = Grid.from_spacing((7, 4, 5), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    monkeypatch.setattr(grids, "SLAB_VOXELS", 45)
    parts = list(grid.slabs(np.zeros(0)))
    assert [part.shape[0] for _, part in parts] == [2, 2, 2, 1]
    points = np.concatenate([part.points() for _, part in parts])
    np.testing.assert_allclose(points, grid.points(), atol=1e-5)
    assert len(list(grid.slabs(torch.zeros(0, device="meta")))) == 1


def test_a_plane_larger_than_a_slab_is_a_slab(monkeypatch):
    """Nothing smaller is made."""
    monkeypatch.setattr(grids, "SLAB_VOXELS", 3)
    field = DisplacementField(np.ones((3, 4, 5, 3), np.float32), Grid.from_spacing((3, 4, 5)))
    seen = []
    doubled = field.slab_by_slab(lambda slab: seen.append(slab.grid.shape) or 2 * slab.vectors)
    assert seen == [(1, 4, 5)] * 3
    np.testing.assert_array_equal(doubled.vectors, 2.0)
