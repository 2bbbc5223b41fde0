"""Target registration error at landmarks."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..geometry.field import DisplacementField


def target_registration_error(
    field: "DisplacementField", fixed_points: np.ndarray, moving_points: np.ndarray
) -> np.ndarray:
    """TRE ‖x + d(x) - m‖ of corresponding landmarks.

    Args:
        field: maps fixed points to moving points.
        fixed_points: (P, 3) LPS mm.
        moving_points: (P, 3) LPS mm, the same anatomy in the moving image.

    Returns:
        (P,) mm.

    Raises:
        ValueError: the two lists do not correspond.
    """
    fixed_points = np.asarray(fixed_points, dtype=np.float64)
    mapped = fixed_points + np.asarray(field.at(fixed_points), dtype=np.float64)
    return distances(mapped, moving_points)


def distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance in mm of corresponding points, both (P, 3) LPS mm.

    Raises:
        ValueError: the shapes differ or are not (P, 3).
    """
    points, others = np.asarray(points, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if points.shape != others.shape or points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"expected two (P, 3) lists of points: got {points.shape}, {others.shape}")
    return np.linalg.norm(points - others, axis=1)
