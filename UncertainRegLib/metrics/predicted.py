"""Does an error lie where its predicted distribution says? For networks that predict its scale."""

from typing import NamedTuple

import numpy as np
from scipy.special import erf

from .calibration import miscalibration_area
from .voxels import select

WITHIN = 0.95


class Predicted(NamedTuple):
    """How well predicted scales fit the errors.

    Attributes:
        nll: mean negative log-likelihood of the errors in nats; smaller is better.
        within95: share of the errors in the central interval of nominally 95 %.
        miscalibration: area between observed and nominal coverage, 0 … 0.5.
    """

    nll: float
    within95: float
    miscalibration: float


def gaussian_fit(error: np.ndarray, sd: np.ndarray, mask: np.ndarray | None = None) -> Predicted:
    """Errors that are predicted to be N(0, sd²): intensities of Zhang et al., MICCAI 2024, Eq. 3.

    Args:
        error: any sign; sd: > 0, in its unit; same shape.
        mask: voxels to judge.

    Raises:
        ValueError: shapes differ, the mask is empty, or values are not finite.
    """
    e, s = select(mask, error=error, sd=sd)
    nll = 0.5 * (e / s) ** 2 + np.log(s) + 0.5 * np.log(2 * np.pi)
    return _fit(nll, erf(np.abs(e) / (s * np.sqrt(2))))


def laplace_fit(error: np.ndarray, scale: np.ndarray, mask: np.ndarray | None = None) -> Predicted:
    """Errors that are predicted to be of a Laplace distribution: labels of Gong et al., Eq. 6.

    Args:
        error: any sign; scale: u > 0, in its unit; same shape.
        mask: voxels to judge.

    Raises:
        ValueError: shapes differ, the mask is empty, or values are not finite.
    """
    e, u = select(mask, error=error, scale=scale)
    return _fit(np.abs(e) / u + np.log(2 * u), 1 - np.exp(-np.abs(e) / u))


def _fit(nll: np.ndarray, level: np.ndarray) -> Predicted:
    return Predicted(float(nll.mean()), float(np.mean(level <= WITHIN)), miscalibration_area(level))
