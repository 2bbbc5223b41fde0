"""Losses against values known without them."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from UncertainRegLib.training.losses import mse, nlcc, one_hot, smoothness, soft_dice


def noise(seed, shape=(1, 1, 9, 10, 11)):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def direct_nlcc(a, b, window):
    """Equation 1 of Gong et al., voxel by voxel, by numpy's correlation."""
    a, b, r = a.double().numpy()[0, 0], b.double().numpy()[0, 0], window // 2
    values = []
    for index in np.ndindex(a.shape):
        box = tuple(slice(max(i - r, 0), i + r + 1) for i in index)
        values.append(np.corrcoef(a[box].ravel(), b[box].ravel())[0, 1] ** 2)
    return np.mean(values)


def test_nlcc_is_the_mean_squared_local_correlation():
    a, b = noise(0), noise(1)
    b = 0.5 * a + 0.5 * b
    assert float(nlcc(a, b, 5)) == pytest.approx(direct_nlcc(a, b, 5), abs=1e-4)


def test_nlcc_averages_over_the_voxels_inside():
    a, b = noise(0), noise(1)
    inside = torch.zeros_like(a, dtype=torch.bool)
    inside[..., 2:5] = True
    whole = [float(nlcc(a, b, 3, mask)) for mask in (inside, ~inside)]
    share = float(inside.float().mean())
    assert share * whole[0] + (1 - share) * whole[1] == pytest.approx(
        float(nlcc(a, b, 3)), abs=1e-6
    )
    assert abs(whole[0] - whole[1]) > 1e-4


def test_nlcc_ignores_gain_and_offset_and_has_no_value_in_flat_places():
    a = noise(0)
    assert float(nlcc(a, 0.2 + 0.3 * a, 3)) == pytest.approx(1, abs=1e-3)
    assert float(nlcc(a, torch.full_like(a, 0.7), 3)) == pytest.approx(0, abs=1e-3)


def test_nlcc_of_a_slice_is_that_of_its_plane():
    a, b = noise(0, (1, 1, 1, 10, 11)), noise(1, (1, 1, 1, 10, 11))
    assert float(nlcc(a, b, 5)) == pytest.approx(direct_nlcc(a, b, 5), abs=1e-4)


def test_mse_and_its_weight():
    a, b = torch.zeros(1, 1, 2, 2, 2), torch.ones(1, 1, 2, 2, 2) * 3
    assert float(mse(a, b)) == 9
    assert float(mse(a, b, torch.full_like(a, 0.5))) == 4.5


def test_soft_dice_of_overlapping_boxes():
    a, b = torch.zeros(1, 1, 4, 4, 4), torch.zeros(1, 1, 4, 4, 4)
    a[..., :2], b[..., 1:3] = 1, 1
    assert float(soft_dice(a, b)) == pytest.approx(0.5)
    assert float(soft_dice(a, a)) == pytest.approx(1)
    absent = torch.zeros_like(a)
    pair = torch.cat((a, absent), 1), torch.cat((b, absent), 1)
    assert float(soft_dice(*pair)) == pytest.approx(0.75)  # a class in neither counts as 1


def test_smoothness_of_a_linear_field():
    z, y, x = torch.meshgrid(torch.arange(4.0), torch.arange(5.0), torch.arange(6.0), indexing="ij")
    field = torch.stack((2 * z, 0 * y, 3 * x + y))[None]
    assert float(smoothness(field)) == pytest.approx((4 + 9 + 1) / 3)
    assert float(smoothness(field[:, :, :1])) == pytest.approx((9 + 1) / 3)  # one slice


def test_each_convention_of_the_squared_gradient_is_the_multiple_it_says():
    """By hand: literal sum over components; VoxelMorph's mean over axes, components and voxels."""
    field = noise(3, (2, 3, 4, 5, 6))
    axes = [field.diff(dim=axis).square() for axis in (2, 3, 4)]
    literal = sum(each.sum(1).mean() for each in axes)
    published = 2 * sum(each.mean() for each in axes) / 3
    assert float(smoothness(field, "paper")) == pytest.approx(float(literal))
    assert float(smoothness(field, "code")) == pytest.approx(float(published))
    assert float(smoothness(field)) == pytest.approx(1.5 * float(published))
    flat = noise(4, (2, 3, 1, 5, 6))
    flat[:, 0] = 0  # nothing moves across a slice: the authors have two channels
    axes = [flat[:, 1:].diff(dim=axis).square() for axis in (3, 4)]
    published = 2 * sum(each.mean() for each in axes) / 2
    assert float(smoothness(flat, "code")) == pytest.approx(float(published))
    assert float(smoothness(flat, "paper")) == pytest.approx(
        float(sum(each.sum(1).mean() for each in axes))
    )
    for score, parts in ((noise(5, (2, 1, 4, 5, 6)), 3), (noise(5, (2, 1, 1, 5, 6)), 2)):
        ours = float(smoothness(score))
        assert float(smoothness(score, "paper")) == pytest.approx(ours)
        assert float(smoothness(score, "code")) == pytest.approx(ours / parts)


def test_one_hot_leaves_unknown_values_out():
    labels = torch.tensor([0, 1, 2, 7]).view(1, 1, 1, 1, 4)
    assert one_hot(labels, (0, 2))[0, :, 0, 0].tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]
