"""The command ``evaluate``: studies on real images, and checks of a result folder."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from pathlib import Path

COMPLETE = 0


def add_commands(commands) -> None:
    """Add ``evaluate`` and its studies to the command line (argparse sub-parsers)."""
    top = commands.add_parser("evaluate", help="can the millimetres be believed? studies, checks")
    studies = top.add_subparsers(required=True, metavar="study")
    _add_known_warp(studies)


def _common(study, families: tuple[str, ...]) -> None:
    """Options that every study on images has."""
    study.add_argument("--out", required=True, help="folder of the study; rows there are kept")
    study.add_argument("--backbone", default="demons", help="registration method [demons]")
    study.add_argument("--backbone-settings", default={}, type=_json, metavar="JSON",
                       help='e.g. {"affine": false}')
    study.add_argument("--families", nargs="+", default=list(families),
                       help=f"perturbation families [{' '.join(families)}]")
    study.add_argument("--samples", type=int, default=16, help="registrations a map [16]")
    study.add_argument("--seed", type=int, default=1, help="of everything random [1]")
    study.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    study.set_defaults(reporter=lambda options: None)


def _add_known_warp(studies) -> None:
    study = studies.add_parser(
        "known-warp", help="does u rank the true error, where the truth is known?")
    study.add_argument("--image", required=True, help="a real image; it is deformed by known maps")
    region = study.add_mutually_exclusive_group()
    region.add_argument("--labels", default="", help="its segmentation: judge inside its labels")
    region.add_argument("--roi", default="body", choices=("body",),
                        help="judge inside the largest component above a threshold [body]")
    study.add_argument("--truths", nargs="+", default=["elastic", "affine", "translation"],
                       help="translation, affine, elastic, elastic2, or files of displacement "
                            "fields [elastic affine translation]")
    study.add_argument("--warps", type=int, default=3, help="deformations of every kind [3]")
    study.add_argument("--name", default="", help="what the rows call the image [its file name]")
    _common(study, ("translation", "scale", "deform"))
    study.set_defaults(command=_known_warp)


def _known_warp(options, report) -> int:
    from ..geometry import read_image, read_labels
    from ..geometry.files import check_overlap
    from .figures import available, known_warp_figures
    from .known_warp import KnownWarp, in_words, registrations, run
    from .rows import Rows

    image = read_image(options.image)
    labels = read_labels(options.labels) if options.labels else None
    if labels is not None:
        check_overlap(image.grid, labels.grid, options.image, options.labels)
    study = KnownWarp(
        image, options.name or Path(options.image).name.split(".")[0], Path(options.out), labels,
        options.backbone, options.backbone_settings, tuple(options.families),
        tuple(options.truths), options.samples, options.warps, options.seed, _device(options))
    with Progress(registrations(study)) as progress:
        rows = run(study, progress)
    print(in_words(rows))
    if available():
        for file in known_warp_figures(rows, Rows(study.out / "bins.csv", rows.key), study.out):
            print(file)
    return COMPLETE


class Progress:
    """Counts registrations on stderr: a tqdm bar where installed, else a line now and then."""

    def __init__(self, total: int) -> None:
        self.done, self.total = 0, total
        try:
            from tqdm import tqdm
        except ImportError:
            self.bar = None
        else:
            self.bar = tqdm(total=total, desc="registrations", file=sys.stderr)

    def __call__(self, text: str = "") -> None:
        self.done += 1
        if self.bar is not None:
            self.bar.set_postfix_str(text, refresh=False)
            self.bar.update()
        elif self.done % 10 == 0 or self.done == self.total:
            print(f"{self.done} of {self.total} registrations ({text})", file=sys.stderr)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_) -> None:
        if self.bar is not None:
            self.bar.close()


def _device(options) -> str:
    from ..backbones.registry import backbone_class
    from ..jobs.preflight import choose_device

    return choose_device(options.device, backbone_class(options.backbone).facts)


def _json(text: str) -> dict:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ArgumentTypeError(f"not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ArgumentTypeError("not a JSON object")
    return value
