"""Commands that train a displacement network on images: each leaves a model folder."""

from __future__ import annotations

from collections.abc import Callable

from .options import count, count_or_none, odd, part_of_one, positive, weight
from .train_data import (
    add_shape,
    add_source,
    add_steps,
    check_torch,
    finished,
    on_step,
    steps_of,
    training_pairs,
)
from .train_network import add_network, network_settings

SLICES = ("x", "y", "z")


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
        train.add_argument("--rate", type=positive, default=1e-4, help="of Adam [0.0001]")
        train.add_argument("--window", type=odd, default=5, help="of NLCC, voxels [5]")
        train.add_argument("--smoothness", type=weight, default=0.01, help="weight [0.01]")
        add_norm(train)
        train.add_argument(
            "--uncertainty-weight",
            type=weight,
            default=0.1,
            help="of the predicted uncertainty, where there is one [0.1]",
        )
        if name == "dropout":
            train.add_argument(
                "--dropout",
                type=part_of_one,
                default=0.1,
                help="probability, after the encoder [0.1]",
            )
        if name == "bootstrap":
            train.add_argument(
                "--share", type=positive, default=0.9, help="of the images that a member sees [0.9]"
            )
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
                "--first-cycle",
                type=count_or_none,
                default=0,
                help="choose no snapshot before it [0]",
            )
            train.add_argument(
                "--snapshot-rate",
                type=positive,
                default=0.1,
                help="of SGD at the begin of a cycle [0.1]",
            )
        train.add_presets(name)
        train.set_defaults(command=_train_gong, kind=name)


def _train_gong(options, report) -> int:
    pairs, validation, common = folder_settings(options)
    from ..training.gong import GongTraining, train_gong

    given = {
        name: getattr(options, name)
        for name in ("members", "share", "dropout", "cycles", "first_cycle", "snapshot_rate")
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
        uncertainty_weight=options.uncertainty_weight,
        **common,
        **given,
    )
    return trained(options, train_gong, config, pairs, validation)


def trained(options, train: Callable, config, pairs, validation) -> int:
    """Run the training of a displacement network; the exit code, see `finished`."""
    bar, log = options.progress == "bar", on_step(options)
    return finished(
        options, lambda: train(config, pairs, options.out, bar, log, options.licence, validation)
    )


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
    methods,
    name: str,
    text: str,
    backbones: tuple[str, ...] = ("voxelmorph", "transmorph"),
    steps: int = 41_600,
):
    """A command of ``train`` with the options that every displacement network has."""
    train = methods.add_parser(name, help=f"{text}; goes on where it was stopped")
    train.set_defaults(labels=None)
    add_source(train)
    train.add_argument("--out", required=True, help="folder for the model and its checkpoints")
    add_shape(
        train, (48, 64, 48), "voxels of the network's images; 1 Y X trains on 2-D images or slices"
    )
    train.add_argument(
        "--slices",
        default="",
        choices=SLICES,
        help="with --pairs: every slice of the volumes across that axis of the files is an image",
    )
    train.add_argument(
        "--shift",
        type=count_or_none,
        default=2,
        help="augmentation: voxels that images are moved at most [2]",
    )
    train.add_argument("--backbone", default="voxelmorph", choices=backbones)
    add_network(train)
    train.add_argument("--batch", type=count, default=1, help="pairs a step [1]")
    add_steps(train, steps)
    train.add_argument("--licence", default="not stated", help="of the images, for the record")
    return train


def folder_settings(options):
    """The pairs, those for validation or None, and what every training shares, as keywords.

    Raises:
        ValueError: torch, the folder or the list is missing.
    """
    check_torch()
    pairs, validation = training_pairs(
        options, together=options.shift, apart=min(options.shift, 1), intensity="minmax"
    )
    return pairs, validation, steps_of(options)
