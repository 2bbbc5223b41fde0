"""The command ``cohort``: all pairs of a list, on this machine or many."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from .exit_codes import CANCELLED, COMPLETE, FAILED, USAGE
from .options import SCHEDULER, add_progress, count, reporter

PROGRESS = "on stderr a bar, or none; or JSON lines on stdout instead of all text [bar]"


def add_command(commands) -> None:
    """Add ``cohort`` to the command line (argparse sub-parsers)."""
    cohort = commands.add_parser(
        "cohort",
        fill=_add_options,
        help="register all pairs of a list (CSV), on this machine or many",
        usage="%(prog)s PAIRS.csv --out DIR [--workers N | --scheduler ADDRESS] | check PAIRS.csv | "
        "report DIR",
    )
    cohort.set_defaults(command=_cohort, reporter=reporter, usage_error=cohort.error)


def _add_options(cohort) -> None:
    """The columns are those of a module that takes a while to import."""
    from ..cohort.pairs_file import IN_WORDS

    cohort.add_argument(
        "what",
        nargs="+",
        metavar="PAIRS.csv",
        help=f"{IN_WORDS} `check PAIRS.csv` reads all headers and says all that is wrong at once; "
        "`report DIR` writes tables and dashboard anew, also with what people decided.",
    )
    cohort.add_argument("--out", help="folder of the cohort; what is finished there stays")
    where = cohort.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=count,
        metavar="N",
        help="processes of this machine [by its cores, memory and GPUs]",
    )
    where.add_argument("--scheduler", default="", metavar="ADDRESS", help=SCHEDULER)
    add_progress(cohort, PROGRESS)


def _cohort(options, report) -> int:
    match options.what:
        case ["check", file]:
            return _check(Path(file))
        case ["report", folder]:
            return _report(Path(folder), report)
        case ["check" | "report" as action]:
            options.usage_error(f"give a list or a folder: {action} …")
        case [file]:
            if not options.out:
                options.usage_error("the following arguments are required: --out")
            return _run(Path(file), options, report)
    options.usage_error("give one list, or check PAIRS.csv, or report DIR")


def _check(file: Path) -> int:
    """Say all that is wrong with a list and the files it names, at once."""
    from ..cohort.pairs_file import read_pairs
    from ..cohort.survey import problems_of_files
    from ..pair_list import PairsError

    try:
        found, pairs = _problems_said(file), 0
        for pair in read_pairs(file):
            pairs += 1
            for text in problems_of_files(pair):
                found += 1
                print(f"Line {pair.line} ({pair.name}): {text}", file=sys.stderr)
    except PairsError as error:
        print(error, file=sys.stderr)
        return USAGE
    if found:
        said = "1 problem" if found == 1 else f"{found} problems"
        print(f"{said} in {pairs} pair{'' if pairs == 1 else 's'}.", file=sys.stderr)
        return USAGE
    print(f"{pairs} pairs, and nothing is wrong as far as the headers of their files say.")
    return COMPLETE


def _problems_said(file: Path) -> int:
    """Say what is wrong with the lines of a list; returns how many problems there are."""
    from ..cohort.pairs_file import problems

    found = 0
    for text in problems(file):
        found += 1
        print(text, file=sys.stderr)
    return found


def _run(file: Path, options, report) -> int:
    from ..cohort.folder import CohortFolder
    from ..cohort.runner import run_cohort
    from ..pair_list import PairsError

    try:
        if _problems_said(file):
            return USAGE
    except PairsError as error:
        print(error, file=sys.stderr)
        return USAGE
    folder = CohortFolder(Path(options.out))
    report("started", pid=os.getpid())
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what is finished stays
    try:
        counts = run_cohort(file, folder, report, options.workers, options.scheduler)
    except KeyboardInterrupt:
        print(
            f"Stopped; what is finished is in {folder.path}. The same command goes on from there.",
            file=sys.stderr,
        )
        return CANCELLED
    return _said(counts, folder, options, report)


def _report(path: Path, report) -> int:
    from ..cohort.folder import CohortFolder
    from ..cohort.runner import finish, listed_in

    folder = CohortFolder(path)
    listed_in(folder)  # refuses what is no cohort, before anything is said to be written
    finish(folder, report)
    print(folder.dashboard)
    return COMPLETE


def _said(counts: dict[str, int], folder, options, report) -> int:
    total, failed = sum(counts.values()), counts["failed"]
    complete = counts["complete"] == total
    report(
        "finished", status="complete" if complete else "failed", result=str(folder.csv), **counts
    )
    if options.progress != "json":
        print(
            f"{counts['complete']} of {total} pairs are complete. Dashboard: {folder.dashboard}, "
            f"table: {folder.csv}"
        )
    if complete:
        return COMPLETE
    print(
        f"{total - counts['complete']} of {total} pairs have no result ({failed} failed); the column "
        f"sentence of {folder.csv} says why.",
        file=sys.stderr,
    )
    return FAILED
