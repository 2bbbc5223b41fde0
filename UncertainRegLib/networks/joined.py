"""Convolutions of joined feature maps that are never joined.

A convolution of channels that stand side by side is the sum of the convolutions of its parts. At
the full resolution of an image the joined channels would be the largest tensor of a network.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# A convolution of three taps along an axis on which every value stands twice is a transposed one of
# stride 2 and four taps: which of the three each of the four adds up.
TWICE = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))


def convolve_both(conv: nn.Conv3d, first: Tensor, second: Tensor) -> Tensor:
    """``conv`` (three taps an axis, padding 1) of the channels of ``first`` and ``second``."""
    weight, count = conv.weight, first.shape[1]
    out = F.conv3d(first, weight[:, :count], conv.bias, padding=1)
    return out.add_(F.conv3d(second, weight[:, count:], padding=1))


def convolve_upsampled(conv: nn.Conv3d, coarse: Tensor, fine: Tensor) -> Tensor:
    """``conv`` (three taps an axis, padding 1) of the channels of ``coarse``, each voxel of which
    stands for 2 x 2 x 2, and of ``fine``."""
    weight, count = conv.weight, coarse.shape[1]
    twice = weight.new_tensor(TWICE)
    taps = torch.einsum("oizyx,az,by,cx->ioabc", weight[:, :count], twice, twice, twice)
    out = F.conv_transpose3d(coarse, taps, conv.bias, stride=2, padding=1)
    return out.add_(F.conv3d(fine, weight[:, count:], padding=1))
