"""The region where a further sample would lie with a given probability.

An ellipsoid from the covariance of N samples has two uncertainties: that of the next sample, and
that of the covariance. With few samples the second is the larger one, and the radius that a
chi-squared distribution gives covers too little: 66 % instead of 95 % at N = 8.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import betainc, betaincinv

LEVEL = 0.95
FEWEST = 5  # samples; of four the radius would be 57 standard deviations


def prediction_radius(count: float, level: float = LEVEL) -> float:
    """Semi-axis of the prediction ellipsoid, in units of the samples' standard deviation.

    With the mean m and the biased covariance S of N normal draws in three dimensions, a further
    one x has (x - m)ᵀ S⁻¹ (x - m) <= r² with the given probability for
    r² = 3 (N + 1) / (N - 3) · F(level; 3, N - 3): Hotelling's T² of a new observation.

    Args:
        count: number of samples N; their effective number where weights differ.
        level: probability.

    Returns:
        r, NaN with fewer than `FEWEST` samples.
    """
    if count < FEWEST - 1e-6:  # an effective number is rounded
        return math.nan
    beta = betaincinv(1.5, (count - 3.0) / 2.0, level)  # F = beta (N - 3) / (3 (1 - beta))
    return math.sqrt((count + 1.0) * beta / (1.0 - beta))


def region_level(squared: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Probability of the smallest region of `prediction_radius` that holds a place.

    Args:
        squared: (...) its squared Mahalanobis distance from the samples, with their covariance.
        count: (...) number of samples, as there; `FEWEST` at least.
    """
    count = np.maximum(count, FEWEST)
    return betainc(1.5, (count - 3.0) / 2.0, squared / (squared + count + 1.0))


def principal_axes(covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variances (P, 3) along the principal axes in mm², largest first, and the axes' unit vectors,
    (P, 3, 3), one a row.

    Args:
        covariances: (P, 3, 3) mm².
    """
    variances, vectors = np.linalg.eigh(covariances)
    return variances[:, ::-1].clip(0.0), vectors[:, :, ::-1].swapaxes(1, 2)
