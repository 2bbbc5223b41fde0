"""The command ``evaluate acceptance``: the verdict about a result, and what a person decides."""

from __future__ import annotations

import os
from pathlib import Path

from ..results.decision import DECISIONS
from ..results.schema import FILE
from .exit_codes import COMPLETE
from .options import add_progress


def add_action(actions, progress: str) -> None:
    """Add ``acceptance`` to the actions of ``evaluate``.

    Args:
        actions: argparse sub-parsers.
        progress: help text of ``--progress``.
    """
    judge = actions.add_parser(
        "acceptance",
        help="can a registration be accepted? the table of AAPM TG-132, and what you decide",
    )
    judge.add_argument("folder", help="a result folder; its result.json is extended")
    judge.add_argument(
        "--tolerances",
        default="tg132",
        metavar="NAME_OR_FILE",
        help="tg132, stereotaxy, or a JSON file with your own [tg132]",
    )
    judge.add_argument(
        "--decide",
        choices=tuple(DECISIONS),
        help="keep what you decide, beside the result; needs a --reason unless you approve",
    )
    judge.add_argument("--reason", default="", help="of the decision, in your own words")
    judge.add_argument("--name", default="", help="who decides, if you want to say")
    add_progress(judge, progress)
    judge.set_defaults(command=_acceptance)


def _acceptance(options, report) -> int:
    from ..results import acceptance, decision
    from ..results.reader import read_record
    from ..results.writer import extend
    from ..studies.acceptance import acceptance as judged
    from ..studies.acceptance import in_words as rows_in_words

    report("started", pid=os.getpid())
    report("stage", text="Judging the registration")
    tolerances = acceptance.read_tolerances(options.tolerances)
    record = read_record(options.folder)
    if options.decide:  # a decision that cannot be kept is said before the work
        decision.made(options.decide, options.reason, options.name, "")
        decision.read_decisions(options.folder)
    found = judged(options.folder, record, tolerances)
    extend(options.folder, record, acceptance=found)
    acceptance.write_rows(found, Path(options.folder) / acceptance.FILE)
    decided = decision.read_decisions(options.folder)
    if options.decide:
        mine = decision.made(options.decide, options.reason, options.name, found.state)
        decided = decision.add_decision(options.folder, mine)
    report("finished", status="complete", result=str(Path(options.folder) / FILE))
    if options.progress != "json":
        print(rows_in_words(found), *map(str, decided[-1:]), sep="\n")
    return COMPLETE
