"""Correlation of an uncertainty map with the true error (Tian et al., App. C.3), and AUROC."""

import numpy as np

from .voxels import select


def pearson(uncertainty: np.ndarray, error: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Pearson's linear correlation of two maps over the voxels of ``mask``.

    Returns:
        A number in [-1, 1]; NaN when one of the maps is constant (no ranking to judge).

    Raises:
        ValueError: shapes differ, the mask is empty, or values are not finite.
    """
    u, e = select(mask, uncertainty=uncertainty, error=error)
    return _correlation(u, e)


def spearman(uncertainty: np.ndarray, error: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Spearman's rank correlation, equal values sharing their average rank.

    Unchanged by any strictly increasing transform of either map.

    Returns:
        A number in [-1, 1]; NaN when one of the maps is constant.

    Raises:
        ValueError: shapes differ, the mask is empty, or values are not finite.
    """
    u, e = select(mask, uncertainty=uncertainty, error=error)
    return _correlation(_ranks(u), _ranks(e))


def auroc(score: np.ndarray, positive: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Area under the ROC curve: how well a score tells positive voxels from the others.

    The probability that a positive voxel (mislabelled, or inside a resection) has the larger score,
    equal scores counting half (Mann-Whitney).

    Args:
        score: label entropy, uncertainty, …
        positive: booleans, same shape.
        mask: voxels to judge, same shape.

    Returns:
        0.5 for a score that says nothing; NaN when all voxels are of one kind.

    Raises:
        ValueError: shapes differ, the mask is empty, or values are not finite.
    """
    s, p = select(mask, score=score, positive=positive)
    count = p.sum()
    if count in (0, p.size):
        return float("nan")
    return float((_ranks(s) @ p - count * (count + 1) / 2) / (count * (p.size - count)))


def _ranks(values: np.ndarray) -> np.ndarray:
    """(n,) ranks from 1 on, equal values sharing their average one."""
    # scipy.stats has this too, but its import is a third of what starting takes
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    # scipy.stats.pearsonr would add a p-value that is meaningless for millions of dependent voxels.
    if a.min() == a.max() or b.min() == b.max():
        return float("nan")
    a = a - a.mean()
    b = b - b.mean()
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))
