"""A regular voxel grid in physical space (LPS, millimetres)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .arrays import Array, as_like, axis_range, is_torch, namespace
from .trilinear import SLAB_VOXELS

SHEAR_VOXELS = 0.1  # less, anywhere in the field of view, is rounding of a header


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxel grid of an image or a displacement field.

    Attributes:
        shape: (Z, Y, X) = number of voxels along (k, j, i), the order of numpy arrays.
        affine: (4, 4) float64, maps voxel index (i, j, k, 1) to LPS millimetres.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "affine", np.array(self.affine, dtype=np.float64))
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"A grid needs three positive sizes, got {self.shape}.")
        if self.affine.shape != (4, 4) or abs(np.linalg.det(self.affine[:3, :3])) < 1e-12:
            raise ValueError("A grid needs an invertible 4x4 index-to-LPS matrix.")

    @classmethod
    def from_spacing(cls, shape, spacing=(1, 1, 1), origin=(0, 0, 0), direction=None) -> Grid:
        """Grid from spacing (mm along i, j, k), origin (LPS mm) and direction (3x3 columns)."""
        affine = np.eye(4)
        direction = np.eye(3) if direction is None else np.asarray(direction, float).reshape(3, 3)
        affine[:3, :3] = direction * np.asarray(spacing, float)
        affine[:3, 3] = origin
        return cls(shape, affine)

    def __eq__(self, other: object) -> bool:  # it tolerates rounding, so there is no hash
        return (
            isinstance(other, Grid)
            and self.shape == other.shape
            and np.allclose(self.affine, other.affine, rtol=0, atol=1e-4)
        )

    @property
    def size(self) -> np.ndarray:
        """Number of voxels along i, j, k (the reverse of ``shape``)."""
        return np.array(self.shape[::-1])

    @property
    def spacing(self) -> np.ndarray:
        """Voxel size in mm along i, j, k."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def direction(self) -> np.ndarray:
        """(3, 3) unit columns: the LPS directions of i, j, k. Determinant −1 if left-handed."""
        return self.affine[:3, :3] / self.spacing

    @property
    def origin(self) -> np.ndarray:
        """LPS mm of the centre of voxel (0, 0, 0)."""
        return self.affine[:3, 3].copy()

    @property
    def center(self) -> np.ndarray:
        """LPS mm of the centre of the field of view."""
        return self.to_world((self.size - 1) / 2.0)

    @property
    def extent_mm(self) -> np.ndarray:
        """Length of the field of view along i, j, k in mm, from voxel edge to voxel edge."""
        return self.size * self.spacing

    @property
    def voxel_mm(self) -> float:
        """Edge in mm of a cube of the volume of a voxel."""
        return float(np.cbrt(abs(np.linalg.det(self.affine[:3, :3]))))

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3])) / 1000.0)

    @property
    def is_right_angled(self) -> bool:
        """Does it equal, to a tenth of a voxel everywhere, a grid whose axes are orthogonal?

        ITK images, MRML volumes and segmentations have no others; see `right_angled`.
        """
        left, _, right = np.linalg.svd(self.direction)
        axes = left @ right  # the nearest orthogonal ones
        straight = Grid.from_spacing(self.shape, self.spacing, (0, 0, 0), axes).affine
        straight[:3, 3] = self.center - straight[:3, :3] @ ((self.size - 1) / 2.0)
        return largest_shift(self.affine, straight, self.size)[0] <= SHEAR_VOXELS

    def right_angled(self) -> Grid:
        """The smallest right-angled grid around a sheared one, through its first voxel.

        The two axes nearest to a right angle stay (the slices of a tilted gantry are only shifted
        in their plane); the third becomes their normal.
        """
        axes, spacing = _straightened(self.affine[:3, :3])
        start, corners = self.origin @ axes, self.corners() @ axes
        first = np.floor((corners.min(0) - start) / spacing + 0.5 + 1e-6)
        last = np.ceil((corners.max(0) - start) / spacing - 0.5 - 1e-6)
        return Grid.from_spacing(
            tuple((last - first + 1)[::-1]), spacing, axes @ (start + first * spacing), axes
        )

    def corners(self) -> np.ndarray:
        """(8, 3) LPS mm of the outer corners of the field of view."""
        return self.to_world(_corner_index(self.size))

    def to_world(self, index: Array) -> Array:
        """LPS mm, shape (..., 3), of voxel index points (i, j, k), shape (..., 3)."""
        return _transform(self.affine, index)

    def to_index(self, points: Array) -> Array:
        """Voxel index (i, j, k), shape (..., 3), of LPS mm points, shape (..., 3)."""
        return _transform(np.linalg.inv(self.affine), points)

    def points(self, like: Array | None = None) -> Array:
        """(Z, Y, X, 3) LPS mm of all voxel centres, in the library and type of ``like``.

        The default is a float32 numpy array.
        """
        return self.affine_points(self.affine, like)

    def affine_points(self, matrix: np.ndarray, like: Array | None = None) -> Array:
        """(Z, Y, X, 3): ``matrix`` (4x4) applied to every voxel index (i, j, k) of this grid."""
        like = np.zeros(0, np.float32) if like is None else like
        k, j, i = (axis_range(n, like) for n in self.shape)
        m = as_like(matrix[:3], like)
        plane = i[:, None] * m[:, 0] + (j[:, None] * m[:, 1])[:, None, :]
        steps = k[:, None] * m[:, 2] + m[:, 3]
        # whole rows are added at a time: three numbers at a time take four times as long
        nz, ny, nx = self.shape
        rows = namespace(like).broadcast_to(steps[:, None, :], (nz, nx, 3))
        index = plane.reshape(1, ny, 3 * nx) + rows.reshape(nz, 1, 3 * nx)
        return index.reshape(nz, ny, nx, 3)

    def part(self, first, shape) -> Grid:
        """The voxels (Z, Y, X) of this grid from the voxel ``first`` (i, j, k) on; both may reach
        beyond it."""
        affine = self.affine.copy()
        affine[:3, 3] = self.to_world(np.asarray(first, float))
        return Grid(shape, affine)

    def slabs(self, like: Array) -> Iterator[tuple[slice, Grid]]:
        """Whole planes of this grid after each other: where they are along the first array axis,
        and their grid. On a graphics card, where ``like`` may lie, there is one slab."""
        planes = max(1, SLAB_VOXELS // (self.shape[1] * self.shape[2]))
        if is_torch(like) and like.device.type != "cpu":
            planes = self.shape[0]
        for first in range(0, self.shape[0], planes):
            here = slice(first, min(first + planes, self.shape[0]))
            yield here, self.part((0, 0, first), (here.stop - first, *self.shape[1:]))

    def resized(self, shape) -> Grid:
        """A grid of another ``shape`` (Z, Y, X) over the same field of view, edge to edge."""
        factor = self.size / np.array(tuple(shape)[::-1], float)
        affine = self.affine.copy()
        affine[:3, :3] = self.affine[:3, :3] * factor
        affine[:3, 3] = self.to_world((factor - 1) / 2.0)
        return Grid(shape, affine)

    def at_spacing(self, spacing_mm: float) -> Grid:
        """A near-isotropic grid of about ``spacing_mm`` over the same field of view."""
        shape = np.maximum(1, np.round(self.extent_mm / spacing_mm)).astype(int)
        return self.resized(tuple(shape[::-1]))

    def at_most(self, voxels: int) -> Grid:
        """This grid, or a near-isotropic coarser one of at most about ``voxels`` voxels.

        Axes already coarser than the new spacing keep their own.
        """
        if np.prod(self.shape) <= voxels:
            return self
        low, high = self.spacing.min(), self.extent_mm.max()
        for _ in range(60):  # bisection for the smallest spacing that fits
            middle = np.sqrt(low * high)
            count = np.prod(np.maximum(1, self.extent_mm / np.maximum(self.spacing, middle)))
            low, high = (middle, high) if count > voxels else (low, middle)
        shape = np.maximum(1, np.floor(self.extent_mm / np.maximum(self.spacing, high) + 1e-6))
        return self.resized(tuple(shape.astype(int)[::-1]))


def largest_shift(affine: np.ndarray, other: np.ndarray, size) -> tuple[float, float]:
    """How far two index-to-space matrices (4x4) put a place of one image apart, at most.

    Args:
        size: number of voxels along i, j, k.

    Returns:
        The largest distance over the field of view: in voxels of ``affine`` along an axis, and
        in the unit of the matrices.
    """
    index = _corner_index(np.asarray(size))
    gap = _transform(other, index) - _transform(affine, index)
    voxels = gap @ np.linalg.inv(affine[:3, :3]).T
    return float(np.abs(voxels).max()), float(np.linalg.norm(gap, axis=-1).max())


def _corner_index(size: np.ndarray) -> np.ndarray:
    """(8, 3) voxel index of the outer corners of the field of view."""
    ends = np.stack([np.full(3, -0.5), size - 0.5])
    return np.array(
        [[ends[a, 0], ends[b, 1], ends[c, 2]] for c in (0, 1) for b in (0, 1) for a in (0, 1)]
    )


def _straightened(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthogonal axes (3, 3) for sheared ``columns``, and the voxel size along each."""
    unit = columns / np.linalg.norm(columns, axis=0)
    straightest = min(
        ((0, 1), (0, 2), (1, 2)),  # the slice plane, where several are straight
        key=lambda pair: round(abs(unit[:, pair[0]] @ unit[:, pair[1]]), 4),
    )
    axes, spacing = np.zeros((3, 3)), np.zeros(3)
    for axis in (*straightest, 3 - sum(straightest)):
        rest = columns[:, axis] - axes @ (axes.T @ columns[:, axis])
        spacing[axis] = np.linalg.norm(rest)
        axes[:, axis] = rest / spacing[axis]
    return axes, spacing


def _transform(matrix: np.ndarray, points: Array) -> Array:
    """Apply a 4x4 matrix to points (..., 3), in float64 for numpy and the own type for torch."""
    if isinstance(points, (tuple, list)) or not hasattr(points, "dtype"):
        points = np.asarray(points, dtype=np.float64)
    elif isinstance(points, np.ndarray) and not np.issubdtype(points.dtype, np.floating):
        points = points.astype(np.float64)
    linear, offset = as_like(matrix[:3, :3].T, points), as_like(matrix[:3, 3], points)
    return points @ linear + offset
