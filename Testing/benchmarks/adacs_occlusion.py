"""AdaCS on pairs with an occlusion planted in the fixed image: the score, and what it saves.

    python Testing/benchmarks/adacs_occlusion.py --out study
        [--data ../shared/data/hippocampus_msd] [--steps 1200] [--seeds 3] [--tests 48]
        [--occluder dark] [--minutes 30]

The fixed image is the moving one after a known warp, with an ellipsoid that the moving image does not
have: dark in the training, unless ``--occluder`` says bright or textured (another place of the image).
The score is also judged on test pairs with the two other kinds, which a detector of dark blobs does
not find, and beside it the image residual, which costs no network. MSE and AdaCS have controls of
another lambda. Without --data: 2-D images of random shapes, all ablations. With --data: 3-D crops of
hippocampus images, 16 subjects to train and 8 to test. Networks of a seed begin with the same
weights and see the same pairs. Rows are kept in rows.csv; a stopped study goes on. One thread.
Training at the paper's scale is ``train adacs --images FOLDER --steps 34000``.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]

from support.known_pairs import OCCLUDERS, KnownPairs  # noqa: E402
from support.seeds_and_pairs import INTERVALS, differences  # noqa: E402
from UncertainRegLib.memory import keep_freed_memory  # noqa: E402
from UncertainRegLib.metrics.correlation import auroc  # noqa: E402
from UncertainRegLib.networks.warp import warp  # noqa: E402
from UncertainRegLib.randomness import seed_of  # noqa: E402
from UncertainRegLib.studies.rows import Rows, summary  # noqa: E402
from UncertainRegLib.training.adacs import AdaCSTraining, predict_score, train_adacs  # noqa: E402
from UncertainRegLib.training.folder import FolderPairs  # noqa: E402
from UncertainRegLib.training.synthetic import SyntheticPairs  # noqa: E402

MSE, ADACS = "MSE", "AdaCS"
ONLY_MOTION = 10**9  # steps
CONTROLS = {
    "MSE, lambda x 4": {"motion_steps": ONLY_MOTION, "smoothness": 0.04},
    "MSE, lambda x 16": {"motion_steps": ONLY_MOTION, "smoothness": 0.16},
    "AdaCS, lambda x 4": {"smoothness": 0.04},
}
MODELS = {
    MSE: {"motion_steps": ONLY_MOTION},
    ADACS: {},
    **CONTROLS,
    "AdaCS, m = 1": {"momentum": "none"},
    "AdaCS, no L_smooth": {"beta": 0.0},
    "AdaCS, no L_reg": {"alpha": 0.0},
    "AdaCS, neither": {"alpha": 0.0, "beta": 0.0},
    "MSE, DiffuseMorph": {"motion_steps": ONLY_MOTION, "backbone": "diffusemorph"},
    "AdaCS, DiffuseMorph": {"backbone": "diffusemorph"},
}
MODELS_3D = {
    MSE: MODELS[MSE],
    ADACS: {},
    **CONTROLS,
    "MSE, TransMorph": {"motion_steps": ONLY_MOTION, "backbone": "transmorph"},
    "AdaCS, TransMorph": {"backbone": "transmorph"},
}
FLAT = {"encoder": (8, 16, 16, 16), "decoder": (16, 16, 16, 16, 8), "ndim": 2}
SOLID = {"encoder": (4, 8, 8), "decoder": (8, 8, 8, 4)}  # of the scoring network
KEY = ("model", "seed", "steps", "pair", "occluder")
COLUMNS = {
    "auroc": "AUROC of a low score",
    "auroc_hides": "AUROC, where it hides something",
    "auroc_residual": "AUROC of the residual",
    "auroc_dark": "AUROC, dark",
    "auroc_bright": "AUROC, bright",
    "auroc_textured": "AUROC, textured",
    "inside": "score inside",
    "outside": "score outside",
    "error": "error outside",
    "near": "error near",
    "far": "error far",
}
SCORES, ERRORS = tuple(COLUMNS)[1:8], tuple(COLUMNS)[8:]  # the first is that of its kind
NEAR = 4  # voxels from the occlusion
VISIBLE = 0.1  # change of the intensity by which an occlusion hides something


def network_of(args, backbone: str) -> dict:
    """Settings of the displacement network."""
    if backbone == "transmorph":
        return {"backbone": "transmorph"}
    if args.data is None:
        return {"backbone": backbone, **FLAT}
    return {"blocks": 2}


def test_seed(number: int) -> int:
    """Of a test pair: the same one for every model and seed, and never a pair of a training."""
    return seed_of(0, "test pair", number)


@torch.no_grad()
def judge(nets: dict, pair, others: dict) -> dict[str, float]:
    """Scores of a test pair; displacement errors outside the occlusion, in voxels.

    Args:
        others: the same pair with each kind of occluder.
    """
    from scipy.ndimage import distance_transform_edt

    z = nets["displacement"](pair.moving, pair.fixed)
    score = predict_score(nets["score"], pair.fixed)[0, 0].numpy()
    error = (z - pair.displacement).square().sum(1).sqrt()[0].numpy()
    occluded = pair.occluded[0, 0].numpy()
    near = ~occluded & (distance_transform_edt(~occluded) <= NEAR)
    outside = ~occluded
    clean = warp(pair.moving, pair.displacement, "border")
    residual = (pair.fixed - warp(pair.moving, z, "border")).abs()[0, 0].numpy()
    of_kinds = {
        f"auroc_{kind}": auroc(1 - predict_score(nets["score"], one.fixed)[0, 0].numpy(), occluded)
        for kind, one in others.items()
    }
    hides = occluded & ((pair.fixed - clean).abs() > VISIBLE)[0, 0].numpy()
    seen = hides | outside  # a dark occlusion of a dark background changes nothing
    return {
        "before": float(pair.displacement.square().sum(1).sqrt()[0].numpy()[outside].mean()),
        "auroc": auroc(1 - score, occluded),
        "auroc_hides": auroc(1 - score, hides, seen),
        "auroc_residual": auroc(residual, occluded),
        **of_kinds,
        "inside": float(score[occluded].mean()),
        "outside": float(score[outside].mean()),
        "error": float(error[outside].mean()),
        "near": float(error[near].mean()),
        "far": float(error[outside & ~near].mean()),
    }


def data_of(args) -> tuple[KnownPairs, KnownPairs]:
    """Pairs to train and to test with."""
    if args.data is None:
        pairs = KnownPairs(
            SyntheticPairs((1, 48, 48), detail=8, noise=0.01),
            warp_voxels=2.0,
            warp_detail=4,
            noise=(0.02, 0.02),
            occlusion=(5.0, 8.0),
            occluder=args.occluder,
        )
        return pairs, pairs
    images = args.data / "images"
    names = tuple(sorted(f.name for f in images.iterdir() if f.name.endswith(".nii.gz")))
    return tuple(
        KnownPairs(
            FolderPairs(str(images), (32, 48, 32), 1.0, None, part, together=2, apart=2),
            occlusion=(5.0, 8.0),
            occluder=args.occluder,
            warp_voxels=1.5,
        )
        for part in (names[:16], names[16:])
    )


def study(args) -> Rows:
    """Whatever fits into the minutes."""
    deadline = time.monotonic() + 60 * args.minutes
    train, test = data_of(args)
    rows = Rows(args.out / "rows.csv", KEY)
    models = MODELS if args.data is None else MODELS_3D
    warm = args.steps // 6
    for seed in range(args.seeds):
        for name in args.models or models:
            settings = models[name]
            keys = [
                {
                    "model": name,
                    "seed": seed,
                    "steps": args.steps,
                    "pair": i,
                    "occluder": args.occluder,
                }
                for i in range(args.tests)
            ]
            if all(key in rows for key in keys):
                continue
            if time.monotonic() > deadline:
                return rows
            settings = dict(settings)
            network = network_of(args, settings.pop("backbone", "voxelmorph"))
            settings = {"motion_steps": warm, "scoring_steps": warm, **settings}
            config = replace(
                AdaCSTraining(**(FLAT if args.data is None else SOLID), **settings),
                steps=args.steps,
                seed=seed,
                learning_rate=args.rate,
                save_every=100,
                epoch_steps=max(1, args.steps // 60),
                network=network,
            )
            folder = (
                args.out
                / f"{args.occluder}-{seed}-{''.join(c if c.isalnum() else '-' for c in name)}"
            )
            nets = train_adacs(config, train, folder, progress=False)
            judged = [
                judge(
                    nets,
                    test.pair(test_seed(i)),
                    {kind: replace(test, occluder=kind).pair(test_seed(i)) for kind in OCCLUDERS},
                )
                for i in range(args.tests)
            ]
            for key, row in zip(keys, judged):
                if key not in rows:
                    rows.add({**key, **row})
            if name == ADACS and seed == 0:
                figure_of_maps(nets, test.pair(test_seed(0)), args.out / "maps.png")
            print(
                name,
                seed,
                np.mean([row["error"] for row in judged]).round(3),
                np.mean([row["auroc"] for row in judged]).round(3),
                flush=True,
            )
            write_report(rows, args)
    return rows


def write_report(rows: Rows, args) -> None:
    """results.md: the command, means over test pairs and seeds, differences to MSE; m_T."""
    asked = {"steps": str(args.steps), "occluder": args.occluder}
    mine = [row for row in rows.all if asked.items() <= row.items()]
    before = np.mean([float(row["before"]) for row in mine])
    data = (
        "2-D synthetic pairs, 48 x 48"
        if args.data is None
        else ("Hippocampus crops, 32 x 48 x 32 voxels of 1 mm, 16 subjects to train, 8 to test")
    )
    lines = [
        "# AdaCS on pairs with an occlusion in the fixed image",
        "",
        "    " + args.command,
        "",
        f"{data}; {args.steps} steps, of which a sixth moves and a sixth scores alone; Adam "
        f"{args.rate:g}, alpha 0.02, beta 1.5; {args.occluder} occluders in the training. "
        f"Known warps of {before:.2f} voxels in the mean. {args.tests} test pairs. "
        f"Displacement errors in voxels, outside the occlusion; near: within {NEAR} voxels of it; it "
        f"hides something where it changes the intensity by more than {VISIBLE}. {INTERVALS}",
        "",
        "| model | λ | seeds | " + " | ".join(COLUMNS[c] for c in ERRORS) + " |",
        "|---|---|---|" + "---|" * len(ERRORS),
    ]
    found = summary(mine, ("model",), tuple(COLUMNS))
    for entry in found:
        name = entry["model"]
        seeds = {row["seed"] for row in mine if row["model"] == name}
        weight = (MODELS | MODELS_3D)[name].get("smoothness", 0.01)
        lines.append(
            f"| {name} | {weight:g} | {len(seeds)} | "
            + " | ".join(f"{entry[c]:.3f}" for c in ERRORS)
            + " |"
        )
    lines += differences(mine, references())
    lines += [
        "",
        "| model | " + " | ".join(COLUMNS[c] for c in SCORES) + " |",
        "|---|" + "---|" * len(SCORES),
    ]
    lines += [
        f"| {entry['model']} | " + " | ".join(f"{entry[c]:.3f}" for c in SCORES) + " |"
        for entry in found
        if not entry["model"].startswith(MSE)
    ]
    (args.out / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    figure_of_training(args.out)


def references() -> list[tuple[str, str]]:
    """What each model is compared with: MSE of the same lambda and displacement network, and AdaCS
    also with MSE of a larger lambda."""
    found = []
    for name in dict.fromkeys([*MODELS, *MODELS_3D]):
        same = f"{MSE}, {name.partition(', ')[2]}"
        other = same if same in MODELS | MODELS_3D and name != same else MSE
        if name != other:
            found.append((name, other))
    larger = [name for name in CONTROLS if name.startswith(MSE)]
    return found + [(ADACS, name) for name in larger] + [("AdaCS, lambda x 4", larger[-1])]


def figure_of_training(folder: Path) -> None:
    """m_T and the mean score over the steps (seed 0)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for log in sorted(folder.glob("*-0-AdaCS*/log.jsonl")):
        rows = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
        label = log.parent.name.replace("-0-", " ").replace("-", " ")
        if log.parent.name.endswith("-0-AdaCS"):
            left.plot([row["momentum"] for row in rows])
        right.plot([row["score"] for row in rows], label=label, lw=0.8)
    left.set(xlabel="step", ylabel="m_T", ylim=(0, 1))
    right.set(xlabel="step", ylabel="mean score", ylim=(0, 1))
    if right.lines:
        right.legend(frameon=False, fontsize=7)
    figure.savefig(folder / "training.png", dpi=120)


