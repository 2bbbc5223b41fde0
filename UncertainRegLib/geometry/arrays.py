"""Helpers for what numpy and torch arrays do differently, so that the rest is written once.

torch is never imported here: when an array is a torch tensor, torch is already loaded.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

Array = Any  # numpy.ndarray or torch.Tensor
ROUNDED = 1e-9  # of the largest number of a matrix: less is rounding
COUNTED = 1 << 16  # labels below are counted rather than sorted


def is_torch(array: Array) -> bool:
    """True when ``array`` is a torch tensor."""
    return type(array).__module__.split(".")[0] == "torch"


def namespace(array: Array):
    """The module (numpy or torch) whose functions work on ``array``."""
    return sys.modules["torch"] if is_torch(array) else np


def to_numpy(array: Array) -> np.ndarray:
    """``array`` as a numpy array on the CPU; a view where that is possible."""
    return array.detach().cpu().numpy() if is_torch(array) else np.asarray(array)


def as_like(values, reference: Array) -> Array:
    """``values`` (numbers or an array) with the library, device and float type of ``reference``."""
    if is_torch(reference):
        torch = namespace(reference)
        return torch.as_tensor(values, dtype=reference.dtype, device=reference.device)
    values = to_numpy(values) if is_torch(values) else values
    return np.asarray(values, dtype=reference.dtype)


def axis_range(n: int, reference: Array) -> Array:
    """0, 1, …, n−1 with the library, device and float type of ``reference``."""
    return as_like(np.arange(n), reference)


def labels_in(array: np.ndarray) -> np.ndarray:
    """The different values of an array of whole numbers, ascending."""
    return np.array(list(counts_of(array)), array.dtype)


def counts_of(array: np.ndarray) -> dict[int, int]:
    """How often each value of an array of whole numbers occurs, by value, ascending.

    Counted where they are small, as those of most segmentations: sorting an image takes a second.
    """
    whole = array.dtype.kind in "iub"
    if whole and array.size and array.min() >= 0 and array.max() < COUNTED:
        counts = np.bincount(array.ravel())
        values = np.flatnonzero(counts)
        return dict(zip(values.tolist(), counts[values].tolist()))
    return dict(zip(*(found.tolist() for found in np.unique(array, return_counts=True))))


def turned(vectors: Array, matrix: np.ndarray) -> Array:
    """``vectors`` (..., 3) times a (3, 3) ``matrix`` from the right, in their library and type.

    Where the axes only change places (grids that lie parallel) each number is multiplied once.
    Otherwise four vectors are one row: products with matrices of three columns are slow.
    """
    flat = vectors.reshape(-1, 3)
    found = namespace(flat).empty_like(flat)
    most = np.abs(matrix).max()
    beside = np.abs(matrix) > ROUNDED * most
    if most > 0 and (beside.sum(axis=0) == 1).all():
        for column, row in enumerate(beside.argmax(axis=0).tolist()):
            found[:, column] = flat[:, row] * as_like(matrix[row, column], flat)
        return found.reshape(vectors.shape)
    four, whole = as_like(np.kron(np.eye(4), matrix), flat), len(flat) // 4 * 4
    found[:whole] = (flat[:whole].reshape(-1, 12) @ four).reshape(-1, 3)
    found[whole:] = flat[whole:] @ four[:3, :3]
    return found.reshape(vectors.shape)
