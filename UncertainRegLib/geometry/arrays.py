"""Helpers for what numpy and torch arrays do differently, so that the rest is written once.

torch is never imported here: when an array is a torch tensor, torch is already loaded.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

Array = Any  # numpy.ndarray or torch.Tensor


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


def turned(vectors: Array, matrix: np.ndarray) -> Array:
    """``vectors`` (..., 3) times a (3, 3) ``matrix`` from the right, in their library and type.

    Matrix products are slow on matrices of three columns: four vectors a row cost a third.
    """
    count = 4 if vectors.shape[-2] % 4 == 0 else 1
    rows = vectors.reshape(-1, 3 * count) @ as_like(np.kron(np.eye(count), matrix), vectors)
    return rows.reshape(vectors.shape)
