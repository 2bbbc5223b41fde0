"""Do probabilities and millimetres mean what they say?"""

from dataclasses import dataclass

import numpy as np

from .voxels import select


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: stated confidence against observed frequency, in equal-width bins.

    Attributes:
        edges: (bins + 1,) bin edges from 0 to 1.
        count: (bins,) voxels in each bin.
        confidence: (bins,) mean stated confidence, 0 in an empty bin.
        accuracy: (bins,) observed frequency, 0 in an empty bin.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error: mean gap over the voxels (Guo et al., ICML 2017)."""
        return float((self.count * self._gap()).sum() / self.count.sum())

    @property
    def mce(self) -> float:
        """Maximum calibration error: the largest gap of any bin."""
        return float(self._gap().max())

    def _gap(self) -> np.ndarray:
        return np.abs(self.confidence - self.accuracy)


def reliability(
    confidence: np.ndarray, correct: np.ndarray, mask: np.ndarray | None = None, bins: int = 15
) -> Reliability:
    """Reliability diagram of a confidence against what turned out to be correct.

    For labels in the top-label form: confidence = largest label probability of a voxel (background
    included), correct = that label is the true one, mask = a ring around the label boundaries
    (`rings.boundary_ring`; Simpson and Campbell, Structured SIR, 5.2).

    Args:
        confidence: probabilities in [0, 1].
        correct: 0/1 or booleans, same shape.
        mask: voxels to judge, same shape.
        bins: equal-width bins; a value on an edge belongs to the lower bin, 0 to the first.

    Raises:
        ValueError: a confidence lies outside [0, 1], shapes differ, or the mask is empty.
    """
    p, hit = select(mask, confidence=confidence, correct=correct)
    if p.min() < -1e-6 or p.max() > 1.0 + 1e-6:
        raise ValueError("a confidence lies outside [0, 1]: give probabilities")
    index = np.clip(np.ceil(p * bins).astype(np.intp) - 1, 0, bins - 1)
    count = np.bincount(index, minlength=bins)
    filled = np.maximum(count, 1)
    return Reliability(
        edges=np.linspace(0.0, 1.0, bins + 1),
        count=count,
        confidence=np.bincount(index, p, bins) / filled,
        accuracy=np.bincount(index, hit, bins) / filled,
    )


def conformal_factor(
    uncertainty: np.ndarray, error: np.ndarray, mask: np.ndarray | None = None, level: float = 0.95
) -> float:
    """The factor q that makes P(‖error‖ <= q u) = ``level`` on voxels like these.

    Split conformal prediction with the score error / u: q is the ceil((n + 1) level)-th smallest
    score (Lei et al., JASA 2018). Neighbouring voxels are dependent, so the guarantee is on average
    over images, not for one: check it on a different deformation (`bound_coverage`).

    Args:
        uncertainty: u in mm.
        error: ‖error‖ in mm, same shape, with known truth.
        mask: voxels to use, same shape.
        level: the wished coverage in (0, 1).

    Returns:
        q, without unit; infinite when more than 1 - level of the voxels have an error with u = 0.

    Raises:
        ValueError: shapes differ, the mask is empty, or values are negative or not finite.
    """
    u, e = select(mask, uncertainty=uncertainty, error=error)
    if u.min() < 0 or e.min() < 0:
        raise ValueError("uncertainty and error must not be negative: give lengths in mm")
    score = np.divide(e, u, out=np.where(e > 0, np.inf, 0.0), where=u > 0)
    rank = int(np.ceil((score.size + 1) * level))
    if rank > score.size:
        return float("inf")
    return float(np.partition(score, rank - 1)[rank - 1])


def bound_coverage(
    uncertainty: np.ndarray, error: np.ndarray, factor: float, mask: np.ndarray | None = None
) -> float:
    """Fraction of voxels whose error lies within ``factor`` times the uncertainty.

    Raises:
        ValueError: shapes differ, the mask is empty, or values are not finite.
    """
    u, e = select(mask, uncertainty=uncertainty, error=error)
    return float(np.mean(e <= factor * u))


def coverage_curve(
    level: np.ndarray, nominal: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Observed coverage of the central regions of every nominal probability, for a calibration
    plot.

    Args:
        level: for every error, the probability of the smallest region of its predicted
            distribution that holds it (`gaussian.ellipsoid_level`, `predicted`); any shape.
        nominal: probabilities; 0.01 … 0.99 by default.

    Returns:
        Nominal and observed coverage; on the diagonal when calibrated, below it when overconfident.
    """
    nominal = np.linspace(0.01, 0.99, 99) if nominal is None else np.asarray(nominal)
    ordered = np.sort(np.asarray(level, dtype=np.float64).ravel())
    return nominal, np.searchsorted(ordered, nominal, side="right") / ordered.size


def miscalibration_area(level: np.ndarray) -> float:
    """Area between the curve of `coverage_curve` and the diagonal, 0 … 0.5."""
    nominal, observed = coverage_curve(level)
    nominal = np.concatenate(([0.0], nominal, [1.0]))
    observed = np.concatenate(([0.0], observed, [1.0]))
    return float(np.trapezoid(np.abs(observed - nominal), nominal))
