"""Linear interpolation of torch tensors on a CPU."""

from __future__ import annotations

from .arrays import Array

SLAB_VOXELS = 1 << 18  # what is computed of so many voxels at a time stays in a CPU's cache


def trilinear(channels: list[Array], index: Array) -> list[Array]:
    """Linear values (...) of each of the ``channels`` at voxel index points, border repeated.

    The 3-D ``grid_sample`` of torch computes one voxel at a time on a CPU; whole rows of corners
    and of weights cost two thirds. Best called for no more than ``SLAB_VOXELS`` points.

    Args:
        channels: (Z, Y, X) each, of one shape and float type, contiguous.
        index: (..., 3) positions (i, j, k) in voxels, of the same float type.
    """
    corner: Array = 0  # the lowest of the eight around each point, in the flat channels
    weights, steps, stride = [], [], 1
    for axis, n in enumerate(reversed(channels[0].shape)):
        place = index[..., axis].reshape(-1).clamp(0, n - 1)
        below = place.floor().clamp_(max=max(n - 2, 0))
        weights.append(place - below)
        corner = below.int().mul_(stride).add_(corner)
        steps.append(stride if n > 1 else 0)
        stride *= n
    # A place that is not a number has a value that is none either: any corner will do.
    corner = corner.clamp_(0, stride - 1 - sum(steps))

    def between(flat, offset: int, axis: int):
        """Interpolated along the axes up to ``axis``, from the corner moved by ``offset``."""
        if axis < 0:
            return flat[offset:].index_select(0, corner)
        low = between(flat, offset, axis - 1)
        return low.lerp_(between(flat, offset + steps[axis], axis - 1), weights[axis])

    return [between(one.view(-1), 0, 2).view(index.shape[:-1]) for one in channels]
