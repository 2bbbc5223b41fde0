"""Weights of samples: from their logarithms, and how many samples they leave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def normalised(log_weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """(N,) weights of sum 1; the largest is taken out first, so that none overflows."""
    log = np.array(log_weights, np.float64)
    weights = np.exp(log - log.max(initial=-np.inf))
    return weights / weights.sum()


def effective_count(draws: Sequence | np.ndarray, weights: np.ndarray) -> float:
    """Effective number of different samples, 1 / Σ w²: copies of one add up to one weight.

    Args:
        draws: (N, …) what was drawn: the samples, or their numbers.
        weights: (N,) of sum 1.
    """
    flat = np.asarray(draws).reshape(len(draws), -1)
    same = np.unique(flat, axis=0, return_inverse=True)[1].ravel()
    return float(1.0 / np.sum(np.bincount(same, weights) ** 2))
