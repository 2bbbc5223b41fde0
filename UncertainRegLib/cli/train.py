"""The command ``train``: here the proposal network of Structured SIR; see ``train_folder``."""

from __future__ import annotations

import sys

from .exit_codes import COMPLETE
from .options import add_device, add_progress, count, positive, warn
from .train_folder import PROGRESS, add_gong, on_step
from .train_two_networks import add_two_networks


def add_command(commands) -> None:
    """Add ``train`` to the command line (argparse sub-parsers)."""
    top = commands.add_parser("train", help="train the network of a method")
    methods = top.add_subparsers(required=True, metavar="method")
    add_gong(methods)
    add_two_networks(methods)
    train = methods.add_parser(
        "sir", help="the proposal network of Structured SIR; goes on where it was stopped"
    )
    source = train.add_mutually_exclusive_group(required=True)
    source.add_argument("--images", default="", help="folder of images; pairs are drawn inside")
    source.add_argument(
        "--synthetic",
        action="store_true",
        help="random shapes, contrasts and warps instead of images",
    )
    train.add_argument("--out", required=True, help="folder for the model and its checkpoints")
    train.add_argument("--start", default="", help="model folder to begin with")
    train.add_argument(
        "--shape",
        type=int,
        nargs=3,
        default=(48, 64, 48),
        metavar=("Z", "Y", "X"),
        help="voxels of the network's images, multiples of 8 [48 64 48]",
    )
    train.add_argument(
        "--spacing", type=positive, default=1.0, help="their voxel size in mm, with --images [1]"
    )
    train.add_argument("--variant", default="S+LC", help="V or S, +, D, LD, C or LC [S+LC]")
    train.add_argument(
        "--objective", default="entropy", help="of the S variants: paper, entropy or wake [entropy]"
    )
    train.add_argument("--steps", type=count, default=50_000, help="all steps [50000]")
    train.add_argument(
        "--mean-steps",
        type=int,
        default=2_000,
        help="how many of them first train the mean alone [2000]",
    )
    train.add_argument(
        "--decay-steps",
        type=int,
        default=30_000,
        help="steps in which the learning rate falls [30000]",
    )
    train.add_argument("--proposals", type=count, default=32, help="weighed in a step [32]")
    train.add_argument("--keep", type=count, default=4, help="kept of them [4]")
    train.add_argument(
        "--temperature", type=positive, default=3.0, help="spread of the tempered log-weights [3]"
    )
    train.add_argument(
        "--spread-average",
        type=float,
        default=0.0,
        metavar="GAMMA",
        help="temper by a moving average of the log-weights' spread over the steps [0: each pair "
        "by its own; paper: 0.9]",
    )
    train.add_argument(
        "--sigma",
        type=positive,
        default=0.5,
        help="scale of the likelihood, the sum of NCC^2 / sigma^2 over the grid of Z [0.5]",
    )
    train.add_argument(
        "--smoothness", type=positive, default=4.0, help="lambda of the prior [4; paper: 1]"
    )
    train.add_argument(
        "--mean-smoothness",
        type=float,
        default=0.0,
        help="lambda_mu of the mean, in the loss alone [0; paper: 2.5]",
    )
    train.add_argument(
        "--bound",
        type=float,
        default=2.0,
        help="largest sum of off-diagonals of L over the diagonal; 0: none, as in the paper [2]",
    )
    train.add_argument("--rate", type=positive, default=2e-3, help="first learning rate [0.002]")
    train.add_argument("--rank", type=count, default=25, help="columns of R [25]")
    train.add_argument("--optimiser", default="soap", choices=("soap", "adam"))
    train.add_argument(
        "--bfloat16",
        action="store_true",
        default=None,
        help="convolutions in bfloat16: fast on CPUs with AVX512-BF16; a GPU always",
    )
    train.add_argument("--validate-every", type=count, default=500, help="steps [500]")
    train.add_argument("--save-every", type=count, default=500, help="steps [500]")
    train.add_argument("--seed", type=int, default=0, help="of everything random [0]")
    add_device(train)
    add_progress(train, PROGRESS)
    train.set_defaults(command=_train_sir)


def _train_sir(options, report) -> int:
    from ..environment import choose_device
    from ..samplers import entry

    sir = entry("sir")
    if sir.to_install:
        raise ValueError(f"Training needs torch: {sir.to_install}")
    from ..samplers.proposals.trained import proposal_network
    from ..training.folder import FolderPairs
    from ..training.sir import SirTraining, train_sir
    from ..training.synthetic import SyntheticPairs

    wrong = [n for n in options.shape if n < 8 or n % 8]
    if wrong:
        raise ValueError(f"--shape has {wrong[0]}; give multiples of 8.")
    shape = tuple(options.shape)
    pairs = (
        SyntheticPairs(shape)
        if options.synthetic
        else FolderPairs(options.images, shape, options.spacing, say=warn)
    )
    config = SirTraining(
        variant=options.variant,
        s_objective=options.objective,
        steps=options.steps,
        mean_steps=options.mean_steps,
        decay_steps=options.decay_steps,
        proposals=options.proposals,
        keep=options.keep,
        temperature=options.temperature,
        spread_average=options.spread_average,
        sigma=options.sigma,
        smoothness=options.smoothness,
        mean_smoothness=options.mean_smoothness,
        bound=options.bound or None,
        learning_rate=options.rate,
        last_learning_rate=options.rate / 10,
        rank=options.rank,
        optimiser=options.optimiser,
        bfloat16=options.bfloat16,
        validate_every=options.validate_every,
        save_every=options.save_every,
        seed=options.seed,
        device=choose_device(options.device),
    )
    start = proposal_network(options.start) if options.start else None
    train_sir(
        config, pairs, options.out, options.progress == "bar", start=start, on_step=on_step(options)
    )
    if options.progress == "bar":
        print(
            f"Trained: {options.out}. Use it with --method sir --parameters "
            f'\'{{"method": {{"weights": "{options.out}"}}}}\'',
            file=sys.stderr,
        )
    return COMPLETE
