"""Sampling images and composing displacements inside the networks.

Tensors are (B, C, Z, Y, X). Points are (B, Z, Y, X, 3), last axis (x, y, z), in the coordinates of
``grid_sample`` with ``align_corners=True``: -1 and 1 are the centres of the corner voxels.
Displacements in voxels are (B, 3, Z, Y, X) with channel c along array axis c. A 2-D image is a
volume of one slice, in which a displacement along z does nothing.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..geometry.trilinear import SLAB_VOXELS, trilinear


def add_identity(points: Tensor) -> Tensor:
    """Add, in place, the points of the grid itself to offsets of shape (B, Z, Y, X, 3)."""
    for axis, size in enumerate(points.shape[1:4]):
        line = torch.linspace(-1.0, 1.0, size, dtype=points.dtype, device=points.device)
        points[..., 2 - axis] += line.view([-1 if a == axis else 1 for a in range(3)])
    return points


def points_of(displacement: Tensor) -> Tensor:
    """Points reached from every voxel by a displacement in voxels."""
    scale = displacement.new_tensor([2.0 / max(size - 1, 1) for size in displacement.shape[2:]])
    offsets = (displacement.permute(0, 2, 3, 4, 1) * scale).flip(-1).contiguous()
    return add_identity(offsets)


def sample(image: Tensor, points: Tensor, padding: str = "zeros") -> Tensor:
    """Linear interpolation of an image (or field) at points; ``padding`` as in grid_sample."""
    if padding == "border" and image.device.type == "cpu" and not torch.is_grad_enabled():
        return _sampled_by_slabs(image, points)
    return F.grid_sample(image, points, padding_mode=padding, align_corners=True)


def _sampled_by_slabs(image: Tensor, points: Tensor) -> Tensor:
    """What ``grid_sample`` gives with repeated borders, cheaper on a CPU; no gradients."""
    batch, shape = image.shape[0], points.shape[1:4]
    half = points.new_tensor([(size - 1) / 2 for size in reversed(image.shape[2:])])
    planes = max(1, SLAB_VOXELS // (shape[1] * shape[2]))
    found = image.new_empty((batch, image.shape[1], *shape)).contiguous(
        memory_format=torch.channels_last_3d
    )
    for b in range(batch):
        rows = [channel.contiguous().view(-1) for channel in image[b]]
        for first in range(0, shape[0], planes):
            here = slice(first, first + planes)
            index = (points[b, here] + 1) * half
            for c, values in enumerate(trilinear(rows, image.shape[2:], index)):
                found[b, c, here] = values
    return found


def warp(image: Tensor, displacement: Tensor, padding: str = "zeros") -> Tensor:
    """Image sampled at every voxel moved by a displacement in voxels of the same grid."""
    return sample(image, points_of(displacement), padding)


def integrate(velocity: Tensor, steps: int, padding: str = "zeros") -> Tensor:
    """Displacement of a stationary velocity field (voxels) by ``steps`` squarings.

    Arsigny et al., "A Log-Euclidean Framework for Statistics on Diffeomorphisms", MICCAI 2006.
    Outside the grid the velocity is zero, or that of the border.
    """
    displacement = velocity / 2**steps
    for _ in range(steps):
        displacement = displacement + warp(displacement, displacement, padding)
    return displacement


def resize_field(displacement: Tensor, factor: float) -> Tensor:
    """Change a voxel displacement's resolution by a factor, and its values with it.

    VoxelMorph's rule: corner voxels stay corner voxels and values are multiplied by the factor.
    """
    if factor == 1:
        return displacement
    return factor * F.interpolate(
        displacement, scale_factor=factor, mode="trilinear", align_corners=True
    )
