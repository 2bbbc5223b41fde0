"""Does the uncertainty rank the errors? Risk-coverage and sparsification.

Voxels are kept from the most certain to the least. The *risk* at coverage k/n is the mean error of
the k most certain voxels; the AURC is its mean over all k (Geifman and El-Yaniv 2019; Tian et al.,
App. C.3). A sparsification curve is the same curve read from the other end: the mean error of what
REMAINS after the most uncertain fraction is removed (Ilg et al. 2018; Gong et al., 4.2.2). So, with
every voxel as its own bin, AUSE = AURC - oracle AURC, the oracle being sorted by the true error.

Voxels of equal uncertainty share their average error: the value no longer depends on the order in
which voxels are stored, and a constant map scores exactly the mean error.
"""

from dataclasses import dataclass

import numpy as np

from .voxels import select


@dataclass(frozen=True)
class Risk:
    """Areas under the risk-coverage curves of a map and of its oracle, in the error's unit.

    Attributes:
        aurc: area for the ranking by uncertainty.
        oracle: area for the ranking by the true error, the smallest possible.
        mean_error: area of a random or constant ranking.
    """

    aurc: float
    oracle: float
    mean_error: float

    @property
    def ause(self) -> float:
        """Area under the sparsification error: AURC - oracle AURC."""
        return self.aurc - self.oracle

    @property
    def normalised(self) -> float:
        """nAURC = (AURC - oracle) / (mean error - oracle): 0 perfect, 1 no better than chance.

        NaN when all errors are equal, where no ranking is better than another.
        """
        span = self.mean_error - self.oracle
        return self.ause / span if span > 1e-12 * abs(self.mean_error) else float("nan")


def risk(uncertainty: np.ndarray, error: np.ndarray, mask: np.ndarray | None = None) -> Risk:
    """AURC, oracle AURC, mean error and with them nAURC and the exact AUSE, in one go.

    Args:
        uncertainty: any ranking, larger is less certain.
        error: true error of each voxel, same shape (mm, or 0/1 for labels).
        mask: voxels to judge, same shape.

    Raises:
        ValueError: shapes differ, the mask is empty, or values are not finite.
    """
    u, e = select(mask, uncertainty=uncertainty, error=error)
    return Risk(
        aurc=float(_retained_mean(u, e).mean()),
        oracle=float(_retained_mean(e, e).mean()),
        mean_error=float(e.mean()),
    )


def risk_coverage(
    uncertainty: np.ndarray, error: np.ndarray, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The risk-coverage curve, one point for each voxel (for figures see `sparsification_curve`).

    Returns:
        Coverage k/n and risk, both (n,), k = 1 … n.

    Raises:
        ValueError: shapes differ, the mask is empty, or values are not finite.
    """
    u, e = select(mask, uncertainty=uncertainty, error=error)
    return np.arange(1, u.size + 1) / u.size, _retained_mean(u, e)


def sparsification_curve(
    uncertainty: np.ndarray,
    error: np.ndarray,
    mask: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    bins: int = 50,
    ties: str = "shared",
) -> tuple[np.ndarray, np.ndarray]:
    """Mean error of the voxels that remain after the most uncertain fraction is removed.

    Args:
        uncertainty: any ranking, larger is removed first.
        error: true error, same shape.
        mask: voxels to judge, same shape.
        weight: a denominator: the curve is then sum(error) / sum(weight) of what remains, 0 where
            no weight remains. Miss rate: error = false negatives, weight = voxels of the class.
        bins: number of fractions, 0, 1/bins … 1 - 1/bins.
        ties: "shared" (equal values share their average) or "kept" (values equal to the threshold
            all stay, as percentile thresholds do: Zhang et al., MICCAI 2024).

    Returns:
        Removed fraction and remaining error, both (bins,).

    Raises:
        ValueError: shapes differ, the mask is empty, values are not finite, or a choice is unknown.
    """
    if ties not in ("shared", "kept"):
        raise ValueError(f"ties must be 'shared' or 'kept', not {ties!r}")
    if bins < 1:
        raise ValueError(f"bins must be at least 1, not {bins}")
    if weight is None:
        u, e = select(mask, uncertainty=uncertainty, error=error)
        w = None
    else:
        u, e, w = select(mask, uncertainty=uncertainty, error=error, weight=weight)
    removed = np.arange(bins) / bins
    kept = _kept_counts(u, removed, ties)
    if w is None:
        return removed, _retained_mean(u, e)[kept - 1]
    order = np.argsort(u)
    total = _retained_sum(u, e, order)[kept - 1]
    mass = _retained_sum(u, w, order)[kept - 1]
    return removed, np.divide(total, mass, out=np.zeros(bins), where=mass > 0)


def ause(
    uncertainty: np.ndarray,
    error: np.ndarray,
    mask: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    oracle: np.ndarray | None = None,
    bins: int | None = None,
    ties: str = "shared",
) -> float:
    """Area under the sparsification error curve: how far the ranking is from the oracle's.

    With ``bins`` it is the mean over the bins of the difference of the two curves. Both curves
    start at the same mean error, so this equals the trapezoid rule with a 0 appended at 100 %.

    Args:
        uncertainty: any ranking, larger is removed first.
        error: true error, same shape.
        mask: voxels to judge, same shape.
        weight: denominator of a rate, see `sparsification_curve` (needs ``bins``).
        oracle: what the oracle sorts by, if not ``error`` (Gong et al.: the voxel-wise label error
            also for miss and false discovery rates).
        bins: None takes every voxel as its own bin, the exact AURC - oracle AURC.
        ties: see `sparsification_curve`; the exact form always shares.

    Raises:
        ValueError: see `sparsification_curve`.
    """
    oracle = error if oracle is None else oracle
    if bins is None:
        if weight is not None or ties != "shared":
            raise ValueError("the exact AUSE has no weights and shares ties: give bins")
        u, e, best = select(mask, uncertainty=uncertainty, error=error, oracle=oracle)
        return float(_retained_mean(u, e).mean() - _retained_mean(best, e).mean())
    _, curve = sparsification_curve(uncertainty, error, mask, weight, bins, ties)
    _, best_curve = sparsification_curve(oracle, error, mask, weight, bins, ties)
    return float(np.mean(curve - best_curve))


def _retained_mean(u: np.ndarray, e: np.ndarray) -> np.ndarray:
    total = _retained_sum(u, e, np.argsort(u))
    total /= np.arange(1, u.size + 1)
    return total


def _retained_sum(u: np.ndarray, e: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Sum of ``e`` over the k most certain voxels, k = 1 … n; equal ``u`` share their mean."""
    e = e[order]
    u = u[order]
    starts = np.flatnonzero(np.concatenate(([True], u[1:] != u[:-1])))
    if starts.size < u.size:
        counts = np.diff(starts, append=u.size)
        e = np.repeat(np.add.reduceat(e, starts) / counts, counts)
    return np.cumsum(e)


def _kept_counts(u: np.ndarray, removed: np.ndarray, ties: str) -> np.ndarray:
    if ties == "kept":
        thresholds = np.quantile(u, 1.0 - removed)
        return np.searchsorted(np.sort(u), thresholds, side="right")
    return np.maximum(np.rint(u.size * (1.0 - removed)).astype(np.intp), 1)
