"""A radiotherapy dose seen through the samples: its maps, and what each structure receives.

Every number comes from whole samples: each one moves the dose (or the structure) everywhere at
once, and has a dose-volume histogram of its own. Bands made of voxel-wise deviations would forget
that neighbours move together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

LOW, HIGH = 0.05, 0.95  # of the samples
STEPS = 200  # of a dose-volume histogram


@dataclass(frozen=True)
class DoseMaps:
    """Mean, standard deviation (over N) and 5 and 95 % of the samples' doses, (...) in Gy."""

    expected: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    high: np.ndarray


def dose_maps(doses: np.ndarray, weights: np.ndarray) -> DoseMaps:
    """Maps of the samples' doses (N, ...) in Gy with weights (N,) of sum 1."""
    mean = np.einsum("n,n...->...", weights, doses, dtype=np.float64)
    square = np.einsum("n,n...->...", weights, (doses - mean) ** 2)
    low, high = quantiles(doses, weights, (LOW, HIGH))
    return DoseMaps(mean, np.sqrt(square), low, high)


def quantiles(values: np.ndarray, weights: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """(L, ...) weighted quantiles of (N, ...): the smallest value that a share reaches."""
    if np.ptp(weights) > 1e-9:
        return np.quantile(values, levels, axis=0, weights=weights, method="inverted_cdf")
    ranks = [max(math.ceil(round(level * len(values), 6)) - 1, 0) for level in levels]
    return np.partition(values, ranks, axis=0)[ranks]


@dataclass(frozen=True)
class Received:
    """What one structure receives in one sample.

    Attributes:
        mean, d95, d2: in Gy: the mean dose, and what 95 and 2 % of its volume receive at least.
        above: share of its volume that receives the limit or more.
        curve: share of its volume that receives each dose of the histogram or more.
    """

    mean: float
    d95: float
    d2: float
    above: float
    curve: np.ndarray


def received(
    doses: np.ndarray, volumes: np.ndarray, limit: float, steps: np.ndarray
) -> Received | None:
    """From the doses in Gy of small parts of a structure; None without a part.

    Args:
        doses, volumes: (n,) of the parts, the volumes in any unit.
        limit: Gy, of ``above``; steps: Gy, of ``curve``, ascending.
    """
    total = volumes.sum(dtype=np.float64)
    if not total:
        return None
    order = np.argsort(doses)
    ordered = doses[order]
    below = np.append(0.0, np.cumsum(volumes[order], dtype=np.float64) / total)
    shares = below[np.searchsorted(ordered, [limit, *steps], side="left")]
    middles = (below[:-1] + below[1:]) / 2  # a part has its dose in its middle
    d95, d2 = np.interp((0.05, 0.98), middles, ordered)
    return Received(
        float(np.average(doses, weights=volumes)),
        float(d95),
        float(d2),
        float(1.0 - shares[0]),
        1.0 - shares[1:],
    )


def steps_to(highest: float) -> np.ndarray:
    """(STEPS + 1,) doses in Gy from 0 to the highest one."""
    return np.linspace(0.0, highest, STEPS + 1)


def row_of(registered: Received, samples: Iterable[Received], weights: np.ndarray) -> dict:
    """The row of a structure: what it receives by the registration, and the 5 to 95 % of the
    samples, under the names of `results.columns.DOSE`.

    Args:
        samples: those that have the structure; weights: theirs, of sum 1.
    """
    samples = list(samples)
    row: dict = {}
    for name, scale in (("mean", 1.0), ("d95", 1.0), ("d2", 1.0), ("above", 100.0)):
        found = np.array([getattr(one, name) for one in samples])
        low, high = quantiles(found, weights, (LOW, HIGH))
        unit = "percent" if name == "above" else "gy"
        row[f"{name}_{unit}"] = scale * getattr(registered, name)
        row[f"{name}_low_{unit}"] = scale * float(low)
        row[f"{name}_high_{unit}"] = scale * float(high)
    return row


def band_of(samples: Iterable[Received], weights: np.ndarray) -> np.ndarray:
    """(2, STEPS + 1) 5 and 95 % of the samples' dose-volume histograms, dose by dose."""
    return quantiles(np.stack([one.curve for one in samples]), weights, (LOW, HIGH))
