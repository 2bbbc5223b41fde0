"""How many samples of a network until two independent maps agree? Plain, smoothed and pooled.

    python Testing/benchmarks/agreement_of_networks.py DATA OUT [--families deform translation]
                                                      [--samples 48] [--turned]

Conditional LapIRN with its published weights on the two brains (``--turned``: the other way round).
The answers and the drawn displacements are kept in OUT at every second voxel, so a second call only
prints. Spearman over the head of the maps of two disjoint sets of n samples, for each n; and of the
map of one set with the plain map of all samples that are not in it, in brackets. Pooled maps are
those of ``response_pooling.py``; widths are Gaussian sigmas in mm. Then the same draws registered by
the two coarser levels alone: is it the same map?
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from response_pooling import plain, pooled, smooth

from UncertainRegLib.geometry import DisplacementField, read_image
from UncertainRegLib.geometry.arrays import to_numpy
from UncertainRegLib.metrics.correlation import spearman
from UncertainRegLib.perturbations import family
from UncertainRegLib.posterior.agreement import agreement
from UncertainRegLib.randomness import numpy_generator

EVERY = 2  # voxels of 1 mm
EVERY_PLACE = 100  # of the head, to foretell the agreement by (`posterior.agreement`)
SETS = (4, 6, 8, 12, 16, 24)
SPLITS = 4  # of the samples into two sets, for each n


def drawn(data: Path, name: str, samples: int, turned: bool) -> dict[str, np.ndarray]:
    """Answers, those of the coarser levels, and drawn displacements (N, Z, Y, X, 3) in mm less the
    registration, and the head."""
    from UncertainRegLib.backbones.clapirn import ConditionalLapIRN

    weights = next((data / "weights" / "clapirn").glob("*.pth"))
    backbone = ConditionalLapIRN(weights=str(weights), affine=False, coarse_samples=True)
    folder = data / "brain_t1_inter"
    pair = [read_image(folder / file) for file in ("subA_t1.nii.gz", "subC_aligned_t1.nii.gz")]
    fixed, moving = backbone.prepare(*pair[:: -1 if turned else 1])
    phi, levels = backbone.register(fixed, moving), backbone.for_samples(fixed, moving)
    whole = {"answers": (backbone, phi), "coarse": (levels, levels.register(fixed, moving))}
    generator = numpy_generator(1, "agreement", name)
    found: dict[str, list] = {"answers": [], "coarse": [], "drawn": []}
    for _ in range(samples):
        tau = family(name).draw(moving.grid, generator)
        perturbed = tau.perturbed(moving, backbone.facts.outside)
        changes = {"drawn": tau.push(phi).vectors - phi.vectors}
        for key, (method, undisturbed) in whole.items():
            change = tau.push(method.register(fixed, perturbed)).vectors - undisturbed.vectors
            changes[key] = DisplacementField(change, undisturbed.grid).resample(phi.grid).vectors
        for key, change in changes.items():
            found[key].append(thinned(change).astype(np.float16))
    return {key: np.array(all_) for key, all_ in found.items()} | {"head": thinned(fixed.array) > 0}


def thinned(values) -> np.ndarray:
    """Every second voxel, numpy."""
    return to_numpy(values)[::EVERY, ::EVERY, ::EVERY]


def maps(answers: np.ndarray, drawn: np.ndarray, covariance: np.ndarray) -> dict[str, np.ndarray]:
    """Disagreement in mm by each way of making it."""
    found = {"plain": plain(answers)}
    found["smoothed 4 mm"] = np.sqrt(smooth(found["plain"] ** 2, 4 / EVERY))
    for mm in (2, 4):
        found[f"pooled {mm} mm"] = pooled(answers, drawn, covariance, mm / EVERY)
    return found


def table(kept: dict[str, np.ndarray]) -> None:
    """Print agreement against the number of samples."""
    head = kept["head"]
    places = np.argwhere(head)
    box = tuple(slice(low, high) for low, high in zip(places.min(0), places.max(0) + 1))
    answers, shifts = (kept[key][:, *box].astype(np.float32) for key in ("answers", "drawn"))
    inside, count = head[box], len(answers)
    covariance = np.einsum("n...i,n...j->...ij", shifts, shifts) / count
    generator = numpy_generator(2, "splits")
    names = ("plain", "smoothed 4 mm", "pooled 2 mm", "pooled 4 mm")
    print(f"| samples | foretold | {' | '.join(names)} |\n|---|---|" + "---|" * len(names))
    for n in (n for n in SETS if 2 * n <= count):
        rows, foretold = [], []
        for _ in range(SPLITS):
            order = generator.permutation(count)
            of_some = answers[order[:n]][:, inside][:, ::EVERY_PLACE]
            foretold.append(agreement(of_some) or np.nan)
            first, second = (
                maps(answers[of], shifts[of], covariance) for of in (order[:n], order[n : 2 * n])
            )
            rest = plain(answers[order[n:]])
            rows.append(
                [
                    [spearman(first[name][inside], other[inside]) for other in (second[name], rest)]
                    for name in names
                ]
            )
        cells = (f"{agree:.2f} ({known:.2f})" for agree, known in np.mean(rows, axis=0))
        said = "" if np.isnan(foretold).any() else f"{np.mean(foretold):.2f}"
        print(f"| {n} | {said} | {' | '.join(cells)} |", flush=True)


def of_levels(kept: dict[str, np.ndarray]) -> None:
    """Print whether the two coarser levels make the map of the whole network."""
    whole, coarse = (kept[key].astype(np.float32)[:, kept["head"]] for key in ("answers", "coarse"))
    count = len(whole)
    maps_ = plain(whole), plain(coarse)
    print(
        f"\nThe same {count} draws by two levels and by all: Spearman {spearman(*maps_):.3f}, mean "
        f"{maps_[1].mean() / maps_[0].mean():.3f} of it"
    )
    generator, half = numpy_generator(3, "halves"), count // 2
    rows = []
    for _ in range(SPLITS):
        order = generator.permutation(count)
        one, other = order[:half], order[half : 2 * half]
        pairs = ((whole, whole), (coarse, coarse), (coarse, whole))
        rows.append([spearman(plain(a[one]), plain(b[other])) for a, b in pairs])
    alone, beside, across = np.mean(rows, axis=0)
    print(
        f"Halves of {half}: whole and whole {alone:.3f}, coarse and coarse {beside:.3f}, coarse and "
        f"whole {across:.3f}"
    )


def main() -> None:
    """Draw what is missing; print a table for each family."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--families", nargs="+", default=["deform", "translation"])
    parser.add_argument("--samples", type=int, default=48)
    parser.add_argument("--turned", action="store_true")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.families:
        file = given.out / f"{name}{'-turned' if given.turned else ''}-{given.samples}.npz"
        if not file.exists():
            np.savez(file, **drawn(given.data, name, given.samples, given.turned))
        print(f"\n{name}\n")
        kept = dict(np.load(file))
        table(kept)
        of_levels(kept)


if __name__ == "__main__":
    main()