@torch.no_grad()
def figure_of_maps(nets: dict, pair, file: Path) -> None:
    """One test pair, the slice with most of the occlusion."""
    from matplotlib.figure import Figure

    z = nets["displacement"](pair.moving, pair.fixed)
    moved = warp(pair.moving, z, "border")
    error = (z - pair.displacement).square().sum(1, keepdim=True).sqrt()
    panels = {
        "moving": (pair.moving, "gray", 1),
        "fixed": (pair.fixed, "gray", 1),
        "moved": (moved, "gray", 1),
        "correspondence score": (predict_score(nets["score"], pair.fixed), "viridis", 1),
        "displacement error (voxels)": (error, "magma", 4),
    }
    shown = int(pair.occluded[0, 0].sum((1, 2)).argmax())
    figure = Figure(figsize=(15, 3.4), layout="constrained")
    for axes, (title, (image, colours, high)) in zip(figure.subplots(1, 5), panels.items()):
        drawn = axes.imshow(image[0, 0, shown], cmap=colours, vmin=0, vmax=high)
        axes.contour(pair.occluded[0, 0, shown], [0.5], colors="red", linewidths=0.8)
        axes.set(title=title, xticks=[], yticks=[])
        figure.colorbar(drawn, ax=axes, shrink=0.8)
    figure.savefig(file, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with images, for 3-D")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=(), help="some of the table's rows [all]")
    parser.add_argument("--occluder", default="dark", choices=OCCLUDERS, help="in the training")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tests", type=int, default=48, help="test pairs")
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
