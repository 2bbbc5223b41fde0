"""Selection of the voxels that a metric looks at."""

import numpy as np


def select(mask: np.ndarray | None, **arrays: np.ndarray) -> list[np.ndarray]:
    """Flatten arrays of one shape to float64 vectors of the voxels inside ``mask``.

    Args:
        mask: booleans of the arrays' shape; None takes every voxel.
        arrays: named arrays of one shape (the name appears in the error message).

    Returns:
        One float64 vector for each array, in the order given.

    Raises:
        ValueError: shapes differ, nothing is selected, or a selected value is NaN or infinite.
    """
    shape = np.shape(next(iter(arrays.values())))
    inside = None if mask is None else np.asarray(mask, dtype=bool)
    if inside is not None and inside.shape != shape:
        raise ValueError(f"the mask has shape {inside.shape}, the maps have {shape}: resample one")
    vectors = []
    for name, array in arrays.items():
        array = np.asarray(array)
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {shape}: resample one")
        vector = (array.ravel() if inside is None else array[inside]).astype(np.float64)
        if vector.size == 0:
            raise ValueError("no voxel is selected: give a mask that is not empty")
        if not np.isfinite(vector).all():
            raise ValueError(f"{name} holds NaN or infinite values: mask them out first")
        vectors.append(vector)
    return vectors
