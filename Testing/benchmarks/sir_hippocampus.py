"""All eight variants of Structured SIR on hippocampus crops, and what costs no training.

    python Testing/benchmarks/sir_hippocampus.py --data ../shared/data/hippocampus_msd --out study
        [--seeds 3] [--mean-steps 1500] [--steps 120] [--pairs 12] [--minutes 30]

16 subjects train, 8 test. For every seed one mean-only network is trained, and each variant goes
on from it for the same number of steps. Baselines around the mean-only network: no spread, smooth
noise that sees no image, and one blur of the registered labels everywhere, which has no samples.
Every model is judged with its own spread and with its spread scaled by one number so that its label
entropy on training pairs equals that of 0.5 mm of smooth noise ("matched"; V+D matched is the
"rescaled V+D"), since ECE and AUSE mostly follow the spread.

The oracle is the best of a model's samples in Dice, its gap what that gains over the mean: of 16
proposals, and of 16 *different* ones of 48 drawn by their weights. The paper draws with replacement,
so that a model of a large effective sample size has more candidates; that is "oracle of the paper".
Every model, pair and training has proposals of its own. "identity" are the images as they lie.

Scores in the ring around the true boundaries (Structured SIR, 5.2), for uniform weights, for the
paper's (T = 3) and for weights by voxel. Rows are kept in rows.csv; a stopped study goes on. Tables 1
to 3 of the paper, at the models' own spread: tables.md and table1.csv to table3.csv. One thread; the
convolutions train in bfloat16.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from sir_scores import (
    TEMPERATURE,
    Model,
    dice_of,
    distinct,
    entropy_of,
    folding,
    memberships,
    seeds_of,
    write_tables,
)
from sir_scores import judge as judge_tables
from torch import Tensor

from UncertainRegLib.backbones.models import read_model
from UncertainRegLib.gaussian import effective_sample_size, resample, temper_by_spread
from UncertainRegLib.metrics.calibration import reliability
from UncertainRegLib.metrics.correlation import auroc
from UncertainRegLib.metrics.protocols import SIR
from UncertainRegLib.metrics.sparsification import ause
from UncertainRegLib.randomness import torch_generator
from UncertainRegLib.studies.rows import Rows, bootstrap_interval, summary, table
from UncertainRegLib.training.folder import FolderPairs
from UncertainRegLib.training.sir import SirTraining, train_sir

SHAPE, TRAIN, RANK, LABELS = (32, 48, 32), 16, 12, (1, 2)
VARIANTS = ("S+LC", "V+D", "V+LC", "S+LD", "S+D", "V+LD", "S+C", "V+C")
NOISES_MM = (0.5, 1.0)  # standard deviations of smooth noise
BLURS_MM = (0.5, 1.0)  # of labels
REFERENCE = "smooth 0.5 mm"
VOXEL_BETA = 10.0
MATCHING_PAIRS, MATCHING_DRAWS = 4, 8
KEY = ("seed", "model", "spread", "moving", "fixed", "mean_steps", "steps", "judged", "noise")
NOISE = "by model and pair"
COLUMNS = {
    "dice_mean": "Dice mean",
    "dice_resampled": "Dice resampled mean",
    "oracle": "oracle",
    "gap": "oracle gap",
    "oracle_resampled": "oracle resampled",
    "gap_resampled": "oracle gap resampled",
    "folds": "folds %",
    "ess_raw": "ESS raw",
    "ess": "ESS T=3",
    "entropy": "entropy",
    "entropy_weighted": "entropy weighted",
    "ece": "ECE",
    "ece_weighted": "ECE weighted",
    "ece_voxel": "ECE by voxel",
    "ause": "AUSE",
    "ause_weighted": "AUSE weighted",
    "ause_voxel": "AUSE by voxel",
    "auroc": "AUROC",
    "auroc_weighted": "AUROC weighted",
    "auroc_voxel": "AUROC by voxel",
}
FURTHER = {  # beside them
    "oracle_paper": "oracle of the paper",
    "different": "different samples of it",
}
COMPARED = ("gap", "gap_resampled", "ece", "ause", "auroc", "dice_resampled")


@dataclass
class Blur:
    """The labels that a network's mean registers, blurred alike everywhere; sd_mm: Gaussian sigma."""

    net: torch.nn.Module
    sd_mm: float

    @torch.no_grad()
    def labels_of(self, pair) -> Tensor:
        """(labels + 1, Z, Y, X) memberships before they are blurred."""
        return memberships(pair, self.net(pair.moving, pair.fixed).mean[:, None], LABELS)[0]

    def blurred(self, soft: Tensor) -> Tensor:
        """Memberships (labels + 1, Z, Y, X) of voxels of 1 mm, blurred."""
        sd = (0, *3 * [self.sd_mm])
        return torch.from_numpy(gaussian_filter(soft.numpy(), sd, mode="nearest"))


