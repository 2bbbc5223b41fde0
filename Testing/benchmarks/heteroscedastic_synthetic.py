"""Heteroscedastic registration under noise that is known: every loss, gamma, and sigma_I itself.

    python Testing/benchmarks/heteroscedastic_synthetic.py --out study
        [--steps 1200] [--seeds 3] [--tests 64] [--minutes 30]

2-D images of random shapes; the fixed one is the moving one after a known warp, with noise whose
standard deviation is a known smooth map, another one in each pair. Networks of a seed begin with
the same weights and see the same pairs, and all are judged on the same test pairs. Every loss has a
control of another lambda, since weights of the residuals change the balance to the smoothness: what a
control reaches as well is no merit of a loss. Rows are kept in rows.csv; a stopped study goes on. One
thread. Training at the paper's scale is ``train heteroscedastic --images FOLDER --steps 30000``.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]

from support.known_pairs import KnownPairs  # noqa: E402
from support.seeds_and_pairs import INTERVALS, differences  # noqa: E402
from UncertainRegLib.memory import keep_freed_memory  # noqa: E402
from UncertainRegLib.metrics.correlation import spearman  # noqa: E402
from UncertainRegLib.metrics.protocols import HETERO  # noqa: E402
from UncertainRegLib.networks.warp import warp  # noqa: E402
from UncertainRegLib.randomness import seed_of  # noqa: E402
from UncertainRegLib.studies.rows import Rows, summary  # noqa: E402
from UncertainRegLib.training.heteroscedastic import (  # noqa: E402
    HeteroscedasticTraining,
    predict_log_variance,
    train_heteroscedastic,
)
from UncertainRegLib.training.synthetic import SyntheticPairs  # noqa: E402

SIZE, NOISE = 48, (0.02, 0.25)
WIDTHS = {"encoder": (8, 16, 16, 16), "decoder": (16, 16, 16, 16, 8), "ndim": 2}
SNR = "SNR, gamma 0.5 (the paper)"
MSE = "MSE"
MODELS = {
    MSE: {"loss": "mse"},
    SNR: {"loss": "snr"},
    # the weights of SNR are about 0.55: this is MSE with the same balance to the smoothness
    "MSE, lambda / 0.55": {"loss": "mse", "smoothness": 0.01 / 0.55},
    "SNR, variance of 5 x 5": {"loss": "snr", "window": 5},
    "MSE, lambda x 3": {"loss": "mse", "smoothness": 0.03},
    "beta-NLL": {"loss": "beta-nll"},
    "beta-NLL, lambda x 5": {"loss": "beta-nll", "smoothness": 0.05},
    "NLL": {"loss": "nll"},
    "NLL, lambda x 20": {"loss": "nll", "smoothness": 0.2},
    "SNR, gamma 1": {"loss": "snr", "gamma": 1.0},
    "SNR with sigma_z": {"loss": "snr", "alpha": 1e-3},
    "AdaFrame": {"loss": "adaframe"},
    "AdaReg": {"loss": "adareg"},
    "SNR, gamma 0.25": {"loss": "snr", "gamma": 0.25},
    "SNR, gamma 0.75": {"loss": "snr", "gamma": 0.75},
    "SNR as in the code": {"loss": "snr", "snr": "code"},
}
REFERENCES = [
    *((name, MSE) for name in MODELS if name != MSE),
    (SNR, "MSE, lambda / 0.55"),
    (SNR, "MSE, lambda x 3"),
    ("beta-NLL, lambda x 5", "MSE, lambda x 3"),
    ("NLL, lambda x 20", "MSE, lambda x 3"),
]
KEY = ("model", "seed", "steps", "pair")
COLUMNS = {
    "error": "error",
    "noisy": "error, noisy half",
    "quiet": "error, quiet half",
    "spearman": "Spearman(sigma_I, sigma)",
    "ause": "AUSE of sigma_I²",
}


def test_seed(number: int) -> int:
    """Of a test pair: the same one for every model and seed, and never a pair of a training."""
    return seed_of(0, "test pair", number)


@torch.no_grad()
def judge(nets: dict, pair) -> tuple[dict[str, float], tuple]:
    """Scores of a test pair, and its sparsification curves."""
    z = nets["displacement"](pair.moving, pair.fixed)
    moved = warp(pair.moving, z, "border")
    log_variance = predict_log_variance(nets["variance"], moved, pair.fixed)[0, 0].numpy()
    error = (z - pair.displacement).square().sum(1).sqrt()[0].numpy()
    sigma = pair.noise_sd[0, 0].numpy()
    noisy = sigma > np.median(sigma)
    residual = (pair.fixed - moved).square()[0, 0].numpy()
    row = {
        "before": float(pair.displacement.square().sum(1).sqrt().mean()),
        "error": float(error.mean()),
        "noisy": float(error[noisy].mean()),
        "quiet": float(error[~noisy].mean()),
        "spearman": spearman(log_variance, sigma),
        "ause": HETERO.scores(log_variance, residual)["ause"],
    }
    return row, HETERO.curves(log_variance, residual)


def study(args) -> Rows:
    """Whatever fits into the minutes."""
    deadline = time.monotonic() + 60 * args.minutes
    pairs = KnownPairs(
        SyntheticPairs((1, SIZE, SIZE), detail=8, noise=0.01),
        warp_voxels=2.0,
        warp_detail=4,
        noise=NOISE,
    )
    rows = Rows(args.out / "rows.csv", KEY)
    for seed in range(args.seeds):
        for name in args.models:
            settings = MODELS[name]
            keys = [
                {"model": name, "seed": seed, "steps": args.steps, "pair": i}
                for i in range(args.tests)
            ]
            if all(key in rows for key in keys):
                continue
            if time.monotonic() > deadline:
                return rows
            config = replace(
                HeteroscedasticTraining(**WIDTHS, **settings),
                steps=args.steps,
                seed=seed,
                learning_rate=args.rate,
                network=WIDTHS,
                save_every=200,
            )
            folder = args.out / f"{seed}-{''.join(c if c.isalnum() else '-' for c in name)}"
            nets = train_heteroscedastic(config, pairs, folder, progress=False)
            judged = [judge(nets, pairs.pair(test_seed(i))) for i in range(args.tests)]
            for key, (row, _) in zip(keys, judged):
                if key not in rows:
                    rows.add({**key, **row})
            np.save(folder / "curves.npy", np.mean([curves for _, curves in judged], 0))
            if name == SNR and seed == 0:
                figure_of_maps(nets, pairs.pair(test_seed(0)), args.out / "maps.png")
            print(name, seed, np.mean([row["error"] for row, _ in judged]).round(3), flush=True)
            write_report(rows, args)
    return rows


def write_report(rows: Rows, args) -> None:
    """results.md: the command, means over test pairs and seeds, differences to MSE."""
    mine = [row for row in rows.all if row["steps"] == str(args.steps)]
    before = np.mean([float(row["before"]) for row in mine])
    lines = [
        "# Heteroscedastic registration under known noise",
        "",
        "    " + args.command,
        "",
        f"2-D synthetic pairs, {SIZE} x {SIZE}, {args.steps} steps, Adam {args.rate:g}, lambda "
        f"0.01; known warps of {before:.2f} voxels in the mean; noise of known standard deviation "
        f"{NOISE[0]} to {NOISE[1]} (images 0 to 1). {args.tests} test pairs. Displacement errors "
        f"in voxels. {INTERVALS}",
        "",
        "| model | λ | seeds | " + " | ".join(COLUMNS.values()) + " |",
        "|---|---|---|" + "---|" * len(COLUMNS),
    ]
    for entry in summary(mine, ("model",), tuple(COLUMNS)):
        name = entry["model"]
        seeds = {row["seed"] for row in mine if row["model"] == name}
        cells = [f"{entry[c]:.3f}" if c != "ause" else f"{entry[c]:.5f}" for c in COLUMNS]
        weight = MODELS[name].get("smoothness", 0.01)
        lines.append(f"| {name} | {weight:.3g} | {len(seeds)} | " + " | ".join(cells) + " |")
    lines += differences(mine, REFERENCES)
    (args.out / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    figure_of_curves(args.out)


def figure_of_curves(folder: Path) -> None:
    """Mean sparsification curves of sigma_I² (seed 0), each with its oracle dashed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.subplots()
    for place, name in enumerate((SNR, "beta-NLL", "NLL", "SNR, variance of 5 x 5")):
        file = folder / f"0-{''.join(c if c.isalnum() else '-' for c in name)}" / "curves.npy"
        if file.exists():
            removed, curve, oracle = np.load(file)
            axes.plot(removed, curve, color=f"C{place}", label=name)
            axes.plot(removed, oracle, color=f"C{place}", ls="--", lw=0.8)
    if not axes.lines:
        return
    axes.set(
        xlabel="removed fraction, most uncertain first",
        ylabel="mean squared residual of what remains",
    )
    axes.legend(frameon=False, title="dashed: oracle")
    figure.savefig(folder / "sparsification.png", dpi=120)


