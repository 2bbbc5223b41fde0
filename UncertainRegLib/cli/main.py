"""The command line as a whole: ``python -m UncertainRegLib COMMAND …``."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys

from .exit_codes import CANCELLED, FAILED
from .options import FilledParser, no_reporter

MEANT_FOR_PEOPLE = (ValueError, OSError, MemoryError, RuntimeError, FloatingPointError)


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 complete, 1 failed (one sentence on stderr; a traceback too where the environment has
        UNCERTAINREG_TRACEBACK), 2 usage, 3 a calibration was refused, 130 cancelled (partial
        result kept).
    """
    from ..backbones.failures import sentence

    report = None
    with contextlib.suppress(AttributeError):  # a terminal or pipe that lacks "…" is no failure
        sys.stdout.reconfigure(errors="replace")
    try:
        options = parser().parse_args(arguments)
        report = options.reporter(options)
        return options.command(options, report)
    except KeyboardInterrupt as error:
        print(str(error) or "Stopped.", file=sys.stderr)
        return CANCELLED
    except Exception as error:
        text = " ".join(str(error).split())
        if not text or not isinstance(error, MEANT_FOR_PEOPLE):
            text = f"{type(error).__name__}: {text}"
        elif isinstance(error, OSError):
            text = sentence(error)
        if report is not None:
            report("failed", error=text)
        if os.environ.get("UNCERTAINREG_TRACEBACK"):
            import traceback

            traceback.print_exc()
        print(f"Error: {text}", file=sys.stderr)
        return FAILED


def parser() -> argparse.ArgumentParser:
    """The command line; wrong usage exits with code 2.

    Every command sets ``command(options, report) -> exit code``; one with events also sets
    ``reporter(options)``, which makes ``report``.
    """
    # here, as these imports take a while in which Ctrl-C may come
    from .backbones import add_command as add_backbones
    from .cohort import add_command as add_cohort
    from .evaluate import add_command as add_evaluate
    from .export import add_command as add_export
    from .methods import add_command as add_methods
    from .report import add_command as add_report
    from .run import add_command as add_run
    from .train import add_command as add_train

    top = argparse.ArgumentParser(
        prog="python -m UncertainRegLib",
        description="Where can a deformable registration be trusted, in millimetres?",
    )
    top.set_defaults(reporter=no_reporter)
    commands = top.add_subparsers(required=True, metavar="command", parser_class=FilledParser)
    for add in (
        add_run,
        add_cohort,
        add_backbones,
        add_methods,
        add_train,
        add_evaluate,
        add_report,
        add_export,
    ):
        add(commands)
    return top
