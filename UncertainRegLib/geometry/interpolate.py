"""Values of a voxel array between its voxels, or on another grid: a primitive with two bodies.

What is linear goes through `trilinear` on a CPU, and through torch on a graphics card. All clamp the
position to the outermost voxel centres, so that they give the same values everywhere.
"""

from __future__ import annotations

import numpy as np

from .arrays import Array, as_like, is_torch, namespace
from .grid import Grid
from .trilinear import trilinear

PARALLEL_VOXELS = 1e-3  # axes that differ by less over the whole grid are parallel
SLAB_POINTS = 1 << 16  # of numpy, which goes through its slab once for each sum and product
ON_VOXEL = 1e-6  # voxels: a place so near to a voxel centre is on it


def interpolate(
    values: Array, index: Array, mode: str = "linear", outside: float | None = None
) -> Array:
    """Values at voxel index points.

    Args:
        values: (Z, Y, X) or (Z, Y, X, C).
        index: (..., 3) positions (i, j, k) in voxels.
        mode: "linear" or "nearest".
        outside: value given to points more than half a voxel outside the array; None keeps the
            value of the nearest border voxel.

    Returns:
        (...) or (..., C), float type of ``values`` (linear) or its own type (nearest).
    """
    if mode not in ("linear", "nearest"):
        raise ValueError(f"Interpolation mode is 'linear' or 'nearest', not {mode!r}.")
    result = (_torch if is_torch(values) else _numpy)(values, index, mode)
    if outside is not None:
        inside = inside_index(values.shape[:3], index)
        inside = inside if values.ndim == 3 else inside[..., None]
        result = namespace(values).where(inside, result, _scalar(outside, result))
    return result


def regrid(
    values: Array, old: Grid, new: Grid, mode: str = "linear", outside: float | None = None
) -> Array:
    """Values (Z, Y, X) or (Z, Y, X, C) of the grid ``old`` at the voxels of ``new``.

    Mode, ``outside`` and the type that is returned are those of `interpolate`.
    """
    to_index = np.linalg.inv(old.affine) @ new.affine
    order = _parallel_axes(to_index, new)
    if mode == "linear" and outside is None and order is not None:
        return _along_axes(values, to_index, order, new.shape)
    like = values if is_torch(values) else None
    return interpolate(values, new.affine_points(to_index, like), mode, outside)


def inside_index(shape, index: Array) -> Array:
    """(...) True where (i, j, k) lies in the field of view (half a voxel beyond the centres)."""
    inside = None
    for axis, n in enumerate(tuple(shape)[::-1]):
        here = (index[..., axis] >= -0.5) & (index[..., axis] <= n - 0.5)
        inside = here if inside is None else inside & here
    return inside


def _scalar(value: float, like: Array) -> Array:
    if is_torch(like):
        return namespace(like).as_tensor(value, dtype=like.dtype, device=like.device)
    return np.asarray(value, dtype=like.dtype)


def _numpy(values: np.ndarray, index: np.ndarray, mode: str) -> np.ndarray:
    places, channels = index.reshape(-1, 3), values.reshape(*values.shape[:3], -1)
    if mode == "linear" and not np.issubdtype(values.dtype, np.floating):
        channels = channels.astype(np.float32)
    rows, step = _rows_of(channels)
    found = np.empty((len(places), len(rows)), channels.dtype.newbyteorder("="))
    for first in range(0, len(places), SLAB_POINTS):
        here = slice(first, first + SLAB_POINTS)
        if mode == "nearest":
            at = _nearest(values.shape[:3], places[here]) * step
            slab = [row.take(at) for row in rows]
        else:
            slab = trilinear(rows, values.shape[:3], places[here], step)
        for c, row in enumerate(slab):
            found[here, c] = row
    return found.reshape((*index.shape[:-1], *values.shape[3:]))


def _nearest(shape, places: np.ndarray) -> np.ndarray:
    """Which voxels of a flat array are the nearest; halves are rounded up."""
    at = np.zeros(len(places), np.intp)
    for axis, n in enumerate(shape):
        along = np.floor(places[:, 2 - axis].astype(np.float64) + 0.5)
        at = at * n + np.fmin(np.fmax(along, 0), n - 1).astype(np.intp)  # 0: what is not a number
    return at


