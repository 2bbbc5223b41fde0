"""Feature maps that are convolved without being joined, and points that are sampled by slabs."""

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from UncertainRegLib.networks import warp  # noqa: E402
from UncertainRegLib.networks.joined import convolve_both, convolve_upsampled  # noqa: E402
from UncertainRegLib.randomness import torch_generator  # noqa: E402


def numbers(*shape):
    return torch.randn(shape, generator=torch_generator(1, "features", *shape), dtype=torch.float64)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_the_sum_of_the_parts_is_the_convolution_of_the_joined(bias, layout):
    """Also on the border, where voxels beyond it count as zero."""
    conv = torch.nn.Conv3d(5, 4, 3, padding=1, bias=bias).double().to(memory_format=layout)
    fine = numbers(2, 3, 6, 8, 10).contiguous(memory_format=layout)
    both, coarse = (
        numbers(*shape).contiguous(memory_format=layout)
        for shape in ((2, 2, 6, 8, 10), (2, 2, 3, 4, 5))
    )
    joined = conv(torch.cat((both, fine), 1))
    torch.testing.assert_close(convolve_both(conv, both, fine), joined)
    joined = conv(torch.cat((F.interpolate(coarse, scale_factor=2), fine), 1))
    torch.testing.assert_close(convolve_upsampled(conv, coarse, fine), joined)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_points_sampled_by_slabs_have_the_values_of_grid_sample(layout, monkeypatch):
    """Two images with two channels each, of another size than the points; some lie outside."""
    image = numbers(2, 2, 4, 5, 6).contiguous(memory_format=layout)
    points = 0.7 * numbers(2, 7, 3, 8, 3)
    wanted = F.grid_sample(image, points, padding_mode="border", align_corners=True)
    monkeypatch.setattr(warp, "SLAB_VOXELS", 2 * 3 * 8)
    with torch.no_grad():
        torch.testing.assert_close(warp.sample(image, points, "border"), wanted)


def test_a_training_still_gets_its_gradient():
    """By grid_sample, as the slabs have none."""
    image = numbers(1, 1, 4, 5, 6).requires_grad_()
    warp.sample(image, 0.5 * numbers(1, 3, 3, 3, 3), "border").sum().backward()
    assert image.grad.sum() == pytest.approx(27.0)
