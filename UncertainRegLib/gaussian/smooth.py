"""Smooth stationary noise as a sparse triangular factor, in closed form."""

from collections.abc import Sequence

import torch

from .sparse import SparseFactor
from .stencil import OFFSETS


def smooth_factor(
    shape: tuple[int, int, int], sd: Sequence[float], length: float, device: str = "cpu"
) -> SparseFactor:
    """L with (L L^T)^-1 the covariance sd_c^2 exp(-(|dz| + |dy| + |dx|) / length).

    Along a line, exponential covariance is what the diffusion prior with a mass term gives, and
    its triangular factor has two entries a row: 1 / s and -a / s with a = exp(-1 / length) and
    s^2 = 1 - a^2 (the last row: 1). On a grid the factor is the Kronecker product of the three
    lines, whose neighbours (0 or 1 along each axis) are all in the stencil: the covariance is
    exact, also at the border, and needs no approximate factorisation.

    Args:
        shape: (Z, Y, X).
        sd: standard deviation of the three components, in the field's unit.
        length: correlation length in voxels, positive.
    """
    a = torch.exp(torch.tensor(-1.0 / length, dtype=torch.float64))
    s = (1 - a * a).sqrt()
    lines = []  # for each axis the entries of a row at distance 0 and 1
    for n in shape:
        here = torch.full((n,), 1 / s)
        here[-1] = 1
        lines.append((here, torch.full((n,), -a / s)))
    scale = 1 / torch.as_tensor(sd, dtype=torch.float64)

    def entries(offset):
        z, y, x = (line[step] for line, step in zip(lines, offset))
        values = z[:, None, None] * y[:, None] * x
        return (scale.view(3, 1, 1, 1) * values).float()[None].to(device)

    diag = entries((0, 0, 0))
    off = torch.zeros(1, 3, len(OFFSETS), *shape, device=device)
    for f, offset in enumerate(OFFSETS):
        if min(offset) >= 0:
            off[:, :, f] = entries(offset)
    return SparseFactor(diag, off, torch.zeros_like(diag))
