"""What every training on images has: where they come from, its steps, and how it ends."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path

from .exit_codes import COMPLETE
from .options import add_device, add_progress, count, positive, warn

PROGRESS = "a bar, or one JSON object a step on stdout [bar]"


def add_source(train):
    """``--images`` or ``--pairs``, of which one is needed; returns their group."""
    source = train.add_mutually_exclusive_group(required=True)
    source.add_argument("--images", default="", help="folder of images; pairs are drawn inside")
    source.add_argument(
        "--pairs",
        default="",
        metavar="CSV",
        help="list of pairs: columns fixed, moving and, of choice, fixed_labels, moving_labels, "
        "subject, split (train, validation or test), fixed_frame, moving_frame; see Docs/papers.md",
    )
    return source


def add_steps(train, steps: int) -> None:
    """How long, how often something is saved, and where."""
    train.add_argument("--steps", type=count, default=steps, help=f"of each network [{steps}]")
    train.add_argument("--save-every", type=count, default=500, help="steps [500]")
    train.add_argument(
        "--validate-every",
        type=count,
        default=500,
        help="steps between looks at the pairs for validation [500]",
    )
    train.add_argument(
        "--stop-after",
        type=count,
        metavar="STEPS",
        help="save and stop after so many steps; the same command goes on",
    )
    train.add_argument("--seed", type=int, default=0, help="of everything random [0]")
    add_device(train)
    add_progress(train, PROGRESS)


def steps_of(options) -> dict:
    """The settings of `add_steps`, as keywords of every training."""
    from ..environment import choose_device

    return {
        "steps": options.steps,
        "save_every": options.save_every,
        "validate_every": options.validate_every,
        "stop_after": options.stop_after,
        "seed": options.seed,
        "device": choose_device(options.device),
    }


def check_torch() -> None:
    """Refuse to train without torch.

    Raises:
        ValueError: it is missing.
    """
    if importlib.util.find_spec("torch") is None:
        raise ValueError("Training needs torch: install the Python package torch.")


def training_pairs(options, **settings) -> tuple[object, object | None]:
    """The pairs to train with, and those for validation or None.

    Args:
        settings: of `FolderPairs` and `ListedPairs`: intensity and shifts.

    Raises:
        ValueError: the folder or the list cannot be used.
    """
    from ..training.folder import FolderPairs
    from ..training.listed import ListedPairs
    from ..training.pairs import of_split, read_pair_list, with_splits, write_pair_list

    shape = tuple(options.shape)
    labels, slices = getattr(options, "labels", None), getattr(options, "slices", "")
    if options.images:
        if slices:
            raise ValueError("--slices goes with --pairs, which says whose slices belong together.")
        return FolderPairs(
            options.images, shape, options.spacing, labels, say=warn, **settings
        ), None
    if labels is not None:
        raise ValueError("--labels goes with --images; a list names segmentations in its columns.")
    listed = with_splits(read_pair_list(options.pairs), options.seed, say=warn)
    out = Path(options.out)
    if not any(out.glob("**/checkpoint.pt")):  # that of a training which goes on stays
        out.mkdir(parents=True, exist_ok=True)
        write_pair_list(listed, out / "pairs.csv")
    parts = [
        ListedPairs(part, shape, options.spacing, slices=slices, say=warn, **settings)
        for part in (of_split(listed, "train"), of_split(listed, "validation"))
        if part
    ]
    return parts[0], parts[1] if len(parts) > 1 else None


def on_step(options) -> Callable[[dict], None] | None:
    """What takes the log of every step, or None."""
    return (lambda log: print(json.dumps(log), flush=True)) if options.progress == "json" else None


def finished(options, train: Callable[[], object], use: str = "") -> int:
    """Run a training, and say how its model is used, or that it goes on; the exit code.

    Args:
        use: how, in words; empty for a model that is a backbone.
    """
    from ..training.loop import Paused

    try:
        train()
    except Paused as pause:
        print(pause, file=sys.stderr)
        return COMPLETE
    if options.progress == "bar":
        name = Path(options.out).name
        use = use or (
            f"Use it as --backbone {options.out}, or have it in every list: backbones install "
            f"{name} --from {options.out}"
        )
        print(f"Trained: {options.out}. {use}", file=sys.stderr)
    return COMPLETE


def add_shape(train, default: tuple[int, int, int], text: str) -> None:
    """The grid of the network's images."""
    train.add_argument(
        "--shape",
        type=count,
        nargs=3,
        default=default,
        metavar=("Z", "Y", "X"),
        help=f"{text} [{' '.join(map(str, default))}]",
    )
    train.add_argument("--spacing", type=positive, default=1.0, help="their voxel size in mm [1]")
