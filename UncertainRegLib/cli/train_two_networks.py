"""Commands that train two networks in turn: ``train heteroscedastic`` and ``train adacs``."""

from __future__ import annotations

from argparse import BooleanOptionalAction

from .options import count, count_or_none, odd, positive, weight
from .train_folder import add_norm, folder_options, folder_settings, trained
from .train_network import dimensions, network_settings, unet_settings

BACKBONES = ("voxelmorph", "transmorph", "diffusemorph")


def add_two_networks(methods) -> None:
    """``heteroscedastic`` (Zhang et al., MICCAI 2024) and ``adacs`` (Zhang et al., ECCV 2024)."""
    train = folder_options(
        methods,
        "heteroscedastic",
        "a displacement network beside one that finds the noise of the images",
        BACKBONES,
        30_000,
    )
    _common(train)
    train.add_argument(
        "--loss", default="snr", help="mse, nll, beta-nll, adaframe, adareg or snr [snr]"
    )
    train.add_argument("--gamma", type=weight, default=0.5, help="confidence in the noise [0.5]")
    train.add_argument("--snr", default="paper", help="paper, or code: the authors' [paper]")
    train.add_argument("--beta", type=weight, default=0.5, help="of beta-NLL [0.5]")
    train.add_argument(
        "--joint",
        action="store_true",
        help="nll and beta-nll as in their papers: the gradient also goes through the variance",
    )
    train.add_argument(
        "--variance-window",
        type=odd,
        default=1,
        help="voxels over which residuals are averaged for the variance [1]",
    )
    train.add_argument(
        "--sigma-z",
        type=weight,
        default=0.0,
        metavar="ALPHA",
        help="weight of the displacement's own variance [0: none]",
    )
    train.add_presets("heteroscedastic")
    train.set_defaults(command=_train_heteroscedastic)
    train = folder_options(
        methods,
        "adacs",
        "a displacement network beside one that scores correspondence",
        BACKBONES,
        34_000,
    )
    _common(train)
    train.add_argument("--alpha", type=weight, default=0.02, help="against scores of zero [0.02]")
    train.add_argument("--beta", type=weight, default=1.5, help="smoothness of the score [1.5]")
    train.add_argument("--kappa", type=weight, default=50.0, help="of the momentum [50]")
    train.add_argument(
        "--momentum",
        default="paper",
        help="of the smoothness of the score: paper, code (the authors') or none, m = 1 [paper]",
    )
    train.add_argument(
        "--motion-steps",
        type=count_or_none,
        default=2000,
        help="first steps, of the displacement alone [2000]",
    )
    train.add_argument(
        "--scoring-steps",
        type=count_or_none,
        default=2000,
        help="next steps, of the score alone [2000]",
    )
    train.add_argument("--epoch-steps", type=count, default=100, help="steps of an epoch [100]")
    train.add_presets("adacs")
    train.set_defaults(command=_train_adacs)


def _common(train) -> None:
    train.add_argument("--rate", type=positive, default=1e-4, help="of both Adams [0.0001]")
    train.add_argument("--smoothness", type=weight, default=0.01, help="weight [0.01]")
    add_norm(train)
    train.add_argument(
        "--both-ways",
        action=BooleanOptionalAction,
        default=False,
        help="the loss of moving to fixed and of fixed to moving, by the negative velocity [no]",
    )


def _settings(options) -> tuple[object, object, dict]:
    """The pairs, those for validation or None, and what both trainings share."""
    pairs, validation, common = folder_settings(options)
    ndim = dimensions(options)
    return (
        pairs,
        validation,
        {
            **common,
            **unet_settings(options),
            "network": {**network_settings(options), "ndim": ndim},
            "ndim": ndim,
            "learning_rate": options.rate,
            "smoothness": options.smoothness,
            "norm": options.norm,
            "both_ways": options.both_ways,
            "batch": options.batch,
        },
    )


def _train_heteroscedastic(options, report) -> int:
    pairs, validation, common = _settings(options)
    from ..training.heteroscedastic import HeteroscedasticTraining, train_heteroscedastic

    config = HeteroscedasticTraining(
        loss=options.loss,
        gamma=options.gamma,
        snr=options.snr,
        beta=options.beta,
        joint=options.joint,
        window=options.variance_window,
        alpha=options.sigma_z,
        **common,
    )
    return trained(options, train_heteroscedastic, config, pairs, validation)


def _train_adacs(options, report) -> int:
    pairs, validation, common = _settings(options)
    from ..training.adacs import AdaCSTraining, train_adacs

    config = AdaCSTraining(
        alpha=options.alpha,
        beta=options.beta,
        kappa=options.kappa,
        momentum=options.momentum,
        motion_steps=options.motion_steps,
        scoring_steps=options.scoring_steps,
        epoch_steps=options.epoch_steps,
        **common,
    )
    return trained(options, train_adacs, config, pairs, validation)