def ring_entropy(model, pair, seeds) -> float:
    fields = model.draw(pair, seeds)[0]
    ring = SIR.mask(pair.fixed_labels[0, 0].long().numpy())
    return float(entropy_of(memberships(pair, fields, LABELS).mean(0)).numpy()[ring].mean())


def match(model, pairs, wanted: float) -> None:
    """Scale the spread of a model until its label entropy on training pairs is ``wanted``."""
    low, high = 0.1, 10.0
    for _ in range(6):
        model.scale = (low * high) ** 0.5
        found = np.mean([ring_entropy(model, p, range(MATCHING_DRAWS)) for p in pairs])
        low, high = (model.scale, high) if found < wanted else (low, model.scale)
    model.scale = (low * high) ** 0.5


@torch.no_grad()
def judge(model, pair, seeds: list[int]) -> dict[str, float]:
    """All scores of a model on a test pair; a third as many samples are kept as proposed."""
    proposals, kept = len(seeds), len(seeds) // 3
    fields, mean, log_q = model.draw(pair, seeds)
    target = model.target(pair)
    ncc = target.squared_ncc(target.warp(fields))[0]
    likelihood = fields[0, 0, 0].numel() * ncc.flatten(1).double().mean(1) / target.sigma**2
    log_weights = likelihood + (target.log_prior(fields) - log_q)[0]
    tempered = temper_by_spread(log_weights, TEMPERATURE)
    generator = torch_generator(seeds[0], "resampling")
    chosen = resample(tempered, kept, generator)
    candidates = distinct(tempered, kept, generator)
    truth = pair.fixed_labels[0, 0].long().numpy()
    soft = memberships(pair, fields, LABELS)
    of_mean = memberships(pair, mean, LABELS)[0].argmax(0).numpy()
    resampled_mean = memberships(pair, fields[:, chosen].mean(1, keepdim=True), LABELS)[0]
    of_each = [dice_of(one.argmax(0).numpy(), truth, LABELS) for one in soft]
    row = {
        "dice_mean": dice_of(of_mean, truth, LABELS),
        "dice_resampled": dice_of(resampled_mean.argmax(0).numpy(), truth, LABELS),
        "oracle": max(of_each[:kept]),
        "oracle_resampled": max(of_each[i] for i in candidates.tolist()),
        "oracle_paper": max(of_each[i] for i in chosen.tolist()),
        "different": len(set(chosen.tolist())),
        "folds": np.mean([folding(z) for z in fields[0, :4]]),
        "folds_mean": folding(mean[0, 0]),
        "scale": model.scale,
        "ess_raw": float(effective_sample_size(log_weights)),
        "ess": float(effective_sample_size(tempered)),
        "log_weight_sd": float(log_weights.std()),
    }
    row["gap"] = row["oracle"] - row["dice_mean"]
    row["gap_resampled"] = row["oracle_resampled"] - row["dice_mean"]
    ring = SIR.mask(truth)
    wrong = of_mean != truth
    weights = {
        "": torch.full_like(tempered, 1 / proposals).view(-1, 1, 1, 1),
        "_weighted": tempered.softmax(-1).view(-1, 1, 1, 1),
        "_voxel": (VOXEL_BETA * ncc).softmax(0),
    }
    for name, w in weights.items():
        p = (w.float()[:, None] * soft).sum(0)
        entropy, top = entropy_of(p).numpy(), p.argmax(0).numpy()
        confidence = p.amax(0).clamp(0, 1).numpy()
        row |= {
            f"ece{name}": reliability(confidence, top == truth, ring, SIR.ece_bins).ece,
            f"ause{name}": ause(entropy, wrong, ring),
            f"auroc{name}": auroc(entropy, wrong, ring),
            f"entropy{name}": float(entropy[ring].mean()),
        }
    return row


