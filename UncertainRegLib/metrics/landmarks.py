"""Distances of landmarks in mm.

A run measures its landmarks in the fixed space, where its samples put them and its maps lie
(`posterior.points`).
"""

import numpy as np

from ..geometry import DisplacementField
from ..geometry.arrays import as_like


def target_registration_error(
    field: DisplacementField, fixed_points: np.ndarray, moving_points: np.ndarray
) -> np.ndarray:
    """TRE ‖x + d(x) - m‖ of corresponding landmarks, in the moving space: the usual formula, which
    needs no inverse. Where a registration enlarges, it is larger than the distance in the fixed
    space.

    Args:
        field: maps fixed points to moving points; numpy.
        fixed_points: (P, 3) LPS mm.
        moving_points: (P, 3) LPS mm, the same anatomy in the moving image.

    Returns:
        (P,) mm.

    Raises:
        ValueError: the two lists do not correspond.
    """
    return distances(field.map(as_like(fixed_points, field.vectors)), moving_points)


def distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance in mm of corresponding points, both (P, 3) LPS mm.

    Raises:
        ValueError: the shapes differ or are not (P, 3).
    """
    points, others = np.asarray(points, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if points.shape != others.shape or points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"expected two (P, 3) lists of points: got {points.shape}, {others.shape}")
    return np.linalg.norm(points - others, axis=1)
