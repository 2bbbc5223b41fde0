"""The command ``evaluate dose``: a dose seen through the samples of a result."""

from __future__ import annotations

import os
from pathlib import Path

from ..report.dose import NUMBERS, cell, titles
from ..results.record import Dose
from ..results.schema import FILE
from .exit_codes import COMPLETE
from .options import add_progress, positive


def add_action(actions, stopped, progress: str) -> None:
    """Add ``dose`` to the actions of ``evaluate``.

    Args:
        actions: argparse sub-parsers.
        stopped: tells that nothing was changed, and returns the exit code.
        progress: help text of ``--progress``.
    """
    dose = actions.add_parser(
        "dose", help="what each structure receives, with 5 to 95 %% of the samples, and dose maps"
    )
    dose.add_argument("folder", help="a result folder; its result.json is extended")
    dose.add_argument("--dose", required=True, help="DICOM RT Dose (needs pydicom), or an image")
    dose.add_argument(
        "--side",
        required=True,
        choices=("moving", "fixed"),
        help="the image that the dose belongs to",
    )
    dose.add_argument(
        "--unit", choices=("Gy", "cGy"), default="", help="of an image, which does not say it"
    )
    dose.add_argument(
        "--structures",
        default="",
        help="segmentation of the other image [that of the result; of the fixed image, else that "
        "of the moving one as registered]",
    )
    dose.add_argument(
        "--limit", type=positive, default=20.0, help="V: volume that receives so many Gy [20]"
    )
    add_progress(dose, progress)
    dose.set_defaults(command=_dose, stopped=stopped)


def _dose(options, report) -> int:
    from ..jobs.cancel import CancelFlag, Cancelled
    from ..results.reader import read_record
    from ..results.writer import extend
    from ..studies.dose import evaluate_dose, remove_others

    report("started", pid=os.getpid())
    record = read_record(options.folder)
    flag = CancelFlag(Path(options.folder))
    flag.listen()

    def advance(text: str) -> None:
        report("stage", text=text)
        flag.check()

    try:
        found = evaluate_dose(
            options.folder,
            record,
            options.dose,
            options.side,
            options.unit,
            options.structures,
            options.limit,
            advance,
        )
    except Cancelled:
        return options.stopped()
    finally:
        flag.file.unlink(missing_ok=True)
    record = extend(options.folder, record, **found)
    remove_others(options.folder, record)
    for sentence in record.dose.warnings:
        report("warning", text=sentence)
    report("finished", status="complete", result=str(Path(options.folder) / FILE))
    if options.progress != "json":
        print(in_words(record.dose))
    return COMPLETE


def in_words(dose: Dose) -> str:
    """The table for a terminal: by the registration, and 5 to 95 % of the samples."""
    lines = ["".join([f"{'Structure':24}", *(f"{title:>22}" for title in titles(dose))])]
    for row in dose.rows:
        cells = "".join(f"{cell(row, name):>22}" for name in NUMBERS)
        lines.append(f"{row['name'][:23]:24}{cells}")
    lines.append(
        "By the registration; in brackets 5 to 95 % of "
        f"{dose.samples} samples, which need not hold what the registration gives."
    )
    return "\n".join(lines)
