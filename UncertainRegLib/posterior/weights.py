"""Weights of samples from their logarithms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def normalised(log_weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """(N,) weights of sum 1; the largest is taken out first, so that none overflows."""
    log = np.array(log_weights)
    weights = np.exp(log - log.max())
    return weights / weights.sum()
