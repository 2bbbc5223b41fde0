"""Which part of the fixed image can see a part of the moving one.

Structures are often small beside the image. What no voxel of a fixed box is mapped to need not be
looked for there.
"""

from __future__ import annotations

import numpy as np

from ..geometry.arrays import namespace, to_numpy
from ..geometry.field import DisplacementField
from ..geometry.grid import Grid

WORTH = 4  # so many fixed voxels for one of the field: else looking costs as much as it saves


def reach(
    field: DisplacementField, moving: Grid, low: np.ndarray, high: np.ndarray, fixed: Grid
) -> tuple[slice, slice, slice]:
    """A box of the fixed grid, as slices (Z, Y, X); no voxel outside of it is mapped into a box of
    the moving grid.

    A field is linear in each cell of its grid, so it maps a cell into the hull of where the eight
    corners go. Cells whose hulls may meet the box are kept, and the box around them is returned;
    the whole grid where the field is not coarser than the fixed grid, or ends before it.

    Args:
        field: displacement, fixed to moving.
        moving: grid of the moving image.
        low, high: (3,) voxel index (i, j, k) of the corners of the box in it.
        fixed: the fixed grid.
    """
    whole = tuple(slice(0, n) for n in fixed.shape)
    corners = field.grid.to_index(fixed.corners())
    beyond = (corners < -1).any() or (corners > field.grid.size).any()
    if beyond or np.prod(fixed.shape) < WORTH * np.prod(field.grid.shape):
        return whole
    first = last = field.mapped_index(moving)
    xp = namespace(first)
    for axis in range(3):
        before = tuple(slice(None, -1) if each == axis else slice(None) for each in range(3))
        after = tuple(slice(1, None) if each == axis else slice(None) for each in range(3))
        first = xp.minimum(first[before], first[after])
        last = xp.maximum(last[before], last[after])
    # Beyond its outermost voxels a field goes on with the vectors of the border, for one voxel here.
    step = np.abs(np.linalg.inv(moving.affine)[:3, :3] @ field.grid.affine[:3, :3]).sum(axis=1)
    meets = to_numpy(last) >= (low - step).astype(np.float32)
    meets &= to_numpy(first) <= (high + step).astype(np.float32)
    cells = np.argwhere(meets.all(axis=-1))
    if not len(cells):
        return (slice(0, 0),) * 3
    start, stop = cells.min(axis=0) - 1, cells.max(axis=0) + 2  # a voxel more on every side
    kept = field.grid.part(start[::-1], stop - start + 1)
    index = fixed.to_index(kept.corners())
    start = np.clip(np.floor(index.min(axis=0)), 0, fixed.size).astype(int)
    stop = np.clip(np.ceil(index.max(axis=0)) + 1, 0, fixed.size).astype(int)
    return tuple(slice(int(a), int(b)) for a, b in zip(start[::-1], stop[::-1]))
