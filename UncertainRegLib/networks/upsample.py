"""Cubic interpolation of a field from a coarse to a fine grid over the same field of view."""

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=32)
def _matrix(n: int, m: int) -> Tensor:
    """(m, n) cubic convolution (Keys 1981, a = -1/2) from n to m samples, edge to edge.

    Voxels beyond the border repeat it. Rows add up to one.
    """
    centre = (torch.arange(m, dtype=torch.float64) + 0.5) * n / m - 0.5
    first = centre.floor()
    matrix = torch.zeros(m, n, dtype=torch.float64)
    for k in range(-1, 3):
        t = (centre - first - k).abs()
        near = 1.5 * t**3 - 2.5 * t**2 + 1
        far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
        weight = torch.where(t <= 1, near, far)
        column = (first.long() + k).clamp(0, n - 1)
        matrix[torch.arange(m), column] += weight
    return matrix


def upsample_cubic(field: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Values (..., Z, Y, X) on the grid ``shape``; the values themselves keep their unit."""
    for axis, m in zip((-3, -2, -1), shape):
        n = field.shape[axis]
        if n != m:
            matrix = _matrix(n, m).to(field)
            field = (field.transpose(axis, -1) @ matrix.T).transpose(axis, -1)
    return field
