"""Regularity of a displacement field, from its Jacobian determinant (geometry/field.py)."""

import numpy as np

from .voxels import select


def folding_fraction(jacobian: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Fraction (0 … 1) of voxels with det J <= 0.

    Raises:
        ValueError: shapes differ, the mask is empty, or values are not finite.
    """
    (determinant,) = select(mask, jacobian=jacobian)
    return float(np.mean(determinant <= 0.0))


def sd_log_jacobian(jacobian: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Standard deviation of log det J, the Learn2Reg smoothness measure; 0 for a pure scaling.

    Folded voxels count with det J = 1e-9: their logarithm does not exist, and leaving them out
    would reward folding.

    Raises:
        ValueError: shapes differ, the mask is empty, or values are not finite.
    """
    (determinant,) = select(mask, jacobian=jacobian)
    return float(np.log(np.maximum(determinant, 1e-9)).std())