def judge_blur(model: Blur, pair) -> dict[str, float]:
    """The scores of a blur on a test pair; NaN where it takes samples or weights."""
    soft, truth = model.labels_of(pair), pair.fixed_labels[0, 0].long().numpy()
    of_mean, p = soft.argmax(0).numpy(), model.blurred(soft)
    ring, entropy, top = SIR.mask(truth), entropy_of(p).numpy(), p.argmax(0).numpy()
    confidence = p.amax(0).clamp(0, 1).numpy()
    return {
        **dict.fromkeys(COLUMNS | FURTHER, float("nan")),
        "dice_mean": dice_of(of_mean, truth, LABELS),
        "ece": reliability(confidence, top == truth, ring, SIR.ece_bins).ece,
        "ause": ause(entropy, of_mean != truth, ring),
        "auroc": auroc(entropy, of_mean != truth, ring),
        "entropy": float(entropy[ring].mean()),
    }


def study(args) -> Rows:
    """Whatever fits into the minutes."""
    deadline = time.monotonic() + 60 * args.minutes
    images, labels = args.data / "images", args.data / "labels"
    names = tuple(sorted(f.name for f in images.iterdir() if f.name.endswith(".nii.gz")))
    train = FolderPairs(str(images), SHAPE, 1.0, str(labels), names[:TRAIN], together=2, apart=1)
    test = FolderPairs(str(images), SHAPE, 1.0, str(labels), names[TRAIN:])
    ordered = [(m, f) for m in range(len(test)) for f in range(len(test)) if m != f]
    np.random.default_rng(0).shuffle(ordered)
    ordered = ordered[: args.pairs]
    matching = [train.of(i, (i + 5) % len(train)) for i in range(MATCHING_PAIRS)]
    rows = Rows(args.out / "rows.csv", KEY)
    tabled = Rows(args.out / "pairs.csv", KEY)
    labelled = Rows(args.out / "labels.csv", (*KEY, "label"))

    def evaluate(seed, name, model):
        for spread in ("own", "matched"):
            keys = [
                {
                    "seed": seed,
                    "model": name,
                    "spread": spread,
                    "moving": m,
                    "fixed": f,
                    "mean_steps": args.mean_steps,
                    "steps": args.steps,
                    "judged": args.judged,
                    "noise": NOISE,
                }
                for m, f in ordered
            ]
            if all(key in rows for key in keys):
                continue
            if spread == "matched" and (isinstance(model, Blur) or model.sd_mm == 0):
                continue
            if spread == "matched":
                match(model, matching, wanted)
            if isinstance(model, Blur):
                for key in (key for key in keys if key not in rows):
                    rows.add({**key, **judge_blur(model, test.of(key["moving"], key["fixed"]))})
                continue
            for key in keys:
                if key in rows:
                    continue
                pair, place = (
                    test.of(key["moving"], key["fixed"]),
                    f"{key['moving']}-{key['fixed']}",
                )
                seeds = seeds_of(seed, name, place, args.judged)
                if spread == "own":
                    row, of_labels = judge_tables(model, pair, LABELS, seeds, args.judged // 3)
                    for one in of_labels:
                        if {**key, **one} not in labelled:
                            labelled.add({**key, **one})
                    if key not in tabled:
                        tabled.add({**key, "pair": place, **row})
                rows.add({**key, **judge(model, pair, seeds)})
        (args.out / "table.txt").write_text(in_words(rows) + "\n", encoding="utf-8")
        about = f"{len(ordered)} ordered test pairs of hippocampus crops, {args.judged} proposals."
        write_tables(tabled.all, labelled.all, args.out, about)

    for seed in range(args.seeds):
        common = {
            "seed": seed,
            "rank": RANK,
            "keep": 2,
            "proposals": args.proposals,
            "optimiser": "adam",
            "spread_average": args.spread_average,
            "bfloat16": True,
            "last_learning_rate": args.rate / 20,
            "validate_every": 10**9,
            "save_every": 100,
        }
        folder = args.out / f"seed{seed}"
        start = train_sir(
            SirTraining(
                variant="V+D",
                steps=args.mean_steps,
                learning_rate=args.rate,
                mean_steps=args.mean_steps,
                **common,
            ),
            train,
            folder / "mean",
            progress=False,
        )
        reference = Model(start, NOISES_MM[0])
        wanted = np.mean([ring_entropy(reference, p, range(MATCHING_DRAWS)) for p in matching])
        evaluate(seed, "identity", Model(start, 0.0, still=True))
        evaluate(seed, "mean only", Model(start, 0.0))
        for sd in NOISES_MM:
            evaluate(seed, f"smooth {sd:g} mm", Model(start, sd))
        for sd in BLURS_MM:
            evaluate(seed, f"blur {sd:g} mm", Blur(start, sd))
        for variant in args.variants:
            if time.monotonic() > deadline:
                return rows
            config = SirTraining(
                variant=variant,
                steps=args.steps,
                mean_steps=0,
                decay_steps=args.steps,
                learning_rate=args.rate,
                **common,
            )
            began = time.monotonic()
            net = train_sir(config, train, folder / variant, progress=False, start=start)
            print(f"seed {seed} {variant}: trained in {time.monotonic() - began:.0f} s", flush=True)
            kept = read_model(folder / variant)["provenance"].get("sigma_alpha")
            evaluate(seed, variant, Model(net, spread=kept))
    return rows


def in_words(rows: Rows) -> str:
    """Means over pairs and seeds, then paired differences."""
    columns = COLUMNS | FURTHER
    parts = [
        table(summary(rows.all, ("model", "spread"), tuple(columns)), ("model", "spread"), columns)
    ]
    for spread in ("own", "matched"):
        for reference in (REFERENCE, "V+D"):
            parts.append(
                f"Paired differences to {reference}, {spread} spread "
                "(mean over pairs, 95 % bootstrap interval over fixed subjects)"
            )
            parts += paired(rows, spread, reference)
    return "\n".join(parts)


def differences(rows: Rows, spread: str, reference: str):
    """Paired differences to a reference: (model, measure, mean, low, high), 95 % bootstrap.

    Pairs of one fixed image and seeds are averaged first.
    """

    def values(model):
        return {
            (r["seed"], r["moving"], r["fixed"]): r
            for r in rows.all
            if r["model"] == model and r["spread"] == spread
        }

    theirs = values(reference)
    for model in dict.fromkeys(row["model"] for row in rows.all):
        mine = values(model)
        common = sorted(mine.keys() & theirs.keys())
        if model == reference or not common:
            continue
        for name in COMPARED:
            if any(np.isnan(float(one[common[0]][name])) for one in (mine, theirs)):
                continue  # a blur has no samples
            groups = {}
            for key in common:
                groups.setdefault(key[2], []).append(
                    float(mine[key][name]) - float(theirs[key][name])
                )
            means = np.array([np.mean(group) for group in groups.values()])
            yield model, name, means.mean(), *(bootstrap_interval(means) or (np.nan, np.nan))


def paired(rows: Rows, spread: str, reference: str):
    """Lines of paired differences, one a model."""
    found = list(differences(rows, spread, reference))
    for model in dict.fromkeys(one[0] for one in found):
        yield f"  {model:14} " + "  ".join(
            f"{name} {mean:+.4f} [{low:+.4f}, {high:+.4f}]"
            for other, name, mean, low, high in found
            if other == model
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with images and labels")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    parser.add_argument("--mean-steps", type=int, default=1500)
    parser.add_argument("--steps", type=int, default=120, help="of each variant")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate of the variants")
    parser.add_argument(
        "--spread-average", type=float, default=0.0, help="gamma of sigma_alpha; paper: 0.9"
    )
    parser.add_argument("--proposals", type=int, default=12, help="weighed in a training step")
    parser.add_argument("--judged", type=int, default=48, help="proposals of a test pair")
    parser.add_argument("--pairs", type=int, default=12, help="test pairs, of 56")
    parser.add_argument("--minutes", type=float, default=30, help="begin no variant after them")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    print(in_words(study(args)))


if __name__ == "__main__":
    main()
