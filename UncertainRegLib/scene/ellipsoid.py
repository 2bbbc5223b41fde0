"""95 % ellipsoids of the samples at points of the fixed image, in the fixed space.

The samples of a registration put a fixed point at several places of the moving image. Drawn on the
fixed image their spread has to be carried back there: with a rotation between the images its
directions, and with a scale its millimetres, would be those of the other image.
"""

from __future__ import annotations

import numpy as np

from ..posterior.region import prediction_radius, principal_axes
from ..posterior.weights import effective_count

STEP_MM = 2.0  # of the central differences of the mean registration
SMALLEST_SLOPE = 0.1  # its determinant; below it the registration folds or nearly does


def around(points: np.ndarray) -> np.ndarray:
    """(P, 7, 3): each point, then its neighbours along x, y and z, below and above, for
    `ellipsoids`; mm."""
    steps = np.zeros((7, 3))
    steps[1::2], steps[2::2] = -STEP_MM * np.eye(3), STEP_MM * np.eye(3)
    return np.asarray(points, float)[:, None] + steps


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
