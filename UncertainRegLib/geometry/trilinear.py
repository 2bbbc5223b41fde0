"""Linear interpolation on a CPU, whole rows of corners and of weights at a time.

One voxel at a time, as in scipy's ``map_coordinates`` and in the 3-D ``grid_sample`` of torch, it takes
two to four times as long in numpy, and half as long again in torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .arrays import Array, as_like, is_torch, namespace

SLAB_VOXELS = 1 << 18  # what is computed of so many voxels at a time stays in a CPU's cache


def trilinear(rows: list[Array], shape: Sequence[int], index: Array, step: int = 1) -> list[Array]:
    """Linear values (...) of each of the ``rows`` at voxel index points, border repeated.

    Best called for no more than ``SLAB_VOXELS`` points.

    Args:
        rows: one a channel, flat, of one float type; the voxel (i, j, k) lies at
            ``step * ((k * ny + j) * nx + i)``.
        shape: (nz, ny, nx).
        index: (..., 3) positions (i, j, k) in voxels; in torch of the same float type.
    """
    places, xp = index.reshape(-1, 3), namespace(index)
    corner: Array = 0  # the lowest of the eight around each point, in the rows
    weights, steps, last = [], [], -step
    for axis, n in enumerate(reversed(shape)):
        place = xp.clip(places[:, axis], 0, n - 1)
        below = xp.clip(xp.floor(place), 0, max(n - 2, 0))
        weight = as_like(place - below, rows[0])
        weights.append((weight, None if is_torch(weight) else np.flatnonzero(weight == 1)))
        below = _whole(below)
        below *= step
        below += corner
        corner = below
        steps.append(step if n > 1 else 0)
        step *= n
    # A place that is not a number has a value that is none either: any corner will do.
    corner = xp.clip(corner, 0, step + last - sum(steps))

    def between(row: Array, axis: int) -> Array:
        """Interpolated along the axes up to ``axis``, from the corner in what is left of a row."""
        if axis < 0:
            return row.index_select(0, corner) if is_torch(row) else row.take(corner)
        low, high = between(row, axis - 1), between(row[steps[axis] :], axis - 1)
        weight, ends = weights[axis]
        if is_torch(row):
            return low.lerp_(high, weight)
        kept = high[ends]  # on the last voxel of an axis: its own value, whatever is before it
        high -= low
        high *= weight
        high += low
        high[ends] = kept
        return high

    return [between(row, 2).reshape(index.shape[:-1]) for row in rows]


def _whole(numbers: Array) -> Array:
    """Rounded numbers as integers, of the type that picks fastest."""
    if is_torch(numbers):
        return numbers.int()
    with np.errstate(invalid="ignore"):  # what is not a number
        return numbers.astype(np.intp)
