"""Are the covariances of displacements calibrated? Mahalanobis distances against chi-squared (3).

Covariances come as their six numbers (…, 6) = xx, xy, xz, yy, yz, zz in mm² (LPS axes). Every
function adds ``floor_mm``² to the diagonal: N samples give a covariance of rank N - 1 at most, and
anything below the floor is numerical noise of the fields, not knowledge.
"""

import numpy as np
from scipy.special import chdtr  # scipy.stats takes a second to import

FLOOR_MM = 0.01


def mahalanobis_squared(
    error: np.ndarray, covariance: np.ndarray, floor_mm: float = FLOOR_MM
) -> np.ndarray:
    """Squared Mahalanobis distance eᵀ (S + floor² I)⁻¹ e of error vectors.

    Args:
        error: (…, 3) mm, LPS.
        covariance: (…, 6) mm².
        floor_mm: standard deviation in mm added to every axis.

    Returns:
        (…) float64, chi-squared with 3 degrees of freedom where S is the true covariance.

    Raises:
        ValueError: the shapes do not fit.
    """
    error = np.asarray(error, dtype=np.float64)
    distance, _ = _whiten(error, covariance, floor_mm)
    return distance


def negative_log_likelihood(
    error: np.ndarray, covariance: np.ndarray, floor_mm: float = FLOOR_MM
) -> float:
    """Mean of -log N(e; 0, S + floor² I) in nats over all error vectors; smaller is better.

    Args:
        error: (…, 3) mm, LPS.
        covariance: (…, 6) mm².
        floor_mm: standard deviation in mm added to every axis.

    Raises:
        ValueError: the shapes do not fit.
    """
    error = np.asarray(error, dtype=np.float64)
    distance, log_determinant = _whiten(error, covariance, floor_mm)
    return float(np.mean(0.5 * (distance + log_determinant + 3.0 * np.log(2.0 * np.pi))))


def ellipsoid_level(distance_squared: np.ndarray) -> np.ndarray:
    """Probability of the smallest ellipsoid that holds each error, 0 … 1; see
    `calibration.coverage_curve`. Even-handed only for a covariance that is known: one of N samples
    has longer tails.

    Args:
        distance_squared: squared Mahalanobis distances, any shape.
    """
    return chdtr(3, np.asarray(distance_squared, dtype=np.float64))


def _whiten(
    error: np.ndarray, covariance: np.ndarray, floor_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """eᵀ S⁻¹ e and log det S, by the Cholesky factor of S + floor² I written out."""
    covariance = np.asarray(covariance, dtype=np.float64)
    if error.shape[-1:] != (3,) or covariance.shape != (*error.shape[:-1], 6):
        raise ValueError(
            f"errors must be (…, 3) and covariances (…, 6): got {error.shape}, {covariance.shape}"
        )
    floor = floor_mm**2
    xx, xy, xz, yy, yz, zz = np.moveaxis(covariance, -1, 0)
    # Rounding may leave a pivot below the floor (even negative) where S has lost rank.
    pivot_x = np.maximum(xx + floor, floor)
    l_yx = xy / pivot_x
    l_zx = xz / pivot_x
    pivot_y = np.maximum(yy + floor - l_yx * xy, floor)
    l_zy = (yz - l_zx * xy) / pivot_y
    pivot_z = np.maximum(zz + floor - l_zx * xz - l_zy**2 * pivot_y, floor)
    x = error[..., 0]
    y = error[..., 1] - l_yx * x
    z = error[..., 2] - l_zx * x - l_zy * y
    distance = x**2 / pivot_x + y**2 / pivot_y + z**2 / pivot_z
    return distance, np.log(pivot_x) + np.log(pivot_y) + np.log(pivot_z)
