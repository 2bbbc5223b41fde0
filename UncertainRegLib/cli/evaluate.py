"""The command ``evaluate``: studies on real images, and checks of a result folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from ..contracts import Each, Study, one_by_one
from ..plugins import classes_in
from ..results.calibration import how_found
from ..results.expectation import NOT_STATED, in_words, refusal
from ..results.record import Record
from ..results.schema import FILE
from . import evaluate_acceptance, evaluate_dose
from .exit_codes import CANCELLED, COMPLETE, REFUSED
from .options import SCHEDULER, add_device, add_progress, count, json_object, reporter
from .presets import PRESETS

PROGRESS = "on stderr a bar, or none; or JSON lines on stdout instead of all text [bar]"


def add_command(commands) -> None:
    """Add ``evaluate`` and its actions to the command line (argparse sub-parsers)."""
    top = commands.add_parser(
        "evaluate", fill=_add_actions, help="can the millimetres be believed? studies, checks"
    )
    top.set_defaults(reporter=reporter)


def _add_actions(top) -> None:
    """The studies are found when one is asked for: their files take a while to import."""
    from .. import studies

    actions = top.add_subparsers(required=True, metavar="action")
    for study in classes_in(studies, Study, says="command"):
        parser = actions.add_parser(study.command, help=study.question)
        study.add_arguments(parser)
        _common(parser, study)
        if study.command in PRESETS:
            parser.add_presets(study.command)
        parser.set_defaults(command=_study, study=study)
    _add_calibrate(actions)
    evaluate_acceptance.add_action(actions, PROGRESS)
    evaluate_dose.add_action(actions, _stopped, PROGRESS)
    check = actions.add_parser("result", help="validation numbers and curves of a result folder")
    check.add_argument("folder", help="made with --fixed-labels or --fixed-points")
    add_progress(check, PROGRESS)
    check.set_defaults(command=_result)


def _common(parser, study: type[Study]) -> None:
    """Options that every study has."""
    parser.add_argument("--out", required=True, help="folder of the study; rows there are kept")
    if study.registers:
        parser.add_argument("--name", default="", help="what the rows say [the file name]")
        parser.add_argument("--backbone", default="demons", help="registration method [demons]")
        parser.add_argument(
            "--backbone-settings",
            default={},
            type=json_object,
            metavar="JSON",
            help='e.g. {"affine": false}',
        )
    if study.families:  # it makes maps
        parser.add_argument(
            "--families",
            nargs="+",
            default=list(study.families),
            help="perturbation families, each with settings of its own if needed, as "
            f"'deform {{\"fraction\": 0.4}}' [{' '.join(study.families)}]",
        )
        parser.add_argument("--samples", type=int, default=16, help="registrations per map [16]")
    parser.add_argument("--seed", type=int, default=1, help="of everything random [1]")
    add_device(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=count,
        default=1,
        metavar="N",
        help="processes that compute its pairs, each with its share of cores and memory; more than "
        "one need the extra cohort [1, without]",
    )
    where.add_argument("--scheduler", default="", metavar="ADDRESS", help=SCHEDULER)
    parser.add_argument(
        "--parquet", action="store_true", help="also write rows.parquet (needs pyarrow)"
    )
    add_progress(parser, PROGRESS)


def _add_calibrate(actions) -> None:
    study = actions.add_parser(
        "calibrate",
        help="check the 95 %% bounds of a result on known deformations of its fixed image, and "
        "widen them if needed, or refuse them",
    )
    study.add_argument("folder", help="a complete result folder; its result.json is extended")
    study.add_argument("--warps", type=int, default=3, help="simulated deformations [3]")
    add_progress(study, PROGRESS)
    study.set_defaults(command=_calibrate)


def _study(options, report) -> int:
    """Run a study, write its rows in the other format if asked, and print the summary."""
    from ..jobs.cancel import CancelFlag, Cancelled
    from ..studies.rows import write_parquet

    report("started", pid=os.getpid())
    study = options.study.of(options, lambda sentence: report("warning", text=sentence))
    flag = CancelFlag(Path(options.out))
    try:
        counter = Counter(report, study.registrations(), flag.check)
        rows = study.run(counter, _each(options, study, report))
    except (Cancelled, KeyboardInterrupt):
        print(
            "Stopped; the rows that are finished are kept, and the same command goes on from there.",
            file=sys.stderr,
        )
        return CANCELLED
    finally:
        flag.file.unlink(missing_ok=True)
    for sentence in study.failed:
        report("warning", text=sentence)
    if options.parquet:
        write_parquet(rows.all, rows.path.with_suffix(".parquet"))
    report("finished", status="complete", result=str(rows.path))
    if options.progress != "json":
        print(study.table(rows))
    files = study.pictures(rows)
    if files and options.progress != "json":
        print(*files, sep="\n")
    return COMPLETE


def _each(options, study: Study, report) -> Each:
    """What computes the units of a study: this process, or workers."""
    if options.workers == 1 and not options.scheduler:
        return one_by_one
    from ..workers.study import OverWorkers

    out = Path(options.out).absolute()
    return OverWorkers(options.workers, options.scheduler, out, study.device == "cuda", report)


def _calibrate(options, report) -> int:
    from .. import backbones
    from ..jobs.cancel import CancelFlag, Cancelled
    from ..jobs.inputs import read_inputs
    from ..randomness import numpy_generator
    from ..results.reader import read_record
    from ..results.writer import extend
    from ..samplers import create_sampler
    from ..studies.calibration import calibrate, registrations
    from ..studies.validation import check_unchanged, job_of, of_calibration

    report("started", pid=os.getpid())
    record = read_record(options.folder)
    job = job_of(options.folder, record)
    if record.given is not None:
        raise ValueError(
            f"{options.folder}: judges a transform that was made elsewhere; known deformations can "
            "only check the method that made it."
        )
    if refusal(record.expected_error, None):  # which known deformations cannot lift
        return _checked(options, record, report)
    backbone = backbones.create(job.backbone, job.device, **job.parameters.get("backbone", {}))
    sampler = create_sampler(job.method, backbone, job.perturbation, job.parameters, job.device)
    inputs = read_inputs(job)
    check_unchanged(options.folder, record, inputs.record)
    samples = record.samples.finished
    flag = CancelFlag(Path(options.folder))
    flag.listen()
    try:
        entry = calibrate(
            backbone,
            sampler,
            inputs.fixed,
            inputs.moving,
            samples,
            options.warps,
            numpy_generator(job.seed, "calibration"),
            Counter(report, registrations(samples, options.warps), flag.check),
        )
    except Cancelled:
        return _stopped()
    finally:
        flag.file.unlink(missing_ok=True)
    return _checked(
        options, extend(options.folder, record, **of_calibration(record, entry)), report
    )


def _checked(options, record: Record, report) -> int:
    """Tell what is known about the bounds of a result now."""
    refused = refusal(record.expected_error, record.calibration)
    if refused:
        report("refused", text=f"{NOT_STATED}{refused}")
    report("finished", status="complete", result=str(Path(options.folder) / FILE))
    if refused:
        return REFUSED
    if options.progress != "json":
        print(_bounds_in_words(record))
    return COMPLETE


def _bounds_in_words(record: Record) -> str:
    calibration = record.calibration
    lines = in_words(record.expected_error, calibration)
    if calibration.landmarks_within is not None:
        lines.append(
            f"{100 * calibration.landmarks_within:.0f} % of the true landmarks lie within "
            "the bound."
        )
    return "\n".join([*lines, how_found(calibration)])


def _stopped() -> int:
    print("Stopped; the result is as it was.", file=sys.stderr)
    return CANCELLED


def _result(options, report) -> int:
    from ..jobs.cancel import CancelFlag, Cancelled
    from ..results.reader import read_record
    from ..results.writer import extend
    from ..studies.validation import in_words as numbers_in_words
    from ..studies.validation import validate

    report("started", pid=os.getpid())
    report("stage", text="Comparing with the truth")
    record = read_record(options.folder)
    flag = CancelFlag(Path(options.folder))
    try:
        found = validate(options.folder, record)
        flag.check()
    except Cancelled:
        return _stopped()
    finally:
        flag.file.unlink(missing_ok=True)
    record = extend(options.folder, record, validation=found)
    report("finished", status="complete", result=str(Path(options.folder) / FILE))
    if options.progress != "json":
        print(numbers_in_words(record.validation))
    return COMPLETE


class Counter:
    """Counts registrations and reports them as the samples of a run.

    Args:
        report: takes events, see ``jobs.events``.
        total: registrations to come.
        check: called after each one; it may raise to stop the study.
    """

    def __init__(self, report, total: int, check: Callable[[], None] = lambda: None) -> None:
        self.report, self.total, self.done, self.begun = report, total, 0, perf_counter()
        self.check = check

    def __call__(self, text: str = "") -> None:
        self.done += 1
        left = (perf_counter() - self.begun) / self.done * max(self.total - self.done, 0)
        self.report("sample", finished=self.done, asked=self.total, eta_s=round(left, 1))
        self.check()
