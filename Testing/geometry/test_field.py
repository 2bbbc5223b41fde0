"""Fields, warps and inverses against analytic truth; numpy and torch give the same."""

import numpy as np
import pytest

from support.phantoms import GRID_PAIRS, smooth_field, textured
from UncertainRegLib.geometry import (
    DisplacementField,
    Grid,
    Image,
    compose,
    folding_fraction,
    identity,
    interpolate,
    invert,
    invert_at,
    jacobian_determinant,
    read_field,
    warp,
    warp_labels,
    warp_one_hot,
    write_field,
)

GRIDS = pytest.mark.parametrize("name", GRID_PAIRS)


def torch_field(field):
    torch = pytest.importorskip("torch")
    return DisplacementField(torch.tensor(field.vectors), field.grid)


@GRIDS
def test_points_and_indices_are_inverse(name):
    grid, _ = GRID_PAIRS[name]
    index = np.random.default_rng(0).uniform(-3, 50, (100, 3))
    assert np.allclose(grid.to_index(grid.to_world(index)), index, atol=1e-9)
    assert np.allclose(grid.points(np.zeros(0))[3, 5, 7], grid.to_world([7, 5, 3]))


@GRIDS
@pytest.mark.parametrize("first", [(1, 2, 3), (-1, -2, 0)])
def test_a_part_of_a_grid_has_its_voxels(name, first):
    grid, _ = GRID_PAIRS[name]
    part = grid.part(first, (4, 5, 6))
    assert part.shape == (4, 5, 6)
    assert np.allclose(part.to_world([2, 1, 0]), grid.to_world(np.array(first) + [2, 1, 0]))


@GRIDS
def test_resized_grid_keeps_the_field_of_view(name):
    grid, _ = GRID_PAIRS[name]
    coarse = grid.resized((7, 9, 11))
    assert np.allclose(coarse.corners(), grid.corners())
    assert np.allclose(coarse.center, grid.center)


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((25, 256, 256), (0.78, 0.78, 6.5)), ((224, 192, 160), (1, 1, 1)), ((9, 9, 9), (1, 1, 1))],
)
def test_at_most_bounds_the_voxels_and_does_not_refine(shape, spacing):
    grid = Grid.from_spacing(shape, spacing)
    coarse = grid.at_most(300_000)
    assert np.prod(coarse.shape) <= 300_000 or coarse == grid
    assert np.prod(coarse.shape) > 0.5 * min(300_000, np.prod(shape))
    assert (coarse.spacing > grid.spacing - 1e-6).all()


@GRIDS
def test_translation_truths(name):
    grid, moving_grid = GRID_PAIRS[name]
    shift = np.array([1.5, -2.0, 0.75], np.float32)
    field = DisplacementField(np.broadcast_to(shift, (*grid.shape, 3)).copy(), grid)
    inverse, residual = invert(field, moving_grid)
    assert np.allclose(inverse.vectors, -shift, atol=1e-4)
    assert residual.max() < 1e-3
    assert np.allclose(compose(field, field).vectors, 2 * shift, atol=1e-4)
    assert np.allclose(jacobian_determinant(field), 1, atol=1e-4)


def test_jacobian_of_a_linear_map_and_folding():
    grid = GRID_PAIRS["oblique"][0]
    matrix = np.array([[1.2, 0.1, 0], [0.05, 0.9, -0.1], [0.2, 0, 1.1]])
    points = grid.points(np.zeros(0))
    field = DisplacementField((points @ (matrix - np.eye(3)).T).astype(np.float32), grid)
    assert np.allclose(jacobian_determinant(field), np.linalg.det(matrix), atol=1e-3)
    assert folding_fraction(field) == 0
    mirrored = DisplacementField((points @ (np.diag([-1, 1, 1]) - np.eye(3)).T).astype("f4"), grid)
    assert folding_fraction(mirrored) == 1


def test_jacobian_of_a_periodic_field():
    grid = Grid.from_spacing((4, 4, 200), (0.1, 1, 1))
    x = grid.points(np.zeros(0))[..., 0]
    vectors = np.zeros((*grid.shape, 3), np.float32)
    vectors[..., 0] = 0.5 * np.sin(x)
    determinant = jacobian_determinant(DisplacementField(vectors, grid))
    assert np.allclose(determinant[..., 1:-1], (1 + 0.5 * np.cos(x))[..., 1:-1], atol=2e-3)


