"""The proposal network that comes with the library, judged on real images against demons.

    python Testing/benchmarks/sir_model.py --data ../shared/data [--out model.txt] [--pairs 12]

Hippocampus: test pairs of sir_hippocampus.py in their native crops. Brain: A from C (aligned), at
two working grids of demons. Dice of the mean, before and after its refinement, around demons, after
an affine alignment, and from nothing; folding of samples; time of the proposal. One thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from UncertainRegLib import backbones
from UncertainRegLib.geometry import jacobian_determinant, read_image, read_labels, warp_labels
from UncertainRegLib.metrics.overlap import dice_per_label
from UncertainRegLib.samplers.proposals.trained import Trained

TRAIN = 16  # subjects before the test subjects, as in sir_hippocampus.py
WAYS = {
    f"network from {name}{', refined' if refine else ''}": {"start": start, "refine": refine}
    for name, start in (("demons", "backbone"), ("affine", "affine"), ("nothing", "none"))
    for refine in (0, 20)
}
VOXELS = (120_000, 1_000_000)  # working grids of the brain


def judge(backbone, fixed_image, moving_image, fixed_labels, moving_labels) -> dict:
    """(Dice, folded % of the mean, of samples, seconds) of every way on a pair."""
    fixed, moving = backbone.prepare(fixed_image, moving_image)
    labels = [label for label in np.unique(fixed_labels.array) if label]

    def scores(field, seconds, samples=()):
        warped = warp_labels(moving_labels, field.resample(fixed_labels.grid)).array
        dice = dice_per_label(warped, fixed_labels.array, labels)
        return [
            np.nanmean(list(dice.values())),
            folding(field),
            np.mean([folding(one) for one in samples] or [np.nan]),
            seconds,
        ]

    began = time.perf_counter()
    registration = backbone.register(fixed, moving).to_numpy()
    found = {"demons": scores(registration, time.perf_counter() - began)}
    for name, settings in WAYS.items():
        began = time.perf_counter()
        proposal = Trained(backbone, **settings).propose(fixed, moving, np.random.default_rng(0))
        seconds = time.perf_counter() - began
        with torch.no_grad():
            drawn = proposal.gaussian.sample(proposal.gaussian.noise(range(4)))[0]
        found[name] = scores(
            proposal.field(proposal.gaussian.mean[0]), seconds, [proposal.field(z) for z in drawn]
        )
    return found


def folding(field) -> float:
    """Folded voxels in %."""
    return 100 * float((jacobian_determinant(field) <= 0).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--pairs", type=int, default=12)
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = []

    def report(title, rows):
        lines.append(f"{title:44} Dice  folds of mean %  of samples %  seconds")
        for name in rows[0]:
            dice, *rest = np.mean([row[name] for row in rows], 0)
            lines.append(f"  {name:42} {dice:.4f}  " + "  ".join(f"{v:.3f}" for v in rest))
        print("\n".join(lines[-len(rows[0]) - 1 :]), flush=True)

    folder = args.data / "hippocampus_msd"
    names = sorted(f.name for f in (folder / "images").glob("*.nii.gz"))[TRAIN:]
    ordered = [(m, f) for m in range(len(names)) for f in range(len(names)) if m != f]
    np.random.default_rng(0).shuffle(ordered)
    demons = backbones.create("demons")
    rows = [
        judge(
            demons,
            read_image(folder / "images" / names[f]),
            read_image(folder / "images" / names[m]),
            read_labels(folder / "labels" / names[f]),
            read_labels(folder / "labels" / names[m]),
        )
        for m, f in ordered[: args.pairs]
    ]
    report(f"Hippocampus, {len(rows)} pairs", rows)
    brain = args.data / "brain_t1_inter"
    images = [read_image(brain / f"{name}_t1.nii.gz") for name in ("subA", "subC_aligned")]
    labels = [read_labels(brain / f"{name}_seg13.nii.gz") for name in ("subA", "subC_aligned")]
    for voxels in VOXELS:
        demons = backbones.create("demons", affine=False, voxels=voxels)
        report(f"Brain A from C (aligned), {voxels} voxels", [judge(demons, *images, *labels)])
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
