"""How far a registration puts the boundary of a structure from where it truly is, in millimetres.

Where both images have a segmentation, this is a real error of a real registration: its component
across the boundary. What slides along the boundary cannot be seen this way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ..geometry import DisplacementField, Grid, interpolate

STEP_MM = 0.5  # of the slopes that carry a distance from the moving to the fixed space
STEEPEST = 3.0  # change of lengths by the registration that is believed, and its inverse


class BoundaryErrors(NamedTuple):
    """Errors at points of the true boundary of one structure.

    Attributes:
        points: (P, 3) on the fixed boundary, LPS mm.
        errors_mm: (P,) signed distance in mm, in the fixed space, from the registered boundary:
            positive where the registered structure is too small.
    """

    points: np.ndarray
    errors_mm: np.ndarray


def boundary_errors(
    field: DisplacementField,
    fixed: np.ndarray,
    fixed_grid: Grid,
    moving: np.ndarray,
    moving_grid: Grid,
    most: int,
    generator: np.random.Generator,
) -> BoundaryErrors:
    """Errors of a registration across the boundary of a structure.

    The distance of phi(x) to the moving boundary, for x on the fixed one, is divided by how much
    the registration stretches lengths across it: that is the distance in the fixed space, to first
    order.

    Args:
        field: the registration phi, numpy, mm LPS, fixed to moving.
        fixed, moving: the structure in both images, booleans (Z, Y, X).
        most: points of the boundary at most, drawn at random.
        generator: source of the draw.

    Raises:
        ValueError: the structure has no boundary in one of the images.
    """
    index = faces(fixed)
    if not len(index) or not moving.any() or moving.all():
        raise ValueError("the structure has no boundary in one of the two images")
    index = index[generator.permutation(len(index))[:most]]
    points = fixed_grid.to_world(index)
    distance = signed_distance_mm(moving, moving_grid)

    def moving_distance(at: np.ndarray) -> np.ndarray:
        mapped = at + interpolate(field.vectors, field.grid.to_index(at))
        return interpolate(distance, moving_grid.to_index(mapped))

    slope = np.zeros(points.shape)
    for axis, step in enumerate(STEP_MM * np.eye(3)):
        slope[:, axis] = moving_distance(points + step) - moving_distance(points - step)
    stretch = np.linalg.norm(slope, axis=1) / (2 * STEP_MM)
    stretch = np.clip(stretch, 1.0 / STEEPEST, STEEPEST)
    return BoundaryErrors(points, moving_distance(points) / stretch)


def faces(structure: np.ndarray) -> np.ndarray:
    """(P, 3) voxel indices (i, j, k) of the middles between voxels inside and outside.

    The edge of the image is not a boundary: anatomy goes on there.

    Args:
        structure: booleans (Z, Y, X).
    """
    found = []
    for axis in range(3):
        place = np.argwhere(np.diff(structure, axis=axis)).astype(np.float64)
        place[:, axis] += 0.5
        found.append(place[:, ::-1])
    return np.concatenate(found)


def signed_distance_mm(structure: np.ndarray, grid: Grid) -> np.ndarray:
    """(Z, Y, X) float32: distance in mm from the boundary, negative inside.

    The boundary lies between two voxels, half a voxel from the centre of each. On slanted
    boundaries distances of more than a voxel come out about a seventh of a voxel short.

    Args:
        structure: booleans (Z, Y, X), on a right-angled grid.
    """
    spacing = grid.spacing[::-1]
    outside = ndimage.distance_transform_edt(~structure, sampling=spacing)
    inside = ndimage.distance_transform_edt(structure, sampling=spacing)
    half = 0.5 * float(spacing.mean())
    return np.where(structure, half - inside, outside - half).astype(np.float32)


def surface_mm2(structure: np.ndarray, grid: Grid) -> float:
    """Area in mm² of the faces between voxels inside and outside: half as much again as that of a
    smooth surface.

    Args:
        structure: booleans (Z, Y, X), on a right-angled grid.
    """
    spacing, area = grid.spacing[::-1], 0.0
    for axis in range(3):
        face = float(np.prod(spacing) / spacing[axis])
        area += face * float(np.count_nonzero(np.diff(structure, axis=axis)))
    return area