@torch.no_grad()
def figure_of_maps(nets: dict, pair, file: Path) -> None:
    """One test pair: fixed, moved, true sigma, predicted sigma_I, displacement error."""
    from matplotlib.figure import Figure

    z = nets["displacement"](pair.moving, pair.fixed)
    moved = warp(pair.moving, z, "border")
    sigma = (0.5 * predict_log_variance(nets["variance"], moved, pair.fixed)).exp()
    error = (z - pair.displacement).square().sum(1, keepdim=True).sqrt()
    panels = {
        "fixed": (pair.fixed, "gray", 0, 1),
        "moved": (moved, "gray", 0, 1),
        "true sigma": (pair.noise_sd, "viridis", 0, NOISE[1]),
        "predicted sigma_I": (sigma, "viridis", 0, NOISE[1]),
        "displacement error (voxels)": (error, "magma", 0, 4),
    }
    figure = Figure(figsize=(15, 3.4), layout="constrained")
    for axes, (title, (image, colours, low, high)) in zip(figure.subplots(1, 5), panels.items()):
        shown = axes.imshow(image[0, 0, 0], cmap=colours, vmin=low, vmax=high)
        axes.set(title=title, xticks=[], yticks=[])
        figure.colorbar(shown, ax=axes, shrink=0.8)
    figure.savefig(file, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--models", nargs="+", default=tuple(MODELS), help="some of the table's rows [all]"
    )
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tests", type=int, default=64, help="test pairs")
    parser.add_argument("--minutes", type=float, default=30, help="begin no training after them")
    args = parser.parse_args()
    args.command = shlex.join(
        "study" if word == str(args.out) else word for word in ("python", *sys.argv)
    )
    torch.set_num_threads(1)
    keep_freed_memory()
    args.out.mkdir(parents=True, exist_ok=True)
    write_report(study(args), args)
    print((args.out / "results.md").read_text("utf-8"))


if __name__ == "__main__":
    main()
