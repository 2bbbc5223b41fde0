"""Distances of landmarks in mm.

A run measures its landmarks in the fixed space, where its samples put them and its maps lie
(`posterior.points`).
"""

import numpy as np


def distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance in mm of corresponding points, both (P, 3) LPS mm.

    Raises:
        ValueError: the shapes differ or are not (P, 3).
    """
    points, others = np.asarray(points, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if points.shape != others.shape or points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"expected two (P, 3) lists of points: got {points.shape}, {others.shape}")
    return np.linalg.norm(points - others, axis=1)
