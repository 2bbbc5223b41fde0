"""Content that is known at every point of space, to be shown shifted, turned and deformed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..geometry import Grid, Image, interpolate

Content = Callable[[np.ndarray], np.ndarray]  # LPS mm points (..., 3) to intensities (...)
# a rotation about an oblique axis by 25 degrees (Rodrigues)
_AXIS = np.array([0.36, -0.48, 0.8])
_CROSS = np.cross(np.eye(3), _AXIS)
TILT = np.eye(3) + np.sin(0.436) * _CROSS + (1 - np.cos(0.436)) * _CROSS @ _CROSS
# Of the bumps of `Places`, in units of the foreground's standard deviation along i, j, k: each
# place is at another distance from the centre along every axis, so that no turn or mirroring of
# the array brings them together.
OFFSETS = np.array([(0.9, 0.3, -0.5), (-0.6, -0.8, 0.2), (0.2, 0.7, 0.9)])
WIDTH = 0.6
PLACES_MM = 4.0


def content_image(content: Content, grid: Grid) -> Image:
    """The content sampled on a grid."""
    return Image(content(grid.points().astype(np.float64)).astype(np.float32), grid)


def content_of(image: Image) -> Content:
    """An image as a function of points; outside its field of view its minimum."""
    array = image.array.astype(np.float32)
    return lambda points: interpolate(
        array, image.grid.to_index(points), "linear", float(array.min())
    )


def phantom(window: tuple[float, float] = (0.0, 1.0)) -> Content:
    """Soft blobs within 35 mm of the origin, with intensities that fill a window."""
    generator = np.random.default_rng(11)
    blobs = [
        (generator.uniform(-26, 26, 3), generator.uniform(5, 12), generator.uniform(0.2, 0.6))
        for _ in range(14)
    ]
    low, high = window

    def content(points: np.ndarray) -> np.ndarray:
        total = np.zeros(points.shape[:-1])
        for center, width, height in blobs:
            total += height * np.exp(-((points - center) ** 2).sum(-1) / (2 * width**2))
        return low + (high - low) * total

    return content


def shifted(content: Content, shift) -> Content:
    """The content, moved by ``shift`` (LPS mm)."""
    return lambda points: content(points - np.asarray(shift, float))


def tilted(content: Content, grid: Grid) -> tuple[Content, Grid]:
    """The content turned about the centre of a grid, and the grid turned along with it."""
    center = grid.center
    affine = grid.affine.copy()
    affine[:3, :3] = TILT @ affine[:3, :3]
    affine[:3, 3] = center - affine[:3, :3] @ ((grid.size - 1) / 2.0)
    return lambda points: content((points - center) @ TILT + center), Grid(grid.shape, affine)


@dataclass(frozen=True)
class Places:
    """A displacement (LPS mm) of three bumps, one along each axis of a grid.

    Attributes:
        centers: (3, 3) LPS mm, row a is the place that moves along axis a.
        directions: (3, 3), row a is the direction of axis a.
        widths: (3,) mm along the axes.
    """

    centers: np.ndarray
    directions: np.ndarray
    widths: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        total = np.zeros(points.shape)
        for center, direction in zip(self.centers, self.directions):
            apart = (points - center) @ self.directions.T / self.widths
            total += PLACES_MM * np.exp(-0.5 * (apart**2).sum(-1))[..., None] * direction
        return total


def places_of(image: Image, grid: Grid) -> Places:
    """Places within the foreground of an image, moved along the axes of a grid."""
    points = image.grid.points()[image.array > image.array.mean()].astype(np.float64)
    axes = grid.direction.T
    spread = (points @ axes.T).std(axis=0)
    centers = points.mean(axis=0) + (OFFSETS * spread) @ axes
    return Places(centers, axes, np.maximum(WIDTH * spread, 2.5 * PLACES_MM))
