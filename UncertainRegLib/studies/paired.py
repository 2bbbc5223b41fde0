"""Trained models compared on the same subjects: what differs, and how far that can be trusted.

The unit is the subject: pairs of one subject are averaged first. Models that differ only in the
seed of their training are one group, so that an interval over subjects (would other patients give
another mean?) stands beside one over seeds (would another training?).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit  # scipy.stats takes a second to import

from .rows import bootstrap_interval

Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Estimate:
    """A mean and what it varies with; NaN and None where there is nothing to say.

    Attributes:
        mean: over subjects and seeds.
        sd: standard deviation over subjects, seeds averaged.
        subjects: how many; seeds: of the training, how many.
        over_subjects: 95 % bootstrap interval of the mean over subjects, seeds averaged.
        over_seeds: 95 % t interval of the mean over seeds, subjects averaged.
        p: of a paired t-test over subjects that the mean is 0; of differences alone.
    """

    mean: float
    sd: float
    subjects: int
    seeds: int
    over_subjects: Interval
    over_seeds: Interval
    p: float | None = None


def estimate(values: np.ndarray) -> Estimate:
    """Of a group of models.

    Args:
        values: (seeds, subjects), NaN where a subject has no value; such subjects are left out.
    """
    values = values[:, np.isfinite(values).all(axis=0)]
    if not values.size:
        return Estimate(np.nan, np.nan, 0, len(values), None, None)
    of_subjects = values.mean(axis=0)
    sd = float(of_subjects.std(ddof=1)) if of_subjects.size > 1 else np.nan
    return Estimate(
        float(values.mean()),
        sd,
        of_subjects.size,
        len(values),
        bootstrap_interval(of_subjects),
        t_interval(values.mean(axis=1)),
    )


def difference(ours: dict[int, np.ndarray], theirs: dict[int, np.ndarray]) -> Estimate:
    """Our mean minus theirs, subject by subject.

    The interval over seeds is that of the differences by seed, for the seeds that both groups have.

    Args:
        ours, theirs: seed -> values of the same subjects in one order, NaN where there is none.
    """
    means = [np.mean(list(group.values()), axis=0) for group in (ours, theirs)]
    gap = means[0] - means[1]
    whole = estimate(gap[None])
    good = np.isfinite(gap)
    seeds = sorted(set(ours) & set(theirs)) if good.any() else []
    by_seed = np.array([(ours[seed] - theirs[seed])[good].mean() for seed in seeds])
    return Estimate(
        whole.mean,
        whole.sd,
        whole.subjects,
        len(seeds),
        whole.over_subjects,
        t_interval(by_seed),
        _paired_t_test(gap[good]),
    )


def t_interval(values: np.ndarray) -> Interval:
    """95 % interval of the mean of normal values; None with fewer than two."""
    if values.size < 2:
        return None
    half = float(stdtrit(values.size - 1, 0.975) * values.std(ddof=1) / np.sqrt(values.size))
    return float(values.mean() - half), float(values.mean() + half)


def _paired_t_test(gap: np.ndarray) -> float | None:
    """Two-sided p; None with fewer than two subjects, or where all differ by the same."""
    if gap.size < 2 or np.ptp(gap) == 0:
        return None
    t = abs(gap.mean()) / (gap.std(ddof=1) / np.sqrt(gap.size))
    return float(2 * stdtr(gap.size - 1, -t))
