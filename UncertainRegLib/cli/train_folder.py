"""Commands that train a displacement network on a folder of images: each leaves a model folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .exit_codes import COMPLETE
from .options import add_device, add_progress, count, positive, warn

PROGRESS = "a bar, or one JSON object a step on stdout [bar]"


def add_gong(methods) -> None:
    """``voxelmorph``, ``predictive``, ``bootstrap``, ``dropout`` and ``snapshot`` (Gong et al.)."""
    for name, text in {
        "voxelmorph": "one displacement network, VoxelMorph or TransMorph",
        "predictive": "a network that also predicts where its labels will be wrong",
        "bootstrap": "an ensemble, each member on a part of the images",
        "dropout": "a network with dropout, whose passes are samples",
        "snapshot": "an ensemble from one training, by a cyclic learning rate",
    }.items():
        train = folder_options(methods, name, text)
        train.add_argument("--labels", help="folder of segmentations with the images' file names")
        train.add_argument("--rate", type=float, default=1e-4, help="of Adam [0.0001]")
        train.add_argument("--window", type=count, default=5, help="of NLCC, voxels [5]")
        train.add_argument("--smoothness", type=float, default=0.01, help="weight [0.01]")
        add_norm(train)
        if name != "predictive":
            train.add_argument(
                "--predictive",
                action="store_true",
                help="with the uncertainty head of `predictive`",
            )
        if name in ("bootstrap", "snapshot"):
            train.add_argument("--members", type=count, default=8, help="of the ensemble [8]")
        if name == "snapshot":
            train.add_argument("--cycles", type=count, default=20, help="of the learning rate [20]")
            train.add_argument(
                "--first-cycle", type=int, default=0, help="choose no snapshot before it [0]"
            )
            train.add_argument(
                "--snapshot-rate",
                type=float,
                default=0.1,
                help="of SGD at the begin of a cycle [0.1]",
            )
        train.set_defaults(command=_train_gong, kind=name)


def _train_gong(options, report) -> int:
    pairs, common = folder_settings(options)
    from ..training.gong import GongTraining, train_gong

    given = {
        name: getattr(options, name)
        for name in ("members", "cycles", "first_cycle", "snapshot_rate")
        if hasattr(options, name)
    }
    plain = options.kind in ("voxelmorph", "predictive")
    config = GongTraining(
        predictive=options.kind == "predictive" or options.predictive,
        ensemble="" if plain else options.kind,
        batch=options.batch,
        network=network_settings(options),
        learning_rate=options.rate,
        window=options.window,
        smoothness=options.smoothness,
        norm=options.norm,
        **common,
        **given,
    )
    train_gong(
        config, pairs, options.out, options.progress == "bar", on_step(options), options.licence
    )
    return trained(options)


def add_norm(train) -> None:
    """What the weights of smoothness mean, see `training.losses.smoothness`."""
    train.add_argument(
        "--norm",
        default="mean",
        help="which squared gradient the weights of smoothness are of: mean (over voxels and "
        "components, summed over axes), paper (as printed: of a displacement 3 times that) or code "
        "(VoxelMorph's and the authors': of a displacement 2/3 of it in 3-D, 3/2 in 2-D, of a "
        "score 1/3 and 1/2) [mean]",
    )


def folder_options(
    methods, name: str, text: str, backbones: tuple[str, ...] = ("voxelmorph", "transmorph")
):
    """A command of ``train`` with the options that every training on a folder of images has."""
    train = methods.add_parser(name, help=f"{text}; goes on where it was stopped")
    train.set_defaults(labels=None)
    train.add_argument("--images", required=True, help="folder of images; pairs are drawn inside")
    train.add_argument("--out", required=True, help="folder for the model and its checkpoints")
    train.add_argument(
        "--shape",
        type=int,
        nargs=3,
        default=(48, 64, 48),
        metavar=("Z", "Y", "X"),
        help="voxels of the network's images; 1 Y X trains on slices [48 64 48]",
    )
    train.add_argument("--spacing", type=positive, default=1.0, help="their voxel size in mm [1]")
    train.add_argument(
        "--shift",
        type=int,
        default=2,
        help="augmentation: voxels that images are moved at most [2]",
    )
    train.add_argument("--backbone", default="voxelmorph", choices=backbones)
    train.add_argument(
        "--blocks",
        type=int,
        default=1,
        choices=(1, 2),
        help="2: the network sees blocks of voxels, eight times faster [1]",
    )
    train.add_argument("--batch", type=count, default=1, help="pairs a step [1]")
    train.add_argument("--steps", type=count, default=41_600, help="of each network [41600]")
    train.add_argument("--save-every", type=count, default=500, help="steps [500]")
    train.add_argument("--seed", type=int, default=0, help="of everything random [0]")
    train.add_argument("--licence", default="not stated", help="of the images, for the record")
    add_device(train)
    add_progress(train, PROGRESS)
    return train


def folder_settings(options):
    """The pairs of a folder, and the settings that every training shares, as keywords.

    Raises:
        ValueError: torch or the folder is missing.
    """
    import importlib.util

    if importlib.util.find_spec("torch") is None:
        raise ValueError("Training needs torch: install the Python package torch.")
    from ..environment import choose_device
    from ..training.folder import FolderPairs

    pairs = FolderPairs(
        options.images,
        tuple(options.shape),
        options.spacing,
        options.labels,
        together=options.shift,
        apart=min(options.shift, 1),
        intensity="minmax",
        say=warn,
    )
    return pairs, {
        "steps": options.steps,
        "save_every": options.save_every,
        "seed": options.seed,
        "device": choose_device(options.device),
    }


def network_settings(options) -> dict:
    """Settings of `DisplacementNet` that were given."""
    return {"backbone": options.backbone, "blocks": options.blocks}


def on_step(options):
    """What takes the log of every step, or None."""
    return (lambda log: print(json.dumps(log), flush=True)) if options.progress == "json" else None


def trained(options) -> int:
    """Say how the model is used; the exit code."""
    if options.progress == "bar":
        name = Path(options.out).name
        print(
            f"Trained: {options.out}. Use it as --backbone {options.out}, or have it in every "
            f"list: backbones install {name} --from {options.out}",
            file=sys.stderr,
        )
    return COMPLETE
