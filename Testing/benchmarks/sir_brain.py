"""Equivariance-seeded SIR on a real brain pair, against plain equivariance and a constant blur.

    python Testing/benchmarks/sir_brain.py --data ../shared/data/brain_t1_inter --out FOLDER
        [--backbone demons] [--backbone-settings JSON] [--voxels 300000] [--seeds 16]
        [--proposals 128] [--kept 48]

A backbone registers C (affinely aligned) to A; the same equivariance samples make the plain map and
seed the proposals. All is judged on a grid of about ``voxels`` voxels, that of the proposals. In
the ring around the true labels of A: AUROC and AUSE of label entropy for
voxels that the registration mislabels, ECE of the most probable label; Dice of that label anywhere.
"uniform" rows use the proposals unweighed, so that what the weights do can be told from what the
proposals do. "local" rows weigh every proposal at every voxel: a softmax over the proposals of BETA
times the squared correlation of a window of 5 voxels (BETA from sir_weights.py, other anatomy).
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from UncertainRegLib import backbones
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import Image, read_image, read_labels, warp_labels
from UncertainRegLib.posterior.labels import LabelProbabilities
from UncertainRegLib.samplers import Equivariance, create_sampler
from UncertainRegLib.studies.labels import LabelMap, baselines, judge, mean_dice

LOCAL_SD_MM = (0.5, 1.0)
ESS_FRACTIONS = (0.2,)
BETA, LOCAL_PROPOSALS, WINDOW = 10.0, 64, 5


@dataclass
class Recorded(Backbone):
    """A backbone that keeps its answers, so that both methods share one set of registrations."""

    backbone: Backbone
    answers: list = field(default_factory=list)
    replay: int = 0

    @property
    def facts(self):
        return self.backbone.facts

    def register(self, fixed, moving):
        if self.replay == len(self.answers):
            self.answers.append(self.backbone.register(fixed, moving))
        self.replay += 1
        return self.answers[self.replay - 1]


def label_map(probabilities: LabelProbabilities) -> LabelMap:
    return LabelMap(probabilities.entropy(), *probabilities.top_label())


@torch.no_grad()
def local_label_map(sampler, fixed, moving, segmentation) -> LabelMap:
    """Label probabilities of proposals weighed at every voxel, on the grid of the proposals."""
    proposal = sampler.proposal.propose(fixed, moving, np.random.default_rng(1))
    target = proposal.target(fixed, moving, window=WINDOW)
    labels = [label for label in np.unique(segmentation.array) if label]
    masks = [
        proposal.target(
            fixed, Image((segmentation.array == label).astype(np.float32), segmentation.grid)
        )
        for label in labels
    ]
    sums, total = [0.0] * len(labels), 0.0
    for seed in range(LOCAL_PROPOSALS):
        z = proposal.gaussian.sample(proposal.gaussian.noise([seed]))
        weight = (BETA * target.squared_ncc(target.warp(z))[0, 0]).exp()
        total = total + weight
        sums = [old + weight * mask.warp(z)[0, 0] for old, mask in zip(sums, masks)]
    p = torch.stack([total - sum(sums), *sums]) / total
    entropy = -(p * p.clamp_min(1e-30).log()).sum(0)
    top = np.array([0, *labels])[p.argmax(0).numpy()]
    return LabelMap(entropy.numpy(), top, p.amax(0).clamp(0, 1).numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--backbone", default="demons")
    parser.add_argument("--backbone-settings", type=json.loads, default={"affine": False})
    parser.add_argument("--voxels", type=int, default=300_000)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--proposals", type=int, default=128)
    parser.add_argument("--kept", type=int, default=48)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    data = {
        name: read(args.data / f"{name}.nii.gz")
        for name, read in (
            ("subA_t1", read_image),
            ("subA_seg13", read_labels),
            ("subC_aligned_t1", read_image),
            ("subC_aligned_seg13", read_labels),
        )
    }
    segmentation = data["subC_aligned_seg13"]
    backbone = backbones.create(args.backbone, **args.backbone_settings)
    fixed, moving = backbone.prepare(data["subA_t1"], data["subC_aligned_t1"])
    grid = fixed.grid.at_most(args.voxels)
    truth = data["subA_seg13"].resample(grid, "nearest", 0).array
    began = time.monotonic()
    registration = backbone.register(fixed, moving).to_numpy()
    lines = [
        f"one registration {time.monotonic() - began:.1f} s, grids {fixed.grid.shape} and "
        f"{grid.shape}"
    ]
    warped = warp_labels(segmentation, registration.resample(grid)).array
    lines.append(f"Dice of the registration {mean_dice(warped, truth):.4f}")
    maps = baselines(warped, grid)
    dices = {}

    def add(name, samples):
        probabilities, found = LabelProbabilities(segmentation, grid), []
        fields = [sample.field.to_numpy() for sample in samples]
        for one, sample in zip(fields, samples):
            probabilities.add(one, 0.0, sample.voxel_log_weight)
            found.append(mean_dice(warp_labels(segmentation, one.resample(grid)).array, truth))
        maps[name] = label_map(probabilities)
        mean = fields[0].resample(grid).vectors * 0
        for one in fields:
            mean += one.resample(grid).vectors / len(fields)
        mean = type(fields[0])(mean, grid)
        dices[name] = (
            mean_dice(warp_labels(segmentation, mean).array, truth),
            np.mean(found),
            np.max(found),
        )

    recorded = Recorded(backbone)
    family = create_sampler("equivariance", backbone, "deform", {}).family
    began = time.monotonic()
    add(
        "equivariance",
        list(
            Equivariance(recorded, family).sample(
                fixed, moving, args.seeds, np.random.default_rng(1)
            )
        ),
    )
    lines.append(f"{args.seeds} equivariance samples {time.monotonic() - began:.0f} s")
    for sd in LOCAL_SD_MM:
        for name, settings in [(f"SIR {sd:g} mm, uniform", {"ess_fraction": 1.0})] + [
            (f"SIR {sd:g} mm, ESS {f:g} N", {"ess_fraction": f}) for f in ESS_FRACTIONS
        ]:
            recorded.replay = 0
            began = time.monotonic()
            sampler = create_sampler(
                "sir",
                recorded,
                "deform",
                {
                    "method": {
                        "source": "seeded",
                        "seeds": args.seeds,
                        "proposals": args.proposals,
                        "local_sd_mm": sd,
                        "voxels": args.voxels,
                        **settings,
                    }
                },
            )
            samples = list(sampler.sample(fixed, moving, args.kept, np.random.default_rng(1)))
            add(name, samples)
            facts = samples[0].of_all
            lines.append(
                f"{name}: {time.monotonic() - began:.0f} s, ESS raw {facts['ess_raw']:.2f}, "
                f"tempered {facts['ess_tempered']:.0f} of {facts['proposals']}, sd of log-weights "
                f"{facts['log_weight_sd']:.0f} nats, {len({s.group for s in samples})} different "
                f"of {args.kept}"
            )
            print(lines[-1], flush=True)
        recorded.replay = 0
        maps[f"SIR {sd:g} mm, local"] = local_label_map(sampler, fixed, moving, segmentation)
    for name, settings in (
        [("trained, uniform", {"ess_fraction": 1.0})]
        + [(f"trained, ESS {f:g} N", {"ess_fraction": f}) for f in ESS_FRACTIONS]
        + [("trained, by voxel", {"weighting": "voxel"})]
    ):
        began = time.monotonic()
        sampler = create_sampler(
            "sir",
            backbone,
            "deform",
            {
                "method": {
                    "source": "trained",
                    "proposals": args.proposals,
                    "voxels": args.voxels,
                    **settings,
                }
            },
        )
        add(name, list(sampler.sample(fixed, moving, args.kept, np.random.default_rng(1))))
        lines.append(f"{name}: {time.monotonic() - began:.0f} s")
    scores = judge(maps, warped, truth)
    lines.append(
        f"{'map':24} {'AUROC':>7} {'AUSE':>7} {'ECE':>7} {'Dice':>7}  Dice of the "
        "samples' mean, their mean, their best"
    )
    for name, one in scores.items():
        ece = "" if one["ece"] is None else f"{one['ece']:.4f}"
        dice = " ".join(f"{value:.4f}" for value in dices.get(name, ()))
        top = "" if maps[name].top is None else f"{mean_dice(maps[name].top, truth):.4f}"
        lines.append(f"{name:24} {one['auroc']:7.4f} {one['ause']:7.4f} {ece:>7} {top:>7}  {dice}")
    (args.out / "table.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
