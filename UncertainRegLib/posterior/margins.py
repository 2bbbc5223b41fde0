"""Margins of a structure: between which surfaces 95 % of its true boundary is expected."""

import numpy as np

from ..geometry import Image
from ..metrics.boundaries import signed_distance_mm


def margin_volume(registered: Image, bound_mm: np.ndarray) -> Image:
    """How many bounds a point lies from the boundary of the registered structure.

    The surfaces -1 and +1 of it are the margins: what lies within the first belongs to the
    structure, what lies beyond the second does not, each but for half of the 5 % of the boundary
    that the bound does not hold.

    Args:
        registered: the structure as the registration carries it to the fixed image: values of
            0.5 and more are inside (Z, Y, X), on a right-angled grid in mm LPS that reaches beyond
            it by more than the largest bound.
        bound_mm: (Z, Y, X) the 95 % bound of the error across a boundary, on the same grid.

    Returns:
        float32 on the grid of ``registered``; negative inside.

    Raises:
        ValueError: the structure is empty.
    """
    mask = registered.array >= 0.5
    if not mask.any():
        raise ValueError("the structure is empty")
    distance = signed_distance_mm(mask, registered.grid)
    return Image((distance / np.maximum(bound_mm, 1e-3)).astype(np.float32), registered.grid)
