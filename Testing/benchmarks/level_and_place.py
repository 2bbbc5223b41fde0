"""Do a level of the pair and a place within it, each with its own weights, tell the error better?

    python Testing/benchmarks/truth_pairs.py DATA OUT
    python Testing/benchmarks/level_and_place.py OUT/pairs.csv OUT/place

The product adds up its cues at a point. Here the mean of a cue over the anatomy says how far off a
pair is, and what the cue at a point is above that mean, how much more the error is there:

    log E|e| = b + Σ level · mean(cue) + Σ place · (cue − mean(cue))

Three expectations of every pair: that of the product; the trial, whose level and place are fitted
to the development pairs of the list; and the level of the product with the place of the trial. The
factors of the last two are the 95 % quantiles of the errors of development pairs, each with a place
(and a level of the trial) fitted without its people. Development pairs are judged so, too; but what
is of the product was fitted to them, so its level has seen them. For landmarks, how much longer an
error is than its part across a boundary is that of the product. demons, deform, 16 samples, grids
of at most 200,000 voxels.

One file of OUT a pair, measured once; OUT/rows.csv has a row a pair and expectation. A list of
fewer lines is done sooner.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.optimize import minimize

from UncertainRegLib import backbones
from UncertainRegLib.expected_error.cues import cues_of_images, cues_of_samples
from UncertainRegLib.expected_error.model import shipped
from UncertainRegLib.geometry import Image, interpolate, jacobian_determinant, warp
from UncertainRegLib.geometry.foreground import above_mean
from UncertainRegLib.jobs import Job
from UncertainRegLib.jobs.inputs import read_inputs
from UncertainRegLib.metrics.boundaries import boundary_errors
from UncertainRegLib.metrics.correlation import spearman
from UncertainRegLib.metrics.landmarks import distances
from UncertainRegLib.metrics.sparsification import risk
from UncertainRegLib.posterior.points import map_to_fixed
from UncertainRegLib.posterior.stream import SampleStream
from UncertainRegLib.randomness import numpy_generator
from UncertainRegLib.results.atomic import replace
from UncertainRegLib.samplers import create_sampler
from UncertainRegLib.studies.known_errors import FEWEST_VOXELS, POINTS
from UncertainRegLib.studies.rows import Rows
from UncertainRegLib.studies.truth import DEVELOPMENT, Pair, over_subjects, read_pairs

SAMPLES, SEED, VOXELS = 16, 1, 200_000
DETAIL = "unlike in detail"
LEVEL = (DETAIL,)  # cues of the trial
PLACE = (DETAIL, "squeeze", "disagreement")
FINE, WIDE = 1.0, 2.0  # voxels
NOISE = 1e-4  # variance of prepared intensities that a correlation takes for no structure
MOST_SQUEEZED = 10.0  # folds have no logarithm
RIDGE = 0.005  # on the weights of standardised cues, as in `expected_error.fit`
PRODUCT, TRIAL, BOTH = "product", "trial", "level of the product, place of the trial"


def smooth(values: np.ndarray, voxels: float) -> np.ndarray:
    """Gaussian of that standard deviation, (Z, Y, X) float32."""
    return ndimage.gaussian_filter(values.astype(np.float32), voxels, mode="nearest")


def unlike(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """1 − the local correlation of two images over `FINE`, (Z, Y, X)."""
    means = [smooth(image, FINE) for image in (first, second)]
    variances = [
        np.maximum(smooth(image**2, FINE) - mean**2, 0) + NOISE
        for image, mean in zip((first, second), means)
    ]
    both = smooth(first * second, FINE) - means[0] * means[1]
    return np.maximum(1 - both / np.sqrt(variances[0] * variances[1]), 0)


def logs(fixed: Image, moving: Image, registration, mean, uncertainty_mm) -> dict[str, np.ndarray]:
    """All cues as logarithms, (Z, Y, X) on the grid of the registration: those of the product by
    its names, and those of the trial. Prepared images; mean and disagreement of the samples."""
    model = shipped()
    found = cues_of_images(fixed, moving, registration)
    found |= cues_of_samples(registration, mean, uncertainty_mm)
    product = {name: np.log(found[name] + floor) for name, floor in model.floors.items()}
    here = fixed.resample(registration.grid).array.astype(np.float32)
    warped = warp(moving, registration, outside=None).array.astype(np.float32)
    room = np.clip(jacobian_determinant(registration), 1 / MOST_SQUEEZED, MOST_SQUEEZED)
    return product | {
        DETAIL: np.log(unlike(here, warped) + model.floors["unlike"]),
        "squeeze": -smooth(np.log(room), WIDE),  # how much less room the moving image has
    }


def measured(pair: Pair) -> dict[str, np.ndarray]:
    """Register and sample a pair as `evaluate truth` does: the size of its known errors in voxels,
    ``at:`` cues at their points and ``mean:`` their means over the anatomy."""
    job = Job(**pair.files, samples=SAMPLES, seed=SEED, perturbation="deform")
    inputs = read_inputs(job)
    demons = backbones.create("demons", voxels=VOXELS)
    sampler = create_sampler(job.method, demons, job.perturbation, job.parameters, "cpu")
    fixed, moving = demons.prepare(inputs.fixed, inputs.moving)
    registration = demons.register(fixed, moving).to_numpy()
    stream = SampleStream(inputs.moving.grid)
    generator = numpy_generator(SEED, "truth", *pair.subjects)
    for sample in sampler.sample(fixed, moving, SAMPLES, generator):
        stream.add(sample.field, sample.log_weight)
    of_samples = stream.mean(), stream.uncertainty_mm()
    maps = logs(fixed.to_numpy(), moving.to_numpy(), registration, *of_samples)
    points, errors = known(inputs, registration)
    where, anatomy = registration.grid.to_index(points), above_mean(fixed.resample(stream.grid))
    voxel_mm = registration.grid.voxel_mm
    return {
        "errors": errors / voxel_mm,
        "voxel_mm": voxel_mm,
        "is_point": inputs.fixed_labels is None,
        **{f"at:{name}": interpolate(cue.astype(np.float32), where) for name, cue in maps.items()},
        **{f"mean:{name}": cue[anatomy].mean() for name, cue in maps.items()},
    }


def known(inputs, registration) -> tuple[np.ndarray, np.ndarray]:
    """Points (P, 3) in mm LPS and errors (P,) in mm: across boundaries of the structures that both
    images show, or else the lengths at landmarks."""
    fixed, moving = inputs.fixed_labels, inputs.moving_labels
    if fixed is None:
        true = inputs.fixed_points[inputs.known_points]
        found = map_to_fixed(registration, inputs.moving_points[inputs.known_points])
        return true, distances(found, true)
    generator = numpy_generator(0, "boundary points")
    each = []
    for true, other, labels in zip(fixed.layers, moving.layers, moving.labels_of_layers):
        for label in labels:
            here, there = true.array == label, other.array == label
            if min(here.sum(), there.sum()) >= FEWEST_VOXELS:
                masks = (here, true.grid, there, other.grid)
                each.append(boundary_errors(registration, *masks, POINTS, generator))
    return (
        np.concatenate([one.points for one in each]),
        np.abs(np.concatenate([one.errors_mm for one in each])),
    )


def design(one: dict) -> np.ndarray:
    """(P, levels and places) of a pair."""
    level = [np.full(one["errors"].size, one[f"mean:{name}"]) for name in LEVEL]
    return np.stack([*level, *(one[f"at:{name}"] - one[f"mean:{name}"] for name in PLACE)], axis=1)


def fitted(pairs: list[dict]) -> tuple[float, np.ndarray]:
    """Intercept and weights of the trial; each pair counts the same, no weight is negative
    (Poisson's quasi-likelihood, as in `expected_error.fit`)."""
    cues = np.concatenate([design(one) for one in pairs])
    error = np.concatenate([one["errors"] for one in pairs])
    share = np.concatenate([np.full(one["errors"].size, 1 / one["errors"].size) for one in pairs])
    share /= len(pairs)
    middle, scale = cues.mean(axis=0), cues.std(axis=0) + 1e-9
    columns = np.column_stack([np.ones(error.size), (cues - middle) / scale])

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        linear = columns @ beta
        expected = np.exp(linear)
        slope = columns.T @ (share * (expected - error))
        slope[1:] += RIDGE * beta[1:]
        return share @ (expected - error * linear) + RIDGE / 2 * (beta[1:] ** 2).sum(), slope

    start = np.concatenate([[np.log(share @ error)], np.zeros(cues.shape[1])])
    bounds = [(None, None), *[(0, None)] * cues.shape[1]]
    beta = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = beta[1:] / scale
    return beta[0] - weights @ middle, weights


def expected(one: dict, fit: tuple[float, np.ndarray]) -> dict[str, np.ndarray]:
    """(P,) expected errors across a boundary, in voxels."""
    model, (intercept, weights) = shipped(), fit
    product = {
        part: model.intercept + sum(w * one[f"{part}:{n}"] for n, w in model.weights.items())
        for part in ("at", "mean")
    }
    columns, levels = design(one), len(LEVEL)
    place = columns[:, levels:] @ weights[levels:]
    level = intercept + columns[:, :levels] @ weights[:levels]
    logarithms = {PRODUCT: product["at"], TRIAL: level + place, BOTH: product["mean"] + place}
    return {name: np.exp(values) for name, values in logarithms.items()}


def quantile(ratios: list[np.ndarray]) -> float:
    """What 95 % of them do not exceed, each pair counting the same."""
    every = np.concatenate(ratios)
    share = np.concatenate([np.full(one.size, 1 / one.size) for one in ratios]) / len(ratios)
    order = np.argsort(every)
    return float(every[order][np.searchsorted(np.cumsum(share[order]), 0.95)])


def judged(pairs: dict[Pair, dict]) -> list[dict]:
    """One row a pair and expectation, in mm, as `evaluate truth` writes them."""
    own = {pair: one for pair, one in pairs.items() if pair.split == DEVELOPMENT}
    whole, factors = fitted([*own.values()]), shipped().factors
    without = {}
    for pair, one in own.items():
        others = [o for p, o in own.items() if not {*p.subjects} & {*pair.subjects}]
        without[pair] = expected(one, fitted(others) if others else whole)
    factor = {PRODUCT: factors.boundary}
    for name in (TRIAL, BOTH):
        factor[name] = quantile([one["errors"] / without[pair][name] for pair, one in own.items()])
    names = (*(f"level of {name}" for name in LEVEL), *(f"place of {name}" for name in PLACE))
    weights = zip(("intercept", *names), (whole[0], *whole[1]))
    print(", ".join(f"{name} {value:.3f}" for name, value in weights))
    print(", ".join(f"factor of {name} {value:.2f}" for name, value in factor.items()), end="\n\n")
    of_points = shipped().longer * factors.point / factors.boundary
    rows = []
    for pair, one in pairs.items():
        error = one["errors"] * one["voxel_mm"]
        for name, values in (without.get(pair) or expected(one, whole)).items():
            more = factor[name] * (of_points if one["is_point"] else 1.0)
            bound = more * values * one["voxel_mm"]
            rows.append(
                {
                    "pair": pair.name,
                    "subject": pair.subjects[0],
                    "split": pair.split,
                    "group": pair.group,
                    "kind": "point" if one["is_point"] else "boundary",
                    "map": name,
                    "mean_error": float(error.mean()),
                    "within": float((error <= bound).mean()),
                    "bound": float(bound.mean()),
                    "constant": float(np.percentile(error, 95)),
                    "naurc": risk(values, error).normalised,
                    "spearman": spearman(values, error),
                }
            )
    return rows


def table(rows: list[dict]) -> str:
    """Means over the fixed people of each group."""
    lines = [
        "| pairs | expected error | nAURC | within | least of a pair | bound (mm) | width |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {mean['pairs']} {mean['split']} {mean['group']} | {mean['map']} | {mean['naurc']:.2f} "
        f"| {mean['within']:.0%} | {mean['least_within']:.0%} | {mean['bound']:.2f} "
        f"| {mean['bound'] / mean['constant']:.2f} |"
        for mean in over_subjects(rows, ("split", "group", "kind", "map"))
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, write the rows and print their means."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    listed = read_pairs(given.pairs)
    if not any(pair.split == DEVELOPMENT for pair in listed):
        parser.error(f"{given.pairs}: lists no pair whose split is {DEVELOPMENT}, to fit to.")
    given.out.mkdir(parents=True, exist_ok=True)
    pairs = {}
    for pair in listed:
        file = given.out / f"{pair.name}.npz"
        if not file.exists():
            replace(file, partial(write, measured(pair)))
            print(pair.name, flush=True)
        with np.load(file) as stored:
            pairs[pair] = {name: stored[name] for name in stored.files}
    (given.out / "rows.csv").unlink(missing_ok=True)
    rows = Rows(given.out / "rows.csv", ("pair", "map"))
    for row in judged(pairs):
        rows.add(row)
    print(table(rows.all))


def write(arrays: dict[str, np.ndarray], path: Path) -> None:
    """One file of arrays (.npz)."""
    with open(path, "wb") as stream:
        np.savez(stream, **arrays)


if __name__ == "__main__":
    main()
