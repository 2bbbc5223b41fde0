"""Correlation of MC-dropout, static and total uncertainty maps (Tian et al., Figure 4).

    python Testing/benchmarks/stochastic_maps.py --model FOLDER --data DATA/hippocampus_msd
        [--samples 32] [--pairs 10] [--families translation scale deform]

A network with dropout (a model folder of ``train dropout``) gives three maps of a pair: "dropout",
the spread of repeated draws; "static", equivariance with dropout off; and "total", equivariance
with dropout on. Spearman and Pearson correlations inside the hippocampus, dilated by three voxels,
of the 8 test subjects; and how much of the total variance the other two leave unexplained. One
thread.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from UncertainRegLib import backbones
from UncertainRegLib.geometry import read_image, read_labels
from UncertainRegLib.geometry.arrays import to_numpy
from UncertainRegLib.metrics.correlation import pearson, spearman
from UncertainRegLib.perturbations import family
from UncertainRegLib.posterior.maps import uncertainty
from UncertainRegLib.posterior.moments import Moments
from UncertainRegLib.samplers import Equivariance
from UncertainRegLib.samplers.dropout import Dropout
from UncertainRegLib.studies.rows import bootstrap_interval

TRAIN, MARGIN = 16, 3
PAIRINGS = (("dropout", "static"), ("dropout", "total"), ("static", "total"))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="folder of a model trained with dropout")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--families", nargs="+", default=["translation", "scale", "deform"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    backbone = backbones.create(options.model)
    names = sorted(f.name for f in (options.data / "images").iterdir())[TRAIN:]
    pairs = [(a, b) for a in names for b in names if a != b]
    chosen = np.random.default_rng(1).choice(len(pairs), options.pairs, replace=False)
    print("| family | maps | Spearman | Pearson |\n|---|---|---|---|")
    for name in options.families:
        rows = [maps_of(backbone, options, name, *pairs[i]) for i in chosen]
        for one, other in PAIRINGS:
            cells = [
                np.array([f(maps[one], maps[other]) for maps in rows]) for f in (spearman, pearson)
            ]
            print(
                f"| {name} | {one} and {other} | "
                + " | ".join(in_words(values) for values in cells)
                + " |"
            )
        share = np.array(
            [
                ((m["dropout"] ** 2 + m["static"] ** 2).mean() / (m["total"] ** 2).mean())
                for m in rows
            ]
        )
        means = [np.mean([m[kind].mean() for m in rows]) for kind in rows[0]]
        print(
            f"| {name} | mean u of dropout, static, total: "
            + ", ".join(f"{value:.2f}" for value in means)
            + f" mm; (dropout² + static²) / total² {in_words(share)} | | |"
        )
    return 0


def maps_of(backbone, options, name: str, moving_name: str, fixed_name: str) -> dict:
    """u (mm) of the three kinds inside the region of one pair."""
    images = options.data / "images"
    fixed_image, moving_image = read_image(images / fixed_name), read_image(images / moving_name)
    fixed, moving = backbone.prepare(fixed_image, moving_image)
    labels = read_labels(options.data / "labels" / fixed_name)
    labels = labels.resample(fixed.grid, "nearest", 0).array > 0
    region = ndimage.binary_dilation(labels, iterations=MARGIN)
    perturbed = Equivariance(backbone, family(name))

    def spread(sampler) -> np.ndarray:
        moments = Moments()
        for sample in sampler.sample(fixed, moving, options.samples, np.random.default_rng(1)):
            moments.add(sample.field.vectors)
        return to_numpy(uncertainty(moments.covariance))[region]

    found = {"dropout": spread(Dropout(backbone))}
    for member in backbone.members:
        member.eval()
    found["static"] = spread(perturbed)
    for member in backbone.members:
        member.train()
    found["total"] = spread(perturbed)
    return found


def in_words(values: np.ndarray) -> str:
    """Mean and its 95 % bootstrap interval over pairs."""
    low, high = bootstrap_interval(values)
    return f"{values.mean():.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    sys.exit(main())
