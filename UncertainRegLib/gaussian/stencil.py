"""The sparsity pattern of the triangular factor: a 3 x 3 x 3 neighbourhood in raster order.

Row (c, v) of the upper triangular matrix U = L^T holds, for component c at voxel v,

- the diagonal ``diag[c, v]``,
- ``off[c, f, v]``, the weight of the same component at the voxel ``v + OFFSETS[f]``, for the 13
  neighbours that come after the centre in raster order, and
- ``cross[p, v]``, the weight of component j at the same voxel, for ``(c, j) = CROSS[p]``, c < j:

3 + 3 * 13 + 3 = 45 numbers a voxel. U is upper triangular in voxel-major and in channel-major
order alike. Weights of neighbours outside the grid are ignored and get a zero gradient.
(Simpson & Campbell, "Structured SIR", section 3.2; Dorta et al., CVPR 2018, for the 2-D pattern.)
"""

import itertools

import torch

OFFSETS = tuple(itertools.product((-1, 0, 1), repeat=3))[14:]  # (dz, dy, dx), after the centre
CROSS = ((0, 1), (0, 2), (1, 2))


def overlap(offset: tuple[int, int, int], shape: tuple[int, int, int]) -> tuple[tuple, tuple]:
    """Indices of the voxels v with v + offset inside the grid, and of v + offset.

    Both index the last three axes of an array over the grid ``shape`` = (Z, Y, X).
    """
    here = tuple(slice(max(0, -d), n - max(0, d)) for d, n in zip(offset, shape, strict=True))
    there = tuple(slice(max(0, d), n - max(0, -d)) for d, n in zip(offset, shape, strict=True))
    return (..., *here), (..., *there)


def multiply_upper(diag, off, cross, x):
    """U x = L^T x as 13 shifted multiply-adds; borders drop out.

    Args:
        diag: (B, 3, Z, Y, X); off: (B, 3, 13, Z, Y, X); cross: (B, 3, Z, Y, X).
        x: (B, N, 3, Z, Y, X).

    Returns:
        (B, N, 3, Z, Y, X).
    """
    y = diag[:, None] * x
    for f, offset in enumerate(OFFSETS):
        here, there = overlap(offset, x.shape[-3:])
        y[here].addcmul_(off[:, None, :, f][here], x[there])
    for p, (i, j) in enumerate(CROSS):
        y[:, :, i].addcmul_(cross[:, None, p], x[:, :, j])
    return y


def multiply_lower(diag, off, cross, x):
    """L x, with the shapes of `multiply_upper`."""
    y = diag[:, None] * x
    for f, offset in enumerate(OFFSETS):
        here, there = overlap(offset, x.shape[-3:])
        y[there].addcmul_(off[:, None, :, f][here], x[here])
    for p, (i, j) in enumerate(CROSS):
        y[:, :, j].addcmul_(cross[:, None, p], x[:, :, i])
    return y


def outer_on_pattern(left, right):
    """Sum over N of left right^T, on the pattern of U: the gradient of left^T U right.

    Args:
        left, right: (B, N, 3, Z, Y, X).

    Returns:
        (diag, off, cross) in the shapes of `multiply_upper`.
    """
    diag = (left * right).sum(1)
    off = diag.new_zeros(diag.shape[0], 3, len(OFFSETS), *diag.shape[-3:])
    for f, offset in enumerate(OFFSETS):
        here, there = overlap(offset, diag.shape[-3:])
        off[:, :, f][here] = (left[here] * right[there]).sum(1)
    cross = [(left[:, :, i] * right[:, :, j]).sum(1) for i, j in CROSS]
    return diag, off, torch.stack(cross, 1)


def read_backwards(diag, off, cross):
    """The weights of L in reversed order (last voxel and last component first).

    Reversing the order turns the lower triangular L into an upper triangular matrix with the same
    pattern, so L^-1 needs no solver of its own: L^-1 b = J U'^-1 J b, where J reverses the order.
    """
    space, components = (-3, -2, -1), (1,)
    moved = torch.zeros_like(off)
    for f, offset in enumerate(OFFSETS):
        here, there = overlap(offset, off.shape[-3:])
        moved[:, :, f][there] = off[:, :, f][here]
    return (
        diag.flip(components + space),
        moved.flip(components + space),
        cross.flip(components + space),  # pairs (0,1), (0,2), (1,2) become (1,2), (0,2), (0,1)
    )
