"""Fit a model of the expected error to errors that are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as with_changes

import numpy as np
from scipy.optimize import minimize

from .model import ErrorModel, Factors

LEVEL = ("gap", "unlike", "strain", "disagreement")  # cues of how far off a pair is
PLACE = ("unlike_in_detail", "squeeze", "disagreement")  # cues of where in it
RIDGE = 0.005  # on the weights of standardised cues
SHARE = 0.95  # of the errors, within a bound


@dataclass(frozen=True)
class KnownErrors:
    """Known errors of one registered pair.

    Attributes:
        subjects: whom it is of; pairs that share one are never fitted and judged together.
        voxel_mm: of the grid that it was registered on.
        cues: by name, (P,) at P points (`cues.logs`).
        means: of the cues over the anatomy, by name (`cues.means`).
        across_mm: (P,) size of the error across a boundary, NaN where only its length is known.
        length_mm: (P,) length of the error, NaN where only its part across is known.
        volumes_ml: (S, 2) of the registered and the true structures.
        areas_ml: (S,) surface area of the registered ones times 1 mm, in mL.
        centroids_mm: (S,) distance of their centroids.
        is_simulated: the truth is known because the fixed image was made with it.
        boundaries: (S,) the points of each structure, as an index into the points.
        maps: other maps at the points, by name, to compare with.
    """

    subjects: frozenset[str]
    voxel_mm: float | np.ndarray
    cues: Mapping[str, np.ndarray]
    means: Mapping[str, float]
    across_mm: np.ndarray
    length_mm: np.ndarray
    volumes_ml: np.ndarray
    areas_ml: np.ndarray
    centroids_mm: np.ndarray
    is_simulated: bool | np.ndarray = False
    boundaries: Sequence[np.ndarray] = ()
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)


def fit(pairs: Sequence[KnownErrors], fitted_on: str, checked_with: str) -> ErrorModel:
    """A model of pairs that each count the same, however many points they have.

    Two fits, one after the other. The weights of the level are found at points, where cues and
    errors vary widely, and then taken for the means over the anatomy: the means of two dozen pairs
    would say little of pairs of another kind. The weights of the place are found with that level
    held.

    The factors are the 95 % quantiles of the errors in units of expectations that each come from a
    model fitted without the subjects of the pair.

    Real pairs decide on all of that. Of a length only simulated pairs say anything at many places:
    they give how long an error is for one across, and how much heavier its tail is.

    Args:
        pairs: of at least three real pairs and a simulated one.
        fitted_on: what they are, one sentence.
        checked_with: how they were registered and perturbed, see `model.checked`.

    Raises:
        ValueError: fewer than three real pairs, or no simulated one.
    """
    real = [pair for pair in pairs if not pair.is_simulated]
    simulated = [pair for pair in pairs if pair.is_simulated]
    if len(real) < 3 or not simulated:
        raise ValueError(
            f"{len(real)} real and {len(simulated)} simulated pairs are too few to fit a model "
            "to; give at least 3 and 1."
        )
    whole = with_changes(_fitted(real), fitted_on=fitted_on, checked_with=(checked_with,))
    ratios: dict[str, list[np.ndarray]] = {"boundary": [], "volume": [], "centroid": []}
    for pair in real:
        others = [other for other in real if not other.subjects & pair.subjects]
        model = _fitted(others) if len(others) > 1 else whole
        for name, values in in_units(pair, model).items():
            if values.size and name in ratios:
                ratios[name].append(values)
    factors = {name: _quantile(found) for name, found in ratios.items()}
    longer, heavier = _of_lengths(simulated, whole)
    means = [float(whole.across_mm(pair.cues, pair.means, 1.0).mean()) for pair in real]
    return with_changes(
        whole,
        longer=longer,
        factors=Factors(point=factors["boundary"] * heavier, **factors),
        range_voxels=(min(means), max(means)),
    )


def _of_lengths(simulated: Sequence[KnownErrors], model: ErrorModel) -> tuple[float, float]:
    """Mean length of an error over its mean size across a boundary; and the 95 % quantile over
    the mean of the one in units of its expectation, over that of the other."""
    sizes: list[list[np.ndarray]] = [[], []]
    longer = []
    for pair in simulated:
        both = np.isfinite(pair.length_mm) & np.isfinite(pair.across_mm)
        errors = [np.abs(pair.length_mm[both]), np.abs(pair.across_mm[both])]
        longer.append(errors[0].mean() / errors[1].mean())
        for found, error in zip(sizes, errors):
            units = error / model.across_mm(pair.cues, pair.means, pair.voxel_mm)[both]
            found.append(units / units.mean())
    return float(np.mean(longer)), _quantile(sizes[0]) / _quantile(sizes[1])


def in_units(pair: KnownErrors, model: ErrorModel) -> dict[str, np.ndarray]:
    """The errors of a pair in the units of `Factors`, by its names."""
    across = model.across_mm(pair.cues, pair.means, pair.voxel_mm)
    mean = np.array([across[chosen].mean() for chosen in pair.boundaries])
    found = {
        "boundary": np.abs(pair.across_mm) / across,
        "point": pair.length_mm / model.length_mm(across),
        "volume": np.abs(np.diff(pair.volumes_ml, axis=1)[:, 0]) / (pair.areas_ml * mean)
        if mean.size
        else mean,
        "centroid": pair.centroids_mm / mean if mean.size else mean,
    }
    return {name: values[np.isfinite(values)] for name, values in found.items()}


def _fitted(pairs: Sequence[KnownErrors]) -> ErrorModel:
    """A model without factors."""
    known = [np.isfinite(pair.across_mm) for pair in pairs]

    def every(values: Sequence[np.ndarray]) -> np.ndarray:
        """Those of all pairs, at the points whose error across a boundary is known."""
        return np.concatenate([one[here] for one, here in zip(values, known)])

    error = every([np.abs(pair.across_mm) / pair.voxel_mm for pair in pairs])
    share = every([np.full(here.shape, 1.0 / max(here.sum(), 1)) for here in known])
    share /= share.sum()
    at = {name: every([pair.cues[name] for pair in pairs]) for name in {*LEVEL, *PLACE}}
    mean = {
        name: every([np.full(here.shape, pair.means[name]) for pair, here in zip(pairs, known)])
        for name in at
    }
    intercept, level = _weights({name: at[name] for name in LEVEL}, error, share)
    held = intercept + sum(weight * mean[name] for name, weight in level.items())
    more, place = _weights({name: at[name] - mean[name] for name in PLACE}, error, share, held)
    nan = float("nan")
    none = Factors(nan, nan, nan, nan)
    return ErrorModel(level, place, intercept + more, nan, none, (nan, nan), "", ())


def _weights(
    cues: Mapping[str, np.ndarray],
    error: np.ndarray,
    share: np.ndarray,
    held: np.ndarray | float = 0.0,
) -> tuple[float, dict[str, float]]:
    """Intercept and weights of cues in log E(error), to which ``held`` is added.

    They maximise the quasi-likelihood of a positive error (Poisson's, with a logarithmic link),
    which an error of zero does not upset. No weight is negative: every cue is larger where more
    error is likely, and what a few pairs seem to say against that would not hold on others.

    Args:
        cues: (P,) by name; error: (P,) in voxels; share: (P,) how much each counts, 1 in all.
    """
    values = np.stack(list(cues.values()), axis=1)
    middle, scale = values.mean(axis=0), values.std(axis=0) + 1e-9
    design = np.column_stack([np.ones(len(values)), (values - middle) / scale])

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        linear = held + design @ beta
        expected = np.exp(linear)
        slope = design.T @ (share * (expected - error))
        slope[1:] += RIDGE * beta[1:]
        return share @ (expected - error * linear) + RIDGE / 2 * (beta[1:] ** 2).sum(), slope

    start = np.zeros(design.shape[1])
    start[0] = np.log((share @ error) / (share * np.exp(held)).sum())
    bounds = [(None, None), *[(0.0, None)] * len(cues)]
    beta = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = beta[1:] / scale
    return float(beta[0] - weights @ middle), dict(zip(cues, weights.tolist()))


def _quantile(found: Sequence[np.ndarray]) -> float:
    """The smallest ratio that at least `SHARE` of them do not exceed, each pair counting the
    same; NaN without any."""
    if not found:
        return float("nan")
    ratios = np.concatenate(found)
    weights = np.concatenate([np.full(one.size, 1.0 / one.size) for one in found])
    order = np.argsort(ratios)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(ratios[order][min(np.searchsorted(share, SHARE), ratios.size - 1)])
