"""What the samples disagree about: principal components, modes, and a sweep to animate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.vq import kmeans2

from ..geometry.arrays import to_numpy
from ..randomness import numpy_generator

SLAB = 1 << 16  # numbers of each sample handled at a time


@dataclass(frozen=True)
class Components:
    """Principal components of N weighted displacement fields.

    Attributes:
        mean: (…, 3) weighted mean field in mm.
        variances: (k,) variance along each component, largest first, in mm² summed over points.
        explained: (k,) share of the whole variance.
        scores: (N, k) coordinates of the samples along the components, in mm.
        weights: (N,) weights of the samples, sum 1.
    """

    mean: np.ndarray
    variances: np.ndarray
    explained: np.ndarray
    scores: np.ndarray
    weights: np.ndarray
    samples: Sequence
    coefficients: np.ndarray  # (N, k): a component is Σ_n coefficients[n] (sample n - mean)

    def field(self, component: int, sd: float) -> np.ndarray:
        """The mean moved ``sd`` standard deviations along a component, (…, 3) in mm, float32.

        Played from -2 to 2 it shows the disagreement as a movement.
        """
        step = sd * np.sqrt(self.variances[component]) * self.coefficients[:, component]
        result = self.mean.astype(np.float64) * (1.0 - step.sum())
        for share, sample in zip(step, self.samples):
            result += share * to_numpy(sample)
        return result.astype(np.float32)


@dataclass(frozen=True)
class Mode:
    """A group of similar samples.

    Attributes:
        weight: its share of the samples' weight; all modes sum to 1.
        sample: the member nearest its centre, which stands for it.
        members: numbers of its samples.
    """

    weight: float
    sample: int
    members: list[int]


def principal_components(
    samples: Sequence, log_weights: Sequence[float] | None = None, count: int = 5
) -> Components:
    """Principal component analysis of the samples through their N × N Gram matrix.

    There are far fewer samples than voxels, so the eigenvectors of the Gram matrix of the weighted,
    centred samples give all components; the fields are read slab by slab.

    Args:
        samples: N displacement fields (…, 3) in mm, as they are or memory-mapped.
        log_weights: logarithms of their weights; None takes equal ones.
        count: number of components, at most N - 1.

    Raises:
        ValueError: fewer than two samples, or shapes that differ.
    """
    shapes = {tuple(sample.shape) for sample in samples}
    if len(samples) < 2 or len(shapes) != 1:
        raise ValueError(
            f"components need two samples or more of one shape, got {len(samples)} "
            f"of shapes {sorted(shapes)}"
        )
    weights = np.zeros(len(samples)) if log_weights is None else np.array(log_weights, float)
    weights = np.exp(weights - weights.max())
    weights /= weights.sum()
    flat = [to_numpy(sample).reshape(-1) for sample in samples]
    mean = np.empty(flat[0].size, np.float32)
    gram = np.zeros((len(samples), len(samples)))
    for start in range(0, mean.size, SLAB):
        block = np.stack([f[start : start + SLAB] for f in flat]).astype(np.float64)
        center = weights @ block
        mean[start : start + SLAB] = center
        block -= center
        gram += block @ block.T
    root = np.sqrt(weights)
    values, vectors = np.linalg.eigh(root[:, None] * gram * root)
    keep = slice(None, -min(count, len(samples) - 1) - 1, -1)  # the largest, in falling order
    variances = values[keep].clip(0.0)
    vectors = vectors[:, keep]
    length = np.sqrt(np.maximum(variances, 1e-12 * max(values[-1], 1e-300)))
    coefficients = root[:, None] * vectors / length
    return Components(
        mean=mean.reshape(next(iter(shapes))),
        variances=variances,
        explained=variances / max(values.clip(0.0).sum(), 1e-300),
        scores=gram @ coefficients,
        weights=weights,
        samples=samples,
        coefficients=coefficients,
    )


def find_modes(components: Components, count: int = 2, seed: int = 0) -> list[Mode]:
    """Group the samples by k-means on their scores (Simpson and Campbell: two groups), heaviest
    first.

    k-means finds ``count`` groups in any samples that differ: two modes are not evidence of two
    alternatives.

    Args:
        components: of the samples; the scores used are those kept there.
        count: number of modes.
        seed: of the starting centres; the best of ten starts is taken.

    Raises:
        ValueError: there are fewer samples than modes.
    """
    scores, weights = components.scores, components.weights
    if len(scores) < count:
        raise ValueError(f"{count} modes need at least as many samples, got {len(scores)}")
    if not np.ptp(scores, axis=0).any():  # copies of one sample
        return [Mode(1.0, 0, list(range(len(scores))))]
    # kmeans2 knows no weights: samples are repeated in proportion (systematic resampling).
    draws = max(1000, 10 * len(weights))
    if np.ptp(weights) < 1e-12:
        repeated = scores
    else:
        steps = (np.arange(draws) + 0.5) / draws
        repeated = scores[np.searchsorted(np.cumsum(weights), steps).clip(max=len(weights) - 1)]
    generator = numpy_generator(seed, "modes")
    best, centers = np.inf, None
    for _ in range(10):
        trial, nearest = kmeans2(repeated, count, minit="++", rng=generator)
        cost = float(np.sum((repeated - trial[nearest]) ** 2))
        if cost < best:
            best, centers = cost, trial
    distance = np.linalg.norm(scores[:, None] - centers[None], axis=-1)
    group = distance.argmin(axis=1)
    found = []
    for mode in range(count):
        members = np.flatnonzero(group == mode)
        if members.size:
            nearest = members[distance[members, mode].argmin()]
            found.append(Mode(float(weights[members].sum()), int(nearest), members.tolist()))
    return sorted(found, key=lambda mode: -mode.weight)