def _rows_of(channels: np.ndarray) -> tuple[list[np.ndarray], int]:
    """The channels of an array (Z, Y, X, C) as rows, and the step from a voxel to the next, see
    `trilinear`; views of it where its channels lie beside each other in memory or apart, else copies.
    """
    if channels.flags.c_contiguous:
        flat, count = channels.reshape(-1), channels.shape[-1]
        return [flat[c:] for c in range(count)], count
    return [
        np.ascontiguousarray(channels[..., c]).reshape(-1) for c in range(channels.shape[-1])
    ], 1


def _torch(values, index, mode: str):
    torch = namespace(values)
    kept = values.dtype
    values = values if values.is_floating_point() else values.float()
    if mode == "linear" and values.device.type == "cpu":
        channels = [values] if values.ndim == 3 else values.unbind(-1)
        rows = [one.contiguous().view(-1) for one in channels]
        found = trilinear(rows, values.shape[:3], index.to(values.dtype))
        return found[0] if values.ndim == 3 else torch.stack(found, -1)
    channels = values[None, None] if values.ndim == 3 else values.permute(3, 0, 1, 2)[None]
    size = torch.as_tensor(values.shape[:3][::-1], dtype=index.dtype, device=index.device)
    unit = (index * (2.0 / torch.clamp(size - 1, min=1))).sub_(1.0)
    where = unit[None] if index.ndim == 4 else unit.reshape(1, 1, 1, -1, 3)
    result = torch.nn.functional.grid_sample(
        channels,
        where.to(values.dtype),
        mode="bilinear" if mode == "linear" else "nearest",
        padding_mode="border",
        align_corners=True,
    )
    result = result[0].permute(1, 2, 3, 0)
    result = result.reshape(*index.shape[:-1], channels.shape[1])
    result = result[..., 0] if values.ndim == 3 else result
    return result if mode == "linear" else result.to(kept)


def _parallel_axes(to_index: np.ndarray, grid: Grid) -> list[int] | None:
    """Which old axis runs along the new axes i, j and k; None where the grids are oblique.

    Args:
        to_index: (4, 4) from the voxels of the new ``grid`` to the old ones.
    """
    moved = np.abs(to_index[:3, :3]) * grid.size  # voxels along each old axis, by each new one
    order = moved.argmax(axis=0).tolist()
    beside = moved.copy()
    beside[order, range(3)] = 0.0
    if sorted(order) != [0, 1, 2] or beside.sum(axis=1).max() >= PARALLEL_VOXELS:
        return None
    return order


def _along_axes(values: Array, to_index: np.ndarray, order: list[int], shape) -> Array:
    """The linear values, one axis after the other: several times as fast as point by point."""
    if is_torch(values):
        values = values if values.is_floating_point() else values.float()
    elif not np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float32)
    # array axes are (k, j, i)
    rest = range(3, values.ndim)
    turn = [2 - order[2 - axis] for axis in range(3)] + list(rest)
    values = values.permute(turn) if is_torch(values) else values.transpose(turn)
    # What becomes smaller comes first; the last, largest step copies whole slices.
    for axis in sorted((2, 1, 0), key=lambda a: shape[a] / values.shape[a]):
        last = values.shape[axis] - 1
        old = order[2 - axis]
        places = to_index[old, 3] + to_index[old, 2 - axis] * np.arange(shape[axis])
        places = places.clip(0, last)
        whole = np.rint(places)
        if np.abs(places - whole).max() < ON_VOXEL:
            if not np.array_equal(whole, np.arange(last + 1)):
                values = _rows(values, whole.astype(int), axis)
            continue
        below = places.astype(int)
        share = as_like(places - below, values)
        low = _rows(values, below, axis)
        high = _rows(values, np.minimum(below + 1, last), axis)
        high -= low
        high *= share.reshape([-1 if a == axis else 1 for a in range(values.ndim)])
        high += low
        values = high
    return values.contiguous() if is_torch(values) else np.ascontiguousarray(values)


def _rows(values: Array, at: np.ndarray, axis: int) -> Array:
    """The slices ``at`` of an axis."""
    if is_torch(values):
        return values.index_select(axis, namespace(values).as_tensor(at, device=values.device))
    return values.take(at, axis)