@GRIDS
def test_inverse_of_a_smooth_field(name):
    grid, _ = GRID_PAIRS[name]
    field = smooth_field(grid)
    inverse, residual = invert(field)
    assert float(np.median(residual)) <= 0.01
    again = compose(field, inverse)
    inside = (slice(6, -6),) * 3
    assert np.linalg.norm(again.vectors[inside], axis=-1).max() < 0.02


def test_inverse_of_points_of_a_distant_image():
    grid = GRID_PAIRS["oblique"][0]
    field = smooth_field(grid)
    field = DisplacementField(field.vectors + np.float32(400.0), grid)
    truth = grid.to_world([[20, 20, 20], [10, 30, 15]]).astype(np.float32)
    found, residual = invert_at(field, field.map(truth), tolerance_mm=1e-3)
    assert np.linalg.norm(found - truth, axis=1).max() < 0.01
    assert residual.max() < 0.01


@pytest.mark.parametrize(("degrees", "scale"), [(45, 1.0), (90, 1.0), (90, 1.5), (180, 1.0)])
def test_inverse_of_points_of_a_turned_image(degrees, scale):
    """A step along the gap itself leads nowhere beyond 60 degrees: tens of mm were left at 90."""
    grid = GRID_PAIRS["oblique"][0]
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = scale * np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    points = grid.points(np.zeros(0))
    moved = (points - grid.center) @ turn.T + grid.center + [300.0, -50.0, 0.0]
    field = DisplacementField((moved - points + smooth_field(grid).vectors).astype("f4"), grid)
    truth = grid.to_world(np.random.default_rng(4).uniform(8, 28, (40, 3))).astype(np.float32)
    found, residual = invert_at(field, field.map(truth), tolerance_mm=1e-3)
    assert np.linalg.norm(found - truth, axis=1).max() < 0.01
    assert residual.max() < 0.01


def test_torch_and_numpy_agree():
    torch = pytest.importorskip("torch")
    grid, moving_grid = GRID_PAIRS["left-handed"]
    field, image = smooth_field(grid, 9.0), textured(moving_grid)
    twin, moving = torch_field(field), image.to_torch()
    for outside in (None, 7.0):
        expected = warp(image, field, outside).array
        assert np.allclose(expected, warp(moving, twin, outside).array.numpy(), atol=2e-3)
    assert np.allclose(jacobian_determinant(field), jacobian_determinant(twin).numpy(), atol=1e-5)
    assert np.allclose(
        compose(field, field).vectors, compose(twin, twin).vectors.numpy(), atol=1e-3
    )
    assert np.allclose(invert(field)[0].vectors, invert(twin)[0].vectors.numpy(), atol=5e-3)
    labels = Image((image.array > 50).astype(np.int32), moving_grid)
    labels_twin = Image(torch.tensor(labels.array), moving_grid)
    same = warp_labels(labels, field).array == warp_labels(labels_twin, twin).array.numpy()
    assert same.mean() > 0.9999
    assert np.allclose(
        warp_one_hot(labels, field, 1), warp_one_hot(labels_twin, twin, 1).numpy(), atol=1e-3
    )


def test_outside_is_more_than_half_a_voxel_beyond_the_centres():
    values = np.full((3, 3, 3), 5.0, np.float32)
    index = np.array([[-0.4, 1, 1], [-0.6, 1, 1], [2.4, 1, 1], [2.6, 1, 1]])
    assert interpolate(values, index, outside=0.0).tolist() == [5, 0, 5, 0]
    assert interpolate(values, index).tolist() == [5, 5, 5, 5]


def test_resampling_to_a_coarser_grid_does_not_alias():
    grid = Grid.from_spacing((32, 32, 32))
    stripes = np.indices(grid.shape)[2] % 2 * 100.0
    coarse = Image(stripes.astype(np.float32), grid).resample(grid.resized((8, 8, 8))).array
    assert np.abs(coarse[2:-2, 2:-2, 2:-2] - 50).max() < 10


@GRIDS
def test_field_file_round_trip(name, tmp_path):
    field = smooth_field(GRID_PAIRS[name][0])
    write_field(field, tmp_path / "field.nrrd")
    again = read_field(tmp_path / "field.nrrd")
    assert again.grid == field.grid
    assert np.array_equal(again.vectors, field.vectors)


def test_identity_maps_points_to_themselves():
    grid = GRID_PAIRS["oblique"][0]
    points = grid.to_world(np.random.default_rng(1).uniform(0, 40, (20, 3)))
    assert np.allclose(identity(grid).map(points), points)
