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


class Ranking:
    """Voxels sorted once by uncertainty, to be judged by several errors.

    Args:
        uncertainty: any ranking, larger is less certain.
        mask: voxels to judge, same shape.

    Raises:
        ValueError: shapes differ, the mask is empty, or values are not finite.
    """

    def __init__(self, uncertainty: np.ndarray, mask: np.ndarray | None = None) -> None:
        (u,) = select(mask, uncertainty=uncertainty)
        self._mask = mask
        self._shape = np.shape(uncertainty)
        self._order = np.argsort(u)
        self._sorted = u[self._order]

    def retained(self, error: np.ndarray) -> np.ndarray:
        """Mean error of the k most certain voxels, k = 1 … n, as (n,)."""
        e = self._in_order(error)
        starts = np.flatnonzero(np.concatenate(([True], self._sorted[1:] != self._sorted[:-1])))
        if starts.size < e.size:  # equal values share their mean
            counts = np.diff(starts, append=e.size)
            e = np.repeat(np.add.reduceat(e, starts) / counts, counts)
        total = np.cumsum(e)
        total /= np.arange(1, e.size + 1)
        return total

    def curve(
        self,
        error: np.ndarray,
        weight: np.ndarray | None = None,
        bins: int = 50,
        ties: str = "shared",
    ) -> np.ndarray:
        """Remaining error at the removed fractions 0, 1/bins …, see `sparsification_curve`."""
        if ties not in ("shared", "kept"):
            raise ValueError(f"ties must be 'shared' or 'kept', not {ties!r}")
        if bins < 1:
            raise ValueError(f"bins must be at least 1, not {bins}")
        coverage = 1.0 - np.arange(bins) / bins
        if ties == "kept":
            thresholds = np.quantile(self._sorted, coverage)
            kept = np.searchsorted(self._sorted, thresholds, side="right")
        else:
            kept = np.maximum(np.rint(self._sorted.size * coverage).astype(np.intp), 1)
        total = self._kept_sum(error, kept)
        if weight is None:
            return total / kept
        mass = self._kept_sum(weight, kept)
        return np.divide(total, mass, out=np.zeros(bins), where=mass > 0)

    def _kept_sum(self, values: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Sum over the ``kept`` most certain voxels; equal values cut in two share their mean."""
        values = self._in_order(values)
        last = self._sorted[kept - 1]
        first = np.searchsorted(self._sorted, last, side="left")
        end = np.searchsorted(self._sorted, last, side="right")
        # All voxels are among the counts (nothing removed yet), so the marks run from 0 to n.
        marks = np.unique(np.concatenate(([0], first, end)))
        steps = np.add.reduceat(values, marks[:-1])
        sums = np.concatenate(([0.0], np.cumsum(steps)))
        low, high = sums[np.searchsorted(marks, first)], sums[np.searchsorted(marks, end)]
        return low + (high - low) * (kept - first) / (end - first)

    def _in_order(self, values: np.ndarray) -> np.ndarray:
        if np.shape(values) != self._shape:
            raise ValueError(
                f"the error has shape {np.shape(values)}, the uncertainty {self._shape}: "
                "resample one"
            )
        return select(self._mask, error=values)[0][self._order]


def risk(uncertainty: np.ndarray, error: np.ndarray, mask: np.ndarray | None = None) -> Risk:
    """AURC, oracle AURC, mean error and with them nAURC and the exact AUSE, in one go.

    Args:
        uncertainty: any ranking, larger is less certain.
        error: true error of each voxel, same shape (mm, or 0/1 for labels).
        mask: voxels to judge, same shape.

    Raises:
        ValueError: shapes differ, the mask is empty, or values are not finite.
    """
    (e,) = select(mask, error=error)
    oracle = np.cumsum(np.sort(e)) / np.arange(1, e.size + 1)
    return Risk(
        aurc=float(Ranking(uncertainty, mask).retained(error).mean()),
        oracle=float(oracle.mean()),
        mean_error=float(e.mean()),
    )


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
    return np.arange(bins) / bins, Ranking(uncertainty, mask).curve(error, weight, bins, ties)


def ause(
    uncertainty: np.ndarray,
    error: np.ndarray,
    mask: np.ndarray | None = None,
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
        bins: None takes every voxel as its own bin, the exact AURC - oracle AURC.
        ties: see `sparsification_curve`; the exact form always shares.

    Raises:
        ValueError: see `sparsification_curve`.
    """
    if bins is None:
        if ties != "shared":
            raise ValueError("the exact AUSE shares ties: give bins to keep them")
        return risk(uncertainty, error, mask).ause
    ours, oracle = Ranking(uncertainty, mask), Ranking(error, mask)
    gap = ours.curve(error, bins=bins, ties=ties) - oracle.curve(error, bins=bins, ties=ties)
    return float(gap.mean())
