"""The command ``train``: here the proposal network of Structured SIR; see ``train_folder``."""

from __future__ import annotations

from .options import count, count_or_none, part_of_one, positive, weight
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
from .train_folder import add_gong
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
    add_source(train).add_argument(
        "--synthetic",
        action="store_true",
        help="random shapes, contrasts and warps instead of images",
    )
    train.add_argument("--out", required=True, help="folder for the model and its checkpoints")
    train.add_argument("--start", default="", help="model folder to begin with")
    add_shape(train, (48, 64, 48), "voxels of the network's images, multiples of 8")
    train.add_argument(
        "--shifts",
        type=count_or_none,
        nargs=2,
        default=(8, 2),
        metavar=("BOTH", "EACH"),
        help="augmentation: voxels that both images together, and each, are moved at most [8 2]",
    )
    train.add_argument("--variant", default="S+LC", help="V or S, +, D, LD, C or LC [S+LC]")
    train.add_argument(
        "--objective", default="entropy", help="of the S variants: paper, entropy or wake [entropy]"
    )
    add_steps(train, 50_000)
    train.add_argument(
        "--mean-steps",
        type=count_or_none,
        default=2_000,
        help="how many of them first train the mean alone [2000]",
    )
    train.add_argument(
        "--decay-steps",
        type=count,
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
        type=part_of_one,
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
        type=weight,
        default=0.0,
        help="lambda_mu of the mean, in the loss alone [0; paper: 2.5]",
    )
    train.add_argument(
        "--bound",
        type=weight,
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
    train.add_presets("sir")
    train.set_defaults(command=_train_sir)


def _train_sir(options, report) -> int:
    check_torch()
    from ..samplers.proposals.trained import proposal_network
    from ..training.sir import SirTraining, train_sir
    from ..training.synthetic import SyntheticPairs

    wrong = [n for n in options.shape if n < 8 or n % 8]
    if wrong:
        raise ValueError(f"--shape has {wrong[0]}; give multiples of 8.")
    if options.synthetic:
        pairs, validation = SyntheticPairs(tuple(options.shape)), None
    else:
        together, apart = options.shifts
        pairs, validation = training_pairs(options, together=together, apart=apart)
    config = SirTraining(
        variant=options.variant,
        s_objective=options.objective,
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
        **steps_of(options),
    )
    start = proposal_network(options.start) if options.start else None
    bar, log = options.progress == "bar", on_step(options)
    return finished(
        options,
        lambda: train_sir(
            config, pairs, options.out, bar, start=start, on_step=log, validation=validation
        ),
        f'Use it with --method sir --parameters \'{{"method": {{"weights": "{options.out}"}}}}\'',
    )
