"""Do importance weights help? One weight a proposal against one weight a proposal and voxel.

    python Testing/benchmarks/sir_weights.py --data ../shared/data/hippocampus_msd
        --network study/seed0/mean --out weights.txt [--pairs 20] [--noise 1.0]

Proposals: smooth noise around the mean-only network of sir_hippocampus.py. Weightings:

- uniform;
- paper: softmax of log p(fixed | moving o Z) + log p(Z) - log q(Z), tempered to T = 3;
- likelihood: the same of log p(fixed | moving o Z) alone, that is with q as the prior;
- local: at every voxel a softmax over the proposals of beta times the squared local correlation of
  that voxel's window, so that a proposal can be right here and wrong there.

beta is chosen on training pairs, by ECE; scores are of test pairs, in the ring around the true
boundaries, with 95 % bootstrap intervals of the difference to uniform over fixed subjects.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from sir_hippocampus import LABELS, SHAPE, TRAIN
from sir_scores import Model, dice_of, entropy_of, memberships, seeds_of

from UncertainRegLib.gaussian import temper_by_spread
from UncertainRegLib.metrics.calibration import reliability
from UncertainRegLib.metrics.correlation import auroc
from UncertainRegLib.metrics.protocols import SIR
from UncertainRegLib.metrics.sparsification import ause
from UncertainRegLib.networks.target import RegistrationTarget
from UncertainRegLib.samplers.proposals.trained import proposal_network
from UncertainRegLib.studies.rows import bootstrap_interval
from UncertainRegLib.training.folder import FolderPairs

PROPOSALS, BETAS = 64, (5.0, 10.0, 20.0, 40.0)
SCORES = ("ece", "ause", "auroc", "dice", "entropy")


@torch.no_grad()
def judge(model: Model, pair, name: str) -> dict[str, dict[str, float]]:
    """Scores of every weighting on a pair."""
    fields, mean, log_q = model.draw(pair, seeds_of(0, "weights", name, PROPOSALS))
    target = RegistrationTarget(pair.fixed, pair.moving)
    ncc = target.squared_ncc(target.warp(fields))[0]
    likelihood = target.log_likelihood(fields)[0]
    full = likelihood + (target.log_prior(fields) - log_q)[0]
    weights = {
        "uniform": torch.zeros(PROPOSALS),
        "paper": temper_by_spread(full, 3.0),
        "likelihood": temper_by_spread(likelihood, 3.0),
    }
    weights = {name: log.softmax(0).float().view(-1, 1, 1, 1) for name, log in weights.items()}
    weights |= {f"local {beta:g}": (beta * ncc).softmax(0) for beta in BETAS}
    soft = memberships(pair, fields, LABELS)
    truth = pair.fixed_labels[0, 0].long().numpy()
    wrong = memberships(pair, mean, LABELS)[0].argmax(0).numpy() != truth
    ring = SIR.mask(truth)
    result = {}
    for name, w in weights.items():
        p = (w[:, None] * soft).sum(0)
        entropy, top = entropy_of(p).numpy(), p.argmax(0).numpy()
        confidence = p.amax(0).clamp(0, 1).numpy()
        result[name] = {
            "ece": reliability(confidence, top == truth, ring, SIR.ece_bins).ece,
            "ause": ause(entropy, wrong, ring),
            "auroc": auroc(entropy, wrong, ring),
            "dice": dice_of(top, truth, LABELS),
            "entropy": float(entropy[ring].mean()),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--network", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=20, help="test pairs, of 56")
    parser.add_argument("--noise", type=float, default=1.0, help="sd of the proposals, mm")
    args = parser.parse_args()
    torch.set_num_threads(1)
    names = tuple(
        sorted(f.name for f in (args.data / "images").iterdir() if f.name.endswith(".nii.gz"))
    )
    train, test = (
        FolderPairs(str(args.data / "images"), SHAPE, 1.0, str(args.data / "labels"), part)
        for part in (names[:TRAIN], names[TRAIN:])
    )
    model = Model(proposal_network(args.network).eval(), args.noise)
    on_training = [
        judge(model, train.of(i, (i + 7) % TRAIN), f"train {i}") for i in range(0, TRAIN, 3)
    ]
    chosen = min(
        (f"local {beta:g}" for beta in BETAS),
        key=lambda name: np.mean([row[name]["ece"] for row in on_training]),
    )
    ordered = [(m, f) for m in range(len(test)) for f in range(len(test)) if m != f]
    np.random.default_rng(0).shuffle(ordered)
    rows = [(f, judge(model, test.of(m, f), f"{m}-{f}")) for m, f in ordered[: args.pairs]]
    lines = [
        f"{len(rows)} test pairs, smooth noise {args.noise:g} mm, {PROPOSALS} proposals; "
        f"chosen on training pairs: {chosen}"
    ]
    for name in on_training[0]:
        words = []
        for score in SCORES:
            mean = np.mean([row[name][score] for _, row in rows])
            by_subject = {}
            for f, row in rows:
                by_subject.setdefault(f, []).append(row[name][score] - row["uniform"][score])
            low, high = bootstrap_interval(np.array([np.mean(d) for d in by_subject.values()]))
            words.append(f"{score} {mean:.4f} [{low:+.4f}, {high:+.4f}]")
        lines.append(f"{name:12} " + "  ".join(words))
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
