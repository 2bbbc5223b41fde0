"""Does pooling the response over neighbours make few samples tell more? On real boundaries.

    python Testing/benchmarks/response_pooling.py DATA [--pairs 8]

A sample answers the displacement that was drawn at its place. Regressed on it with moments that are
pooled over neighbouring voxels, g = R t + rest, the covariance is R Σ Rᵀ + that of the rest, where Σ
is the covariance of the family, known from draws without registrations. Beside it stand the plain
disagreement, and the same smoothing without the regression. Development subjects of
`truth_pairs.py`; demons, deform. One row a map: Spearman of the maps of two disjoint dozens of
samples over the anatomy, and of the map of one dozen, and of both, with the error across true
boundaries.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from scipy import ndimage

from UncertainRegLib import backbones
from UncertainRegLib.geometry import interpolate, read_image, warp
from UncertainRegLib.geometry.files import read_labels
from UncertainRegLib.geometry.foreground import above_mean
from UncertainRegLib.metrics.boundaries import boundary_errors
from UncertainRegLib.metrics.correlation import spearman
from UncertainRegLib.perturbations import Deform
from UncertainRegLib.randomness import numpy_generator

DOZEN = 12
DRAWS = 100  # of the family, for its covariance
RIDGE = 1e-3  # of the mean variance of the drawn displacement
SIGMAS = (1.0, 2.0, 3.0)  # voxels


def smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian over the first three axes (Z, Y, X)."""
    return ndimage.gaussian_filter(values, (sigma,) * 3 + (0,) * (values.ndim - 3), mode="nearest")


def plain(answers: np.ndarray) -> np.ndarray:
    """Disagreement in mm of answers (N, Z, Y, X, 3)."""
    return np.sqrt(answers.var(axis=0).sum(-1))


def pooled(answers: np.ndarray, drawn: np.ndarray, family: np.ndarray, sigma: float) -> np.ndarray:
    """Disagreement in mm by the pooled response; family: (Z, Y, X, 3, 3) covariance in mm²."""
    answers, drawn = answers - answers.mean(0), drawn - drawn.mean(0)
    cross = smooth(np.einsum("n...i,n...j->...ij", answers, drawn), sigma)
    own = smooth(np.einsum("n...i,n...j->...ij", drawn, drawn), sigma)
    ridge = RIDGE * np.trace(own, axis1=-2, axis2=-1)[..., None, None] * np.eye(3) / 3
    response = cross @ np.linalg.inv(own + ridge)
    rest = answers - np.einsum("...ij,n...j->n...i", response, drawn)
    explained = np.einsum("...ij,...jk,...ik->...", response, family, response)
    return np.sqrt(explained + smooth((rest**2).sum(-1).mean(0), sigma))


def sampled(fixed, moving, generator) -> tuple:
    """Registration, answers and drawn displacements (24, Z, Y, X, 3), covariance of the family, and
    where the anatomy is."""
    demons, family = backbones.create("demons"), Deform()
    fixed, moving = demons.prepare(fixed, moving)
    phi = demons.register(fixed, moving).to_numpy()
    answers, drawn = [], []
    for _ in range(2 * DOZEN):
        tau = family.draw(moving.grid, generator)
        shift = tau.field(moving.grid, moving.array)
        perturbed = warp(moving, shift, outside=demons.facts.outside)
        answers.append(tau.push(demons.register(fixed, perturbed)).to_numpy().vectors - phi.vectors)
        drawn.append(tau.push(phi).vectors - phi.vectors)
    more = (family.draw(moving.grid, generator).push(phi) for _ in range(DRAWS))
    shifts = np.array([field.vectors - phi.vectors for field in more])
    covariance = np.einsum("n...i,n...j->...ij", shifts, shifts) / DRAWS
    inside = above_mean(fixed.resample(phi.grid))
    return phi, np.array(answers), np.array(drawn), covariance, inside


def numbers(folder: Path, names: tuple[str, str], number: int) -> dict[str, tuple]:
    """Of one pair: map -> agreement of two halves, Spearman with the error by 12 and by 24."""
    generator = numpy_generator(3, "response", number)
    images = [read_image(folder / "images" / name) for name in names]
    labels = [read_labels(folder / "labels" / name) for name in names]
    phi, answers, drawn, family, inside = sampled(*images, generator)
    places, errors = [], []
    for label in (1, 2):
        masks = [part for one in labels for part in (one.array == label, one.grid)]
        found = boundary_errors(phi, *masks, 400, generator)
        places.append(phi.grid.to_index(found.points))
        errors.append(np.abs(found.errors_mm))
    place, error = np.concatenate(places), np.concatenate(errors)
    maps = {"plain": lambda of: plain(answers[of])}
    for sigma in SIGMAS:
        maps[f"smoothed {sigma:g}"] = lambda of, s=sigma: np.sqrt(
            smooth(plain(answers[of]) ** 2, s)
        )
        maps[f"pooled {sigma:g}"] = lambda of, s=sigma: pooled(answers[of], drawn[of], family, s)
    found = {}
    for name, make in maps.items():
        first, second, whole = (make(of) for of in (slice(DOZEN), slice(DOZEN, None), slice(None)))
        ranks = [
            spearman(interpolate(one.astype(np.float32), place), error) for one in (first, whole)
        ]
        found[name] = (spearman(first[inside], second[inside]), *ranks)
    return found


def main() -> None:
    """Print the table of means."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--pairs", type=int, default=8)
    given = parser.parse_args()
    folder = given.data / "hippocampus_msd"
    names = sorted(path.name for path in (folder / "images").glob("*.nii.gz"))[::2]
    pairs = list(itertools.permutations(names, 2))
    order = numpy_generator(3, "response").permutation(len(pairs))[: given.pairs]
    rows = [numbers(folder, pairs[chosen], n) for n, chosen in enumerate(order)]
    print("| map | two maps of 12 agree | rank of the error, 12 | 24 |")
    print("|---|---|---|---|")
    for name in rows[0]:
        means = np.mean([row[name] for row in rows], axis=0)
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in means) + " |")


if __name__ == "__main__":
    main()
