"""Dice and surface distances of shapes with known answers, and against brute force."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist

from UncertainRegLib.metrics.overlap import dice, dice_per_label, surface_distance
from UncertainRegLib.metrics.rings import boundary_ring, boundary_shell


def blocks():
    first, second = np.zeros((2, 12, 14, 16), bool)
    first[2:8, 3:9, 4:12] = True
    second[2:8, 3:9, 7:15] = True  # shifted by three voxels along x
    return first, second


def test_dice_by_hand():
    first, second = blocks()
    assert dice(first, second) == pytest.approx(2 * 5 / 16)
    assert dice(first, first) == 1.0
    assert dice(first, ~first) == 0.0
    assert np.isnan(dice(first & False, first & False))


def test_dice_of_every_label_in_one_pass():
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 5, (2, 8, 9, 10))
    result = dice_per_label(first, second)
    assert list(result) == [1, 2, 3, 4]
    for label, value in result.items():
        assert value == pytest.approx(dice(first == label, second == label))
    assert np.isnan(dice_per_label(first, second, [9])[9])


def test_shifted_block():
    first, second = blocks()
    result = surface_distance(first, second, (2.0, 1.0, 1.0))
    assert result.hausdorff == pytest.approx(6.0)
    assert 0 < result.average < 6.0
    same = surface_distance(first, first, (2.0, 1.0, 1.0))
    assert (same.hausdorff, same.hausdorff95, same.average) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_surface_of_a_slice_is_its_outline(axis):
    """Two discs, four pixels apart: not the whole of them, of which most overlaps."""
    y, x = np.indices((40, 40))
    discs = [(y - 20) ** 2 + (x - middle) ** 2 <= 10**2 for middle in (18, 22)]
    pixel = (0.8, 1.1)  # along x and y
    outlines = [
        np.argwhere(disc & ~ndimage.binary_erosion(disc))[:, ::-1] * pixel for disc in discs
    ]
    gaps = cdist(*outlines)
    directed = [gaps.min(axis=1), gaps.min(axis=0)]
    spacing = list(pixel)
    spacing.insert(2 - axis, 5.0)
    result = surface_distance(*(np.expand_dims(disc, axis) for disc in discs), spacing)
    assert result.average == pytest.approx(np.concatenate(directed).mean(), rel=1e-5)
    assert result.hausdorff == pytest.approx(max(d.max() for d in directed), rel=1e-5)


def test_same_as_brute_force_on_an_anisotropic_grid():
    generator = np.random.default_rng(1)
    first, second = (
        ndimage.gaussian_filter(generator.normal(size=(2, 14, 15, 16)), (0, 2, 2, 2)) > 0.02
    )
    spacing = (0.8, 1.1, 2.5)
    surfaces = []
    for mask in (first, second):
        inner = ndimage.binary_erosion(mask, border_value=0)
        surfaces.append(np.argwhere(mask & ~inner)[:, ::-1] * spacing)
    gaps = cdist(*surfaces)
    directed = [gaps.min(axis=1), gaps.min(axis=0)]
    result = surface_distance(first, second, spacing)
    assert result.hausdorff == pytest.approx(max(d.max() for d in directed), rel=1e-5)
    assert result.hausdorff95 == pytest.approx(
        max(np.percentile(d, 95) for d in directed), rel=1e-5
    )
    assert result.average == pytest.approx(np.concatenate(directed).mean(), rel=1e-5)
    assert result.one_sided == pytest.approx(directed[0].mean(), rel=1e-5)


def test_the_one_sided_distance_is_of_the_first_surface_alone():
    """A small block inside a large one: every voxel of the small surface is near, not so back."""
    small, large = np.zeros((2, 16, 16, 16), bool)
    small[2:5, 2:5, 2:5], large[2:14, 2:14, 2:14] = True, True
    there, back = (
        surface_distance(small, large, (1, 1, 1)),
        surface_distance(large, small, (1, 1, 1)),
    )
    assert there.one_sided < 1 < 5 < back.one_sided and there.average == back.average


def test_same_as_monai():
    metrics = pytest.importorskip("monai.metrics")
    torch = pytest.importorskip("torch")
    first, second = (torch.as_tensor(b[None, None]) for b in blocks())
    theirs = metrics.compute_hausdorff_distance(first, second, True, percentile=95)
    ours = surface_distance(*blocks(), (1.0, 1.0, 1.0))
    assert ours.hausdorff95 == pytest.approx(float(theirs))


def test_empty_mask_is_told():
    first, _ = blocks()
    with pytest.raises(ValueError, match="not empty"):
        surface_distance(first, first & False, (1, 1, 1))
    with pytest.raises(ValueError, match="shapes"):
        dice(first, first[1:])


def test_shell_and_ring_of_a_block():
    first, _ = blocks()
    shell = boundary_shell(first)
    assert shell.sum() == 6 * 6 * 8 - 4 * 4 * 6
    ring = boundary_ring(first, 1)
    assert (ring == ndimage.binary_dilation(shell)).all()
    assert boundary_ring(first, 3)[5, 5, 1]  # three steps outside of x = 4
    assert not boundary_ring(first, 3)[5, 5, 0]


def test_shells_between_labels_count_and_image_edges_do_not():
    labels = np.zeros((4, 4, 6), int)
    labels[..., :2], labels[..., 2:4] = 1, 2
    shell = boundary_shell(labels)
    assert shell[..., 1:4].all()
    assert not shell[..., 0].any()  # the field of view ends there
    assert not shell[..., 4:].any()  # background
