"""Streaming mean and covariance of displacement vectors; memory does not grow with the samples.

The update is West's (1979) weighted form of Welford's, kept normalised: with a sample's share
f = w / (sum of the weights so far, this one included) and δ = x - mean,

    mean ← mean + f δ        S ← (1 - f) (S + f δ δᵀ)

so nothing grows, float32 state is safe, and only log-weights are needed. S is the biased covariance
(1/N) Σ (x - mean)(x - mean)ᵀ of Tian et al., Algorithm 1. Taking the covariance of vectors before
any norm matters: samples of +3 mm and -3 mm have u = 3 mm, not 0.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..geometry.arrays import Array, namespace
from .maps import clip_negative

SLAB = 1 << 16  # points updated at a time: temporaries stay small and in the cache
PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))  # xx, xy, xz, yy, yz, zz


class RunningMean:
    """Weighted mean of arrays of one shape.

    Attributes:
        value: the mean so far, the arrays' shape; None before the first sample.
        log_weight: logarithm of the sum of weights.
    """

    def __init__(self) -> None:
        self.value: Array | None = None
        self.log_weight = -math.inf

    def add(self, values: Array, log_weight: float = 0.0) -> None:
        """Take one array into the mean; ``log_weight`` -inf leaves it out."""
        share, self.log_weight = _share(self.log_weight, log_weight)
        if self.value is None:
            self.value = values * 1.0
        else:
            self.value += share * (values - self.value)


class Moments:
    """Streaming weighted mean and covariance of displacement vectors.

    Attributes:
        count: number of samples taken in.
        log_weight: logarithm of the sum of weights.
    """

    def __init__(self) -> None:
        self.count = 0
        self.log_weight = -math.inf
        self._log_square = -math.inf  # logarithm of the sum of squared weights
        self._shape: tuple[int, ...] = ()
        # Components lie apart ((3, n) and (6, n)): each is then contiguous, twice as fast.
        self._mean: Array | None = None
        self._covariance: Array | None = None

    def add(self, vectors: Array, log_weight: float = 0.0) -> None:
        """Take in one sample.

        Args:
            vectors: (…, 3) displacements in mm; always the same shape, library and float type.
            log_weight: logarithm of its weight; -inf leaves it out.

        Raises:
            ValueError: the shape is not (…, 3) or changed, or a value is NaN or infinite.
        """
        flat = self._flatten(vectors)
        if not math.isfinite(float(flat.sum())):
            raise ValueError(
                f"sample {self.count} holds NaN or infinite displacements: the registration "
                "diverged; leave it out or register with stronger smoothing"
            )
        share = self._count_in(1, log_weight, 2.0 * log_weight)
        for start in range(0, flat.shape[0], SLAB):
            slab = slice(start, start + SLAB)
            self._absorb(slab, share, [flat[slab, c] for c in range(3)], None)

    def merge(self, other: "Moments") -> None:
        """Take in the samples of another instance, as if they had been added here.

        Raises:
            ValueError: the shapes differ.
        """
        if other.count == 0:
            return
        if self.count and self._shape != other._shape:
            raise ValueError(f"moments have shapes {self._shape} and {other._shape}")
        if self._mean is None:
            self._allocate(other._mean, other._shape)
        share = self._count_in(other.count, other.log_weight, other._log_square)
        for start in range(0, other._mean.shape[1], SLAB):
            slab = slice(start, start + SLAB)
            self._absorb(slab, share, other._mean[:, slab], other._covariance[:, slab])

    @property
    def effective(self) -> float:
        """Effective sample size (Σw)² / Σw²; equals ``count`` for equal weights."""
        if self.log_weight == -math.inf:
            return 0.0
        return math.exp(2.0 * self.log_weight - self._log_square)

    @property
    def mean(self) -> Array:
        """(…, 3) weighted mean displacement in mm."""
        return namespace(self._filled()).stack(list(self._mean), -1).reshape(*self._shape, 3)

    @property
    def covariance(self) -> Array:
        """(…, 6) biased covariance xx, xy, xz, yy, yz, zz in mm²; zero for one sample."""
        return namespace(self._filled()).stack(list(self._covariance), -1).reshape(*self._shape, 6)

    def _filled(self) -> Array:
        if self._mean is None:
            raise ValueError("no sample was added yet")
        return self._mean

    def _flatten(self, vectors: Array) -> Array:
        shape = tuple(vectors.shape)
        if shape[-1:] != (3,):
            raise ValueError(f"displacements must have shape (…, 3), got {shape}")
        if self._mean is None:
            self._allocate(vectors, shape[:-1])
        elif shape[:-1] != self._shape:
            raise ValueError(f"a sample has shape {shape}, the ones before {(*self._shape, 3)}")
        return vectors.reshape(-1, 3)

    def _allocate(self, like: Array, shape: tuple[int, ...]) -> None:
        zero = namespace(like).zeros_like(like.reshape(-1)[:1])
        self._shape = shape
        self._mean = namespace(like).tile(zero, (3, math.prod(shape)))
        self._covariance = namespace(like).tile(zero, (6, math.prod(shape)))

    def _count_in(self, count: int, log_weight: float, log_square: float) -> float:
        self.count += count
        self._log_square = float(np.logaddexp(self._log_square, log_square))
        share, self.log_weight = _share(self.log_weight, log_weight)
        return share

    def _absorb(self, slab: slice, share: float, means, covariances) -> None:
        """Update the points of ``slab`` with samples of given mean and covariance (None: one)."""
        step = [means[c] - self._mean[c, slab] for c in range(3)]
        for row, (a, b) in enumerate(PAIRS):
            scatter = step[a] * step[b]
            scatter *= share
            own = self._covariance[row, slab]
            own += scatter
            own *= 1.0 - share
            if covariances is not None:
                own += share * covariances[row]
        for c in range(3):
            step[c] *= share
            self._mean[c, slab] += step[c]


@dataclass(frozen=True)
class NestedSummary:
    """What nested samples say.

    Attributes:
        mean: (…, 3) mean displacement in mm.
        total: (…, 6) biased covariance of all draws in mm², what `Moments` would give.
        spread: (…, 6) intrinsic spread E_τ[Cov(g|τ)] in mm²; zero with one draw a group.
        jitter: (…, 6) bias jitter Cov_τ[E(g|τ)] in mm², negative eigenvalues set to 0.
    """

    mean: Array
    total: Array
    spread: Array
    jitter: Array


class NestedMoments:
    """Moments of nested samples: K draws of a stochastic registration for each perturbation τ.

    By the law of total covariance (Tian et al., Lemma 4.1)
    Cov[g] = E_τ[Cov(g|τ)] (intrinsic spread) + Cov_τ[E(g|τ)] (bias jitter).
    Draws of one group (perturbation) must follow each other; only one open group is kept, so the
    memory depends neither on the number of groups nor on that of draws.

    A covariance of few draws is too small and the mean of few draws still moves with them; both
    finite-K effects are removed. With equal weights, G groups and K draws in each,

        spread = K/(K-1) mean_τ Cov_k(g)        jitter = Cov_τ(mean_k g) - (1 - 1/G) spread / K

    so that E[spread] is exact and E[jitter] is (1 - 1/G) times the true one, like the paper's
    biased covariance over G perturbations. With K = 1 the spread is 0 and the jitter is all.
    """

    def __init__(self) -> None:
        self._between = Moments()
        self._within = RunningMean()
        self._open = Moments()
        self._group: int | None = None
        self._closed: set[int] = set()
        # For each closed group: log-weight, and Σw² of its draws' weights normalised to 1.
        self._log_weights: list[float] = []
        self._squares: list[float] = []

    def add(self, vectors: Array, log_weight: float = 0.0, group: int = 0) -> None:
        """Take in one draw of perturbation ``group``.

        Args:
            vectors: (…, 3) displacements in mm.
            log_weight: logarithm of its weight.
            group: which perturbation it belongs to.

        Raises:
            ValueError: the group was left before, or the vectors are unusable (`Moments.add`).
        """
        if group in self._closed:
            raise ValueError(f"draws of group {group} must follow each other")
        if self._group is not None and group != self._group:
            self._close(self._between, self._within, self._log_weights, self._squares)
            self._closed.add(self._group)
            self._open = Moments()
        self._group = group
        self._open.add(vectors, log_weight)

    def summary(self) -> NestedSummary:
        """Mean, total covariance, spread and jitter of what was added so far.

        Raises:
            ValueError: nothing was added yet.
        """
        if self._group is None:
            raise ValueError("no sample was added yet")
        # The open group is closed on copies, so that a running result can be shown and go on.
        between, within = Moments(), RunningMean()
        between.merge(self._between)
        if self._within.value is not None:
            within.add(self._within.value, self._within.log_weight)
        log_weights, squares = list(self._log_weights), list(self._squares)
        self._close(between, within, log_weights, squares)
        weights = np.exp(np.array(log_weights) - between.log_weight)
        square = np.array(squares)
        # Σ weights·square is the mean of 1/K: what one draw's noise leaves in a group's mean.
        noise = float(weights @ square)
        spread = within.value / (1.0 - noise) if noise < 1.0 - 1e-9 else within.value * 0.0
        jitter = between.covariance - float((weights * (1.0 - weights)) @ square) * spread
        return NestedSummary(
            mean=between.mean,
            total=between.covariance + within.value,
            spread=spread,
            jitter=clip_negative(jitter),
        )

    def _close(self, between, within, log_weights, squares) -> None:
        group = self._open
        if group.log_weight == -math.inf:
            return
        between.add(group.mean, group.log_weight)
        within.add(group.covariance, group.log_weight)
        log_weights.append(group.log_weight)
        squares.append(1.0 / group.effective)


def _share(total: float, log_weight: float) -> tuple[float, float]:
    """Share of a new sample in the total weight, and the new logarithm of the total."""
    if log_weight == -math.inf:
        return 0.0, total
    new = float(np.logaddexp(total, log_weight))
    return math.exp(log_weight - new), new
