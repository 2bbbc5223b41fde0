"""Table 1 of Gong et al. (WACV 2022): predictive and empirical uncertainty on hippocampus crops.

    python Testing/benchmarks/gong_hippocampus.py --data ../shared/data/hippocampus_msd --out study
        [--steps 400] [--members 8] [--bootstrap 4] [--train 16] [--seeds 3]

All eight rows: VoxelMorph and the predictive network ("Ours"), each alone and as bootstrap,
MC-dropout and snapshot ensemble. Image metrics are of pairs inside the test set (each image and
the next); the labels of a test image come from the training image most like it by NLCC (4.2.1).
Uncertainty is ranked in label space (Eq. 9 where members predict u); for VoxelMorph alone it is the
warping error of the image, as in the paper. With several seeds a row is their mean; the first table
has the fold percentage, which the paper leaves out. The paper's size:

        --paper --train 208 --data FOLDER_WITH_ALL_260

A stopped study goes on: trainings from their checkpoints, finished rows are kept in rows.csv. One
thread.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]

from support.seeds_and_pairs import INTERVALS, differences  # noqa: E402
from UncertainRegLib.geometry import DisplacementField, Grid, jacobian_determinant  # noqa: E402
from UncertainRegLib.metrics.folding import folding_fraction  # noqa: E402
from UncertainRegLib.metrics.overlap import dice_per_label  # noqa: E402
from UncertainRegLib.metrics.protocols import GONG, class_ause  # noqa: E402
from UncertainRegLib.metrics.similarity import local_ncc, mean_squared_error, mutual_information  # noqa: E402
from UncertainRegLib.networks.displacement import DisplacementNet, Prediction  # noqa: E402
from UncertainRegLib.networks.warp import warp  # noqa: E402
from UncertainRegLib.posterior.combination import combine, ensemble_moments  # noqa: E402
from UncertainRegLib.randomness import torch_seeded  # noqa: E402
from UncertainRegLib.studies.rows import Rows, summary  # noqa: E402
from UncertainRegLib.training.folder import FolderPairs  # noqa: E402
from UncertainRegLib.training.gong import GongTraining, nearest_atlas, train_gong  # noqa: E402
from UncertainRegLib.training.losses import one_hot  # noqa: E402
from UncertainRegLib.training.model_folder import load_model  # noqa: E402

ENSEMBLES = {"": "", "snapshot": "+Snap", "dropout": "+Drop", "bootstrap": "+Boot"}
ROWS = {
    name + suffix: (predictive, ensemble)  # the dearest last
    for ensemble, suffix in ENSEMBLES.items()
    for predictive, name in ((False, "VoxelMorph"), (True, "Ours"))
}
# Orderings of the paper's Table 1: column, row with the smaller value, rows with larger ones
ENSEMBLED = tuple(f"VoxelMorph{suffix}" for suffix in ("+Boot", "+Drop", "+Snap"))
ORDERINGS = (
    ("err", "Ours", ("VoxelMorph",)),
    ("err", "Ours", ENSEMBLED),
    *[("err", name, ("VoxelMorph",)) for name in ENSEMBLED],
    *[("err", name.replace("VoxelMorph", "Ours"), (name,)) for name in ENSEMBLED],
    ("mr", "Ours", ("VoxelMorph",)),
    ("mr", "Ours+Snap", ("Ours", *ENSEMBLED)),
    ("fdr", "Ours", ("VoxelMorph", *ENSEMBLED)),
    ("dice", "VoxelMorph", ("Ours",)),
    ("dice", "VoxelMorph", ("VoxelMorph+Boot",)),
    ("dice", "VoxelMorph", ("VoxelMorph+Snap",)),
    ("dice", "VoxelMorph+Drop", ("VoxelMorph",)),
    ("dice", "Ours", ("Ours+Boot", "Ours+Snap")),
    ("dice", "VoxelMorph+Boot", ("Ours+Snap",)),
    ("nlcc", "VoxelMorph", ("Ours",)),
    ("mi", "VoxelMorph", ("Ours",)),
    ("mse", "Ours", ("VoxelMorph",)),
)
NONE = "(no registration)"
LICENCE = "CC BY-SA 4.0 (Medical Segmentation Decathlon, Task04)"
KEY = ("row", "fixed", "steps", "seed")
COLUMNS = {
    "mse": "MSE",
    "mi": "MI",
    "nlcc": "NLCC %",
    "dice": "Dice %",
    "folds": "folds %",
    "err": "AUSE ERR",
    "mr": "AUSE MR",
    "fdr": "AUSE FDR",
    "flow_mm": "flow sd mm",
    "flow_err": "ERR by flow",
    "cpu_minutes": "CPU min",
}
WITH_SPREAD = ("mse", "mi", "nlcc", "dice")
REGISTRATION = (*WITH_SPREAD, "folds", "cpu_minutes")  # the columns of the first table
DIGITS = {
    "mse": 4,
    "mi": 3,
    "nlcc": 2,
    "dice": 2,
    "folds": 3,
    "err": 5,
    "mr": 4,
    "fdr": 4,
    "flow_mm": 2,
    "flow_err": 5,
    "cpu_minutes": 1,
}


def config_of(args, predictive: bool, ensemble: str, seed: int = 0) -> GongTraining:
    common = {"predictive": predictive, "ensemble": ensemble, "seed": seed, "device": args.device}
    if args.paper:
        return GongTraining(**common)
    return GongTraining(
        **common,
        steps=args.steps,
        batch=2,
        network={"blocks": 2},
        learning_rate=args.rate,
        members=args.bootstrap if ensemble == "bootstrap" else args.members,
        cycles=args.cycles,
        first_cycle=args.cycles // 3,
        save_every=50,
    )


@torch.no_grad()
def predictions(folder: Path, config: GongTraining, moving, fixed, memberships):
    """What every member, or every pass with dropout, makes of a pair."""
    manifest, states = load_model(folder)
    network = DisplacementNet(**manifest["network"]).to(config.device)
    passes = config.members if config.ensemble == "dropout" else 1
    network.train(config.ensemble == "dropout")
    found = []
    for name, state in states.items():
        network.load_state_dict(state)
        with torch_seeded(config.seed, "dropout at test", name):
            found += [network.predict(moving, fixed, memberships) for _ in range(passes)]
    return found


def mask_of(pair) -> np.ndarray:
    """Where neither image is padded: only there is anything judged."""
    inside = torch.ones_like(pair.fixed, dtype=torch.bool) if pair.inside is None else pair.inside
    return inside[0, 0].cpu().numpy()


def judge_image(found, moving, fixed, inside) -> dict[str, float]:
    """Image metrics of a pair inside the test set (section 4.2.1), by the mean displacement
    (Eq. 7)."""
    mean, _ = ensemble_moments(torch.cat([p.displacement for p in found]))
    image = warp(moving, mean[None], "border")[0, 0].cpu().numpy()
    fixed = fixed[0, 0].cpu().numpy()
    return {
        "mse": mean_squared_error(image, fixed, inside),
        "mi": mutual_information(image, fixed, inside),
        "nlcc": 100 * local_ncc(image, fixed, inside),
        "folds": folds(mean, inside),
    }


def folds(voxels: torch.Tensor, inside) -> float:
    """Folded percentage of a displacement (3, Z, Y, X) in voxels, channel c along array axis c."""
    vectors = np.ascontiguousarray(np.moveaxis(voxels.cpu().numpy(), 0, -1)[..., ::-1])
    field = DisplacementField(vectors, Grid.from_spacing(vectors.shape[:3]))
    return 100 * folding_fraction(jacobian_determinant(field), inside)


def judge(
    found, predictive: bool, moving, fixed, truth, spacing_mm: float, inside
) -> dict[str, float]:
    """The scores of labels that come from the nearest atlas, by Eq. 9; flow-space uncertainty as
    two further columns."""
    mean, variance = ensemble_moments(torch.cat([p.displacement for p in found]))
    image = warp(moving, mean[None], "border")[0, 0].cpu().numpy()
    fixed, truth = fixed[0, 0].cpu().numpy(), truth[0, 0].cpu().numpy().astype(int)
    memberships = torch.stack([p.memberships[0] for p in found]).cpu().numpy()
    scales = None
    if predictive:
        scales = torch.stack([p.log_scale[0].exp() for p in found]).cpu().numpy()
    soft, spread = combine(memberships, scales)
    labels = soft.argmax(0)
    classes = list(range(1, len(soft)))
    uncertainty = spread[1:]
    if len(found) == 1 and not predictive:
        uncertainty = np.abs(image - fixed)
    uncertainty, labels, truth = (a[..., inside] for a in (uncertainty, labels, truth))
    areas = class_ause(uncertainty, labels, truth, classes, GONG)
    row = {
        "dice": 100 * float(np.nanmean(list(dice_per_label(labels, truth, classes).values()))),
        **areas,
        "flow_mm": float("nan"),
        "flow_err": float("nan"),
    }
    if len(found) > 1:
        flow = variance.sum(0).sqrt().cpu().numpy()[inside] * spacing_mm
        row |= {
            "flow_mm": float(flow.mean()),
            "flow_err": class_ause(flow, labels, truth, classes, GONG)["err"],
        }
    return row


def study(args) -> Rows:
    """Whatever is missing of the eight rows."""
    images, labels = args.data / "images", args.data / "labels"
    names = tuple(sorted(f.name for f in images.iterdir() if f.name.endswith(".nii.gz")))
    options = {"labels": str(labels), "intensity": "minmax"}
    train = FolderPairs(
        str(images), args.shape, 1.0, names=names[: args.train], together=2, apart=1, **options
    )
    test = FolderPairs(str(images), args.shape, 1.0, names=names[args.train :], **options)
    values = (0, *train.label_values())
    candidates = [train.of(k, k).moving for k in range(len(train))]
    atlases = [nearest_atlas(test.of(k, k).fixed, candidates) for k in range(len(test))]
    rows = Rows(args.out / "rows.csv", KEY)
    for k, file in enumerate(test.files):
        steps = config_of(args, False, "").steps
        key = {"row": NONE, "fixed": file.name, "steps": steps, "seed": ""}
        if key not in rows:
            atlas, target = train.of(atlases[k], atlases[k]), test.of((k + 1) % len(test), k)
            unmoved = Prediction(
                torch.zeros(1, 3, *args.shape),
                atlas.moving,
                one_hot(atlas.moving_labels, values),
                None,
            )
            rows.add(
                {
                    **key,
                    **judge_image([unmoved], target.moving, target.fixed, mask_of(target)),
                    **judge(
                        [unmoved],
                        False,
                        atlas.moving,
                        target.fixed,
                        target.fixed_labels,
                        1.0,
                        mask_of(target) & mask_of(atlas),
                    ),
                    "atlas": train.files[atlases[k]].name,
                    "cpu_minutes": 0.0,
                }
            )
    for seed, name in itertools.product(range(args.seeds), args.rows):
        config = config_of(args, *ROWS[name], seed)
        folder = args.out / f"{name}-{seed}"
        keys = [
            {"row": name, "fixed": file.name, "steps": config.steps, "seed": seed}
            for file in test.files
        ]
        if all(key in rows for key in keys):
            continue
        began = time.process_time()
        train_gong(config, train, folder, progress=args.progress, licence=LICENCE)
        minutes = (time.process_time() - began) / 60
        for k, key in enumerate(keys):
            if key in rows:
                continue
            atlas, target = train.of(atlases[k], atlases[k]), test.of((k + 1) % len(test), k)
            moving, fixed = atlas.moving.to(args.device), target.fixed.to(args.device)
            memberships = one_hot(atlas.moving_labels.to(args.device), values)
            found = predictions(folder, config, moving, fixed, memberships)
            mask = mask_of(target) & mask_of(atlas)
            scores = judge(found, config.predictive, moving, fixed, target.fixed_labels, 1.0, mask)
            other = target.moving.to(args.device)
            found = predictions(folder, config, other, fixed, None)
            scores |= judge_image(found, other, fixed, mask_of(target))
            rows.add(
                {**key, **scores, "atlas": train.files[atlases[k]].name, "cpu_minutes": minutes}
            )
        (args.out / "gong_results.md").write_text(in_words(rows, args), encoding="utf-8")
        print(f"{name}, seed {seed}: {minutes:.1f} CPU minutes", flush=True)
    return rows


def in_words(rows: Rows, args) -> str:
    """The table of the paper, mean ± standard deviation over the test images, and the command."""
    config = config_of(args, False, "")
    command = " ".join(arg if "/" not in arg else Path(arg).name for arg in sys.argv[1:])
    lines = [
        "# Predictive and empirical uncertainty: what was measured",
        "",
        f"Written by `gong_hippocampus.py {command}`.",
        "",
        f"{args.train} subjects train, {len({r['fixed'] for r in rows.all})} test; "
        f"{' × '.join(map(str, args.shape))} voxels of 1 mm; {config.steps} steps of "
        f"{config.batch} pairs a network; {config.members} snapshots or passes with dropout, "
        f"{config_of(args, False, 'bootstrap').members} bootstrap members; {args.seeds} seed(s).",
        "",
    ]
    found = [row for row in rows.all if row["steps"] == str(config.steps)]
    methods = list(dict.fromkeys(row["row"] for row in found))
    for columns in (REGISTRATION, tuple(name for name in COLUMNS if name not in REGISTRATION)):
        lines += [
            "| method | " + " | ".join(COLUMNS[name] for name in columns) + " |",
            "|---" * (len(columns) + 1) + "|",
        ]
        for method in methods:
            cells = (cell(name, of_images(found, method, name)) for name in columns)
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
        lines.append("")
    lines += [
        "MR and FDR judge the voxels of a class that remain. A map that is high all "
        "along a structure soon leaves few of them, and one miss that it did not expect then "
        "makes the rate 1: a small ERR may go with a large MR."
    ]
    compared = [{**r, "model": r["row"], "pair": r["fixed"]} for r in found if r["row"] != NONE]
    for column in ("dice", "err"):
        lines += differences(
            compared, [(n, "VoxelMorph") for n in methods if n not in (NONE, "VoxelMorph")], column
        )
    lines += ["", INTERVALS]
    lines += [
        "",
        "MSE, MI, NLCC and Dice: mean ± standard deviation over the test images. AUSE: "
        "areas by the paper's protocol, less is better. Flow: standard deviation of the "
        "members' displacements (Eq. 7), and the AUSE ERR when voxels are ranked by it.",
        "",
        "Orderings of the paper's Table 1, here:",
        "",
    ]
    mean = {entry["row"]: entry for entry in summary(found, ("row",), tuple(COLUMNS))}
    lines += [f"- {text}" for text in orderings(mean)]
    return "\n".join(lines) + "\n"


def of_images(rows: list[dict], method: str, column: str) -> list[float]:
    """Values of the test images, the mean over the seeds."""
    mine = [row for row in rows if row["row"] == method]
    return [
        float(np.mean([float(row[column]) for row in mine if row["fixed"] == image]))
        for image in dict.fromkeys(row["fixed"] for row in mine)
    ]


def cell(name: str, values: list[float]) -> str:
    """The mean of a column, with the standard deviation of those of the registration."""
    if np.isnan(values).all():
        return ""
    spread = f" ± {np.std(values):.{DIGITS[name]}f}" if name in WITH_SPREAD else ""
    return f"{np.mean(values):.{DIGITS[name]}f}{spread}"


def orderings(mean: dict[str, dict]):
    """Sentences: which of the paper's orderings hold for these means."""
    for column, smaller, larger in ORDERINGS:
        if not {smaller, *larger} <= mean.keys():
            continue
        digits = DIGITS[column]
        small = mean[smaller][column]
        others = {name: mean[name][column] for name in larger}
        holds = all(small < value for value in others.values())
        text = ", ".join(f"{name} ({value:.{digits}f})" for name, value in others.items())
        yield (
            f"{'holds' if holds else '**does not hold**'}: {COLUMNS[column]} of {smaller} "
            f"({small:.{digits}f}) below {text}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with images and labels")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS), metavar="ROW")
    parser.add_argument("--train", type=int, default=16, help="first images, by name; others test")
    parser.add_argument("--shape", type=int, nargs=3, default=(32, 48, 32))
    parser.add_argument("--steps", type=int, default=400, help="of each network")
    parser.add_argument("--members", type=int, default=8, help="snapshots, passes with dropout")
    parser.add_argument("--bootstrap", type=int, default=4, help="members of a bootstrap ensemble")
    parser.add_argument(
        "--cycles",
        type=int,
        default=12,
        help="of the snapshot ensemble; the first third is not used",
    )
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate of Adam")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each row")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--paper", action="store_true", help="the paper's size and settings")
    parser.add_argument("--progress", action="store_true", help="show bars")
    args = parser.parse_args()
    args.shape = (48, 64, 48) if args.paper else tuple(args.shape)
    torch.set_num_threads(1 if args.device == "cpu" and not args.paper else torch.get_num_threads())
    args.out.mkdir(parents=True, exist_ok=True)
    rows = study(args)
    print(in_words(rows, args))


if __name__ == "__main__":
    main()
