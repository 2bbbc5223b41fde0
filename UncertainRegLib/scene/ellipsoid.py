"""Ellipsoids of the samples at points of the fixed image, in the fixed space.

The samples of a registration put a fixed point at several places of the moving image. Drawn on the
fixed image their spread has to be carried back there: with a rotation between the images its
directions, and with a scale its millimetres, would be those of the other image.
"""

from __future__ import annotations

import numpy as np

from ..geometry import Grid
from ..posterior.region import prediction_radius, principal_axes
from ..posterior.weights import effective_count
from .frames import lps_to_ras

STEP_MM = 2.0  # of the central differences of the mean registration
SMALLEST_SLOPE = 0.1  # its determinant; below it the registration folds or nearly does


def around(points: np.ndarray, grid: Grid) -> np.ndarray:
    """(P, 7, 3) RAS mm: each point, then two neighbours along each of x, y and z, for `ellipsoids`.

    Near the border of the samples' grid they are the neighbours of a place further inside: beyond
    it a field is constant, and its slope no slope of the registration.
    """
    points = np.asarray(points, float)
    steps = np.concatenate([-STEP_MM * np.eye(3), STEP_MM * np.eye(3)])[[0, 3, 1, 4, 2, 5]]
    rim = np.minimum(STEP_MM / grid.spacing, (grid.size - 1) / 2.0)
    inside = np.clip(grid.to_index(lps_to_ras(points)), rim, grid.size - 1 - rim)
    near = lps_to_ras(grid.to_world(inside))[:, None] + steps
    return np.concatenate([points[:, None], near], axis=1)


def ellipsoids(moved: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ellipsoids that hold a further sample with 95 % probability (`prediction_radius`).

    Args:
        moved: (S, P, 7, 3) where each of S samples puts the points of `around`, mm of the moving
            space, on the axes of the fixed one.
        weights: (S,) of sum 1.

    Returns:
        (P, 3) semi-axes in mm of the fixed space, longest first, and (P, 3, 3) their unit vectors,
        one a row. NaN axes: fewer than five different samples, or a fold.
    """
    mean = np.einsum("s,spkc->pkc", weights, moved)
    slope = ((mean[:, 2::2] - mean[:, 1::2]) / (2.0 * STEP_MM)).swapaxes(1, 2)
    whole = np.linalg.det(slope) > SMALLEST_SLOPE
    back = np.linalg.inv(np.where(whole[:, None, None], slope, np.eye(3)))
    offset = np.einsum("pab,spb->spa", back, moved[:, :, 0] - mean[:, 0])
    covariance = np.einsum("s,spa,spb->pab", weights, offset, offset)
    variances, directions = principal_axes(covariance)
    axes = prediction_radius(effective_count(moved, weights)) * np.sqrt(variances)
    axes[~whole] = np.nan
    return axes, directions
