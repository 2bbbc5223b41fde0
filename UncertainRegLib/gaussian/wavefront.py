"""Exact solution of U x = b by wavefronts, in torch on any device: the reference solver.

The voxels of one level t = 4 z + 2 y + x depend only on higher levels (every neighbour after the
centre in raster order raises t by at least 1), so a level is solved at once. There are
4 (Z - 1) + 2 (Y - 1) + X levels: fewest when the shortest axis of the grid comes first.
"""

from functools import lru_cache
from itertools import pairwise

import torch

from .stencil import OFFSETS


@lru_cache(maxsize=4)
def _levels(shape: tuple[int, int, int], device: torch.device):
    """Voxels sorted by falling level, their 13 neighbours in that order, and the level bounds."""
    z, y, x = torch.meshgrid(*(torch.arange(n) for n in shape), indexing="ij")
    level = (4 * z + 2 * y + x).flatten()
    order = torch.argsort(level, descending=True, stable=True)
    count = level.numel()
    rank = torch.empty(count, dtype=torch.long)
    rank[order] = torch.arange(count)

    neighbours = torch.full((len(OFFSETS), count), count)  # `count` is a slot that stays zero
    for f, (dz, dy, dx) in enumerate(OFFSETS):
        inside = (z + dz < shape[0]) & (y + dy >= 0) & (y + dy < shape[1])
        inside = (inside & (x + dx >= 0) & (x + dx < shape[2])).flatten()
        step = (dz * shape[1] + dy) * shape[2] + dx
        voxels = torch.arange(count)[inside]
        neighbours[f, rank[voxels]] = rank[voxels + step]
    sizes = torch.unique_consecutive(level[order], return_counts=True)[1]
    bounds = [0, *torch.cumsum(sizes, 0).tolist()]
    return order.to(device), neighbours.to(device), bounds


def solve_upper(diag, off, cross, b):
    """x with U x = b, exact up to rounding.

    Args:
        diag: (B, 3, Z, Y, X); off: (B, 3, 13, Z, Y, X); cross: (B, 3, Z, Y, X).
        b: (B, N, 3, Z, Y, X).

    Returns:
        (B, N, 3, Z, Y, X), on the device of b.
    """
    order, neighbours, bounds = _levels(tuple(b.shape[-3:]), b.device)
    batch, n = b.shape[:2]
    # voxels in solving order, samples last: (B, 3, Nv, N)
    diag = diag.flatten(-3)[..., order, None]
    off = off.flatten(-3)[..., order]
    cross = cross.flatten(-3)[..., order, None]
    rhs = b.flatten(-3).permute(0, 2, 3, 1)[:, :, order]
    x = b.new_zeros(batch, 3, order.numel() + 1, n)

    for lo, hi in pairwise(bounds):
        after = x[:, :, neighbours[:, lo:hi].flatten()].unflatten(2, (len(OFFSETS), hi - lo))
        r = rhs[:, :, lo:hi] - (off[..., lo:hi, None] * after).sum(2)
        d, (c01, c02, c12) = diag[:, :, lo:hi], cross[:, :, lo:hi].unbind(1)
        x2 = r[:, 2] / d[:, 2]
        x1 = (r[:, 1] - c12 * x2) / d[:, 1]
        x0 = (r[:, 0] - c01 * x1 - c02 * x2) / d[:, 0]
        x[:, :, lo:hi] = torch.stack((x0, x1, x2), 1)

    out = torch.empty_like(rhs)
    out[:, :, order] = x[:, :, :-1]
    return out.permute(0, 3, 1, 2).unflatten(-1, b.shape[-3:])
