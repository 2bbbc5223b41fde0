"""The grids that trained networks compute on, and the way from their voxels back to mm."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ..geometry import DisplacementField, Grid, Image
from ..geometry.arrays import Array, turned
from ..geometry.foreground import above_mean

TOWARDS = {
    "L": (1, 0, 0),
    "R": (-1, 0, 0),
    "P": (0, 1, 0),
    "A": (0, -1, 0),
    "S": (0, 0, 1),
    "I": (0, 0, -1),
}


def trained_grid(image: Image, shape: Sequence[int], spacing_mm: float, axes: str) -> Grid:
    """The grid of a network trained on images of one shape, spacing and orientation.

    Args:
        image: the fixed image; the new grid keeps its axes, only their order and signs change.
        shape: array shape the network was trained on.
        spacing_mm: its isotropic voxel size.
        axes: the anatomical direction towards which each array axis runs, e.g. "LIA".

    Returns:
        A grid centred on the field of view, or on the foreground (mask, or intensities above the
        mean) where the field of view is larger than the network's.
    """
    order, signs = _matching_axes(
        np.array([TOWARDS[letter] for letter in axes], float), image.grid.direction
    )
    # columns of the affine are (i, j, k), array axes (k, j, i)
    columns = (image.grid.direction[:, order] * signs)[:, ::-1]
    size = np.array(tuple(shape)[::-1])
    center = image.grid.center
    if np.any(image.grid.extent_mm[order][::-1] > size * spacing_mm + 0.5 * spacing_mm):
        found = np.argwhere(above_mean(image))[:, ::-1]
        center = image.grid.to_world((found.min(axis=0) + found.max(axis=0)) / 2.0)
    affine = np.eye(4)
    affine[:3, :3] = columns * spacing_mm
    affine[:3, 3] = center - affine[:3, :3] @ ((size - 1) / 2.0)
    return Grid(shape, affine)


def centred_grid(
    image: Image, shape: Sequence[int], spacing_mm: float, axes: str | None = None
) -> Grid:
    """A grid with its centre at the image's centre; ``axes`` as for `trained_grid`, or None for
    the image's own."""
    grid = trained_grid(image, shape, spacing_mm, axes or axes_of(image.grid))
    affine = grid.affine.copy()
    affine[:3, 3] += image.grid.center - grid.center
    return Grid(shape, affine)


def axes_of(grid: Grid) -> str:
    """The letters of the directions towards which the array axes run most nearly, e.g. "SPL"."""
    order, signs = _matching_axes(np.eye(3), grid.direction)
    letter = {
        int(column): ("LPS" if sign > 0 else "RAI")[axis]
        for axis, (column, sign) in enumerate(zip(order, signs))
    }
    return letter[2] + letter[1] + letter[0]  # array axes are (k, j, i)


def reordered(image: Image, reference: Grid) -> Image:
    """The same voxels with axes swapped and flipped so that they run like those of a reference."""
    order, signs = _matching_axes(reference.direction.T, image.grid.direction)
    affine = image.grid.affine.copy()
    columns = image.grid.affine[:3, :3][:, order]
    size = image.grid.size[order]
    affine[:3, 3] += columns @ np.where(signs < 0, size - 1, 0)
    affine[:3, :3] = columns * signs
    # array axis a holds index 2 - a
    transpose = [2 - order[2 - a] for a in range(3)]
    flip = tuple(slice(None, None, int(signs[2 - a])) for a in range(3))

    def turned(array: Array) -> Array:
        return np.ascontiguousarray(array.transpose(transpose)[flip])

    mask = None if image.mask is None else turned(image.mask)
    return Image(turned(image.array), Grid(tuple(size[::-1]), affine), mask)


def field_from_voxels(displacement: Array, fixed: Grid, moving: Grid) -> DisplacementField:
    """Field in mm LPS of a network that maps voxels of its fixed to voxels of its moving grid.

    Args:
        displacement: (Z, Y, X, 3) in voxels, last axis along the array axes (k, j, i).
        fixed, moving: grids of the two network inputs, of equal shape; index p of the fixed one
            corresponds to index p + displacement of the moving one.
    """
    vectors = turned(displacement, moving.affine[:3, 2::-1].T)
    if fixed != moving:
        vectors = vectors + fixed.affine_points(moving.affine - fixed.affine, displacement)
    return DisplacementField(vectors, fixed)


def _matching_axes(wanted: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of ``direction`` (order) and their signs that best follow the rows of ``wanted``."""
    likeness = wanted @ direction
    orders = [np.array(order) for order in itertools.permutations(range(3))]
    order = max(orders, key=lambda o: np.abs(likeness[np.arange(3), o]).sum())
    return order, np.where(likeness[np.arange(3), order] < 0, -1.0, 1.0)
