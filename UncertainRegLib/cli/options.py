"""Options that several commands have, and the types of their values."""

from __future__ import annotations

import json
import math
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable

from .presets import PRESETS, Preset, in_words

DEVICES = ("auto", "cpu", "cuda")
SCHEDULER = "a scheduler of Dask that is there already, like tcp://node:8786"


class FilledParser(ArgumentParser):
    """A parser whose options may be added when it is first used, and may have presets.

    Args:
        fill: takes the parser and adds them.
    """

    def __init__(
        self, *args, fill: Callable[[ArgumentParser], None] = lambda parser: None, **settings
    ) -> None:
        super().__init__(*args, **settings)
        self._fill = fill
        self._presets: dict[str, Preset] = {}

    def add_presets(self, command: str) -> None:
        """``--preset``: values for many options at once, which those that are given overrule.

        To be called after all options were added; a preset may name more than this command has.
        """
        known = {action.dest for action in self._actions}
        self._presets = {
            name: {option: value for option, value in preset.items() if option in known}
            for name, preset in PRESETS[command].items()
        }
        self.add_argument(
            "--preset",
            choices=tuple(self._presets),
            default="",
            help="the settings of the paper, or smaller ones; options that are given overrule them",
        )

    def parse_known_args(self, args=None, namespace=None):
        """As of every parser, after its options were added; a preset says what it has set, unless
        a program listens."""
        fill, self._fill = self._fill, lambda parser: None
        fill(self)
        found, rest = super().parse_known_args(args, namespace)
        name = getattr(found, "preset", "")
        if name not in self._presets:
            return found, rest
        self.set_defaults(**self._presets[name])
        found, rest = super().parse_known_args(args, namespace)
        if getattr(found, "progress", "") != "json":
            print(in_words(name, self._presets[name], vars(found)), file=sys.stderr)
        return found, rest


def json_object(text: str) -> dict:
    """Settings in JSON, of an option (argparse type)."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ArgumentTypeError(f"not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ArgumentTypeError("not a JSON object")
    return value


def count(text: str) -> int:
    """A whole number from 1, of an option (argparse type)."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise ArgumentTypeError(f"{text} is no whole number from 1")
    return value


def count_or_none(text: str) -> int:
    """A whole number from 0, of an option (argparse type)."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text} is no whole number from 0")
    return int(text)


def weight(text: str) -> float:
    """A number from 0, of an option (argparse type)."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise ArgumentTypeError(f"{text} is no number from 0")
    return value


def positive(text: str) -> float:
    """A number above 0, of an option (argparse type)."""
    value = float(text)
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"{text} is no number above 0")
    return value


def part_of_one(text: str) -> float:
    """A number from 0, below 1, of an option (argparse type)."""
    value = float(text)
    if not 0 <= value < 1:
        raise ArgumentTypeError(f"{text} is no number from 0 and below 1")
    return value


def odd(text: str) -> int:
    """The edge of a window around a voxel, of an option (argparse type)."""
    if count(text) % 2 == 0:
        raise ArgumentTypeError(f"{text} is not odd, so a window of it has no middle")
    return int(text)


def add_device(parser) -> None:
    """``--device``: where to compute."""
    parser.add_argument("--device", default="auto", choices=DEVICES)


def add_progress(parser, text: str) -> None:
    """``--progress``: what is said while a command runs; the help text says where it goes."""
    parser.add_argument("--progress", default="bar", choices=("bar", "json", "none"), help=text)


def add_json(parser) -> None:
    """``--json``: a list for programs."""
    parser.add_argument("--json", action="store_true", help="the list as one JSON array")


def print_json(value: object) -> None:
    """Print what ``--json`` asked for."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def warn(sentence: str) -> None:
    """Say what a person should know on stderr; for commands without events."""
    print(f"Warning: {sentence}", file=sys.stderr)


def reporter(options):
    """What takes the events of a command, chosen by ``--progress``; see ``jobs.events``."""
    from ..jobs import REPORTERS

    return REPORTERS[options.progress]()


def no_reporter(options) -> None:
    """For commands without events."""
