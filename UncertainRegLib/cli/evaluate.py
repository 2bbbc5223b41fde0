"""The command ``evaluate``: studies on real images, and checks of a result folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from .exit_codes import CANCELLED, COMPLETE, REFUSED
from .options import add_device, add_progress, json_object, reporter

PROGRESS = ("on stderr a bar, or none; or JSON lines on stdout instead of all "
            "text [bar]")


def add_command(commands) -> None:
    """Add ``evaluate`` and its actions to the command line (argparse sub-parsers)."""
    top = commands.add_parser("evaluate", help="can the millimetres be believed? studies, checks")
    top.set_defaults(reporter=reporter)
    actions = top.add_subparsers(required=True, metavar="action")
    _add_image_study(actions, "known-warp", _known_warp,
                     "does disagreement rank the true error, where that is known?",
                     ("elastic", "affine", "translation"),
                     "translation, affine, elastic, elastic2, registration (with "
                     "--truth-moving), or files of displacement fields")
    _add_image_study(actions, "anatomy", _anatomy,
                     "does disagreement show a resection, or a truncated field of view?",
                     ("resection", "truncation"), "resection, truncation")
    _add_labels(actions)
    _add_calibrate(actions)
    check = actions.add_parser("result", help="validation numbers and curves of a result folder")
    check.add_argument("folder", help="made with --fixed-labels or --fixed-points")
    add_progress(check, PROGRESS)
    check.set_defaults(command=_result)


def _add_image_study(actions, name: str, command, text: str, cases: tuple[str, ...],
                     choices: str) -> None:
    """A study that deforms one real image."""
    study = actions.add_parser(name, help=text)
    study.add_argument("--image", required=True, help="a real image; it is deformed")
    region = study.add_mutually_exclusive_group()
    region.add_argument("--labels", default="", help="its segmentation: judge inside its labels")
    region.add_argument("--roi", default="body", choices=("body",),
                        help="judge inside the largest component above a threshold [body]")
    option = "truths" if name == "known-warp" else "cases"
    study.add_argument(f"--{option}", dest="cases", nargs="+", default=list(cases),
                       help=f"{choices} [{' '.join(cases)}]")
    if name == "known-warp":
        study.add_argument("--truth-moving", default="", metavar="FILE",
                           help="another real image: what demons finds between the two, without "
                           "its affine part, is the truth named registration")
    study.add_argument("--warps", type=int, default=3, help="random pairs of every kind [3]")
    _common(study, ("translation", "scale", "deform"))
    study.set_defaults(command=command)


def _add_labels(actions) -> None:
    study = actions.add_parser("labels", help="does label entropy find mislabelled voxels?")
    for name in ("fixed", "moving", "fixed-labels", "moving-labels"):
        study.add_argument(f"--{name}", required=True)
    for name in ("fixed-mask", "moving-mask"):
        study.add_argument(f"--{name}", default="")
    _common(study, ("deform",))
    study.set_defaults(command=_labels)


def _common(study, families: tuple[str, ...]) -> None:
    """Options that every study has."""
    study.add_argument("--out", required=True, help="folder of the study; rows there are kept")
    study.add_argument("--name", default="", help="what the rows say [the file name]")
    study.add_argument("--backbone", default="demons", help="registration method [demons]")
    study.add_argument("--backbone-settings", default={}, type=json_object, metavar="JSON",
                       help='e.g. {"affine": false}')
    study.add_argument("--families", nargs="+", default=list(families),
                       help=f"perturbation families [{' '.join(families)}]")
    study.add_argument("--samples", type=int, default=16, help="registrations per map [16]")
    study.add_argument("--seed", type=int, default=1, help="of everything random [1]")
    add_device(study)
    study.add_argument("--parquet", action="store_true",
                       help="also write rows.parquet (needs pyarrow)")
    add_progress(study, PROGRESS)


def _add_calibrate(actions) -> None:
    study = actions.add_parser(
        "calibrate", help="the factor that turns the disagreement of a result into a 95 %% bound, "
                          "or a refusal")
    study.add_argument("folder", help="a complete result folder; its result.json is extended")
    study.add_argument("--warps", type=int, default=3, help="simulated deformations [3]")
    add_progress(study, PROGRESS)
    study.set_defaults(command=_calibrate)


def _image_study(options, study_module, report):
    """Run a study that deforms one image; returns it and its rows."""
    from ..geometry import read_image, read_segmentation
    from ..geometry.files import check_overlap
    from ..studies.simulate import draw_truth
    from ..studies.study import Study

    say = _said(report)
    image = read_image(options.image, say)
    labels = read_segmentation(options.labels, say).foreground() if options.labels else None
    if labels is not None:
        check_overlap(image.grid, labels.grid, options.image, options.labels)
    cases = tuple(options.cases)
    if "registration" in cases:
        cases = tuple(_registration(options, image, say) if case == "registration" else case
                      for case in cases)
    for file in (case for case in cases if Path(case).suffix):
        draw_truth(file, image.grid, None, say)  # a bad one is refused before hours are spent
    study = Study(
        image, options.name or _stem(options.image), Path(options.out), cases,
        labels, options.backbone, options.backbone_settings, tuple(options.families),
        options.samples, options.warps, options.seed, _device(options))
    twice = 2 if study_module.__name__.endswith("anatomy") else 1  # a pair and its control
    rows = study_module.run(study, Counter(report, twice * study.registrations()))
    _finish(options, rows, study_module, report)
    return study, rows


def _said(report) -> Callable[[str], None]:
    """Tells what a reader of files had to decide, as a warning."""
    return lambda sentence: report("warning", text=sentence)


def _finish(options, rows, study_module, report) -> None:
    """Write the rows in the other format if asked, and print the summary."""
    from ..studies.rows import write_parquet

    if options.parquet:
        write_parquet(rows.all, rows.path.with_suffix(".parquet"))
    report("finished", status="complete", result=str(rows.path))
    if options.progress != "json":
        print(study_module.in_words(rows))


def _registration(options, image, say) -> str:
    """The file of the truth "registration"; it is estimated once a study."""
    from ..geometry import read_image, write_field
    from ..studies.simulate import registration_truth

    if not options.truth_moving:
        raise ValueError("The truth 'registration' needs another real image: give --truth-moving.")
    file = Path(options.out) / "registration.nrrd"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_field(registration_truth(image, read_image(options.truth_moving, say)), file)
    return str(file)


def _known_warp(options, report) -> int:
    from ..studies import known_warp
    from ..studies.figures import available, known_warp_figures
    from ..studies.rows import Rows

    study, rows = _image_study(options, known_warp, report)
    if available():
        files = known_warp_figures(rows, Rows(study.out / "bins.csv", rows.key), study.out)
        if options.progress != "json":
            print(*files, sep="\n")
    return COMPLETE


def _anatomy(options, report) -> int:
    from ..studies import anatomy

    _image_study(options, anatomy, report)
    return COMPLETE


def _labels(options, report) -> int:
    from ..jobs import Job
    from ..jobs.inputs import read_inputs
    from ..studies import label_study

    inputs = read_inputs(Job(
        fixed=options.fixed, moving=options.moving, fixed_mask=options.fixed_mask,
        moving_mask=options.moving_mask, fixed_labels=options.fixed_labels,
        moving_labels=options.moving_labels))
    for text in inputs.warnings():
        report("warning", text=text)
    study = label_study.LabelStudy(
        options.name or f"{_stem(options.fixed)} from {_stem(options.moving)}",
        Path(options.out), inputs.fixed, inputs.moving,
        *(labels.only_layer("The label study") for labels in (
            inputs.fixed_labels, inputs.moving_labels)),
        options.backbone, options.backbone_settings, tuple(options.families), options.samples,
        options.seed, _device(options))
    _finish(options, label_study.run(study, Counter(report, study.registrations())), label_study,
            report)
    return COMPLETE


def _calibrate(options, report) -> int:
    from .. import backbones
    from ..jobs import read_result
    from ..jobs.cancel import CancelFlag, Cancelled
    from ..jobs.inputs import read_inputs
    from ..randomness import numpy_generator
    from ..report.html import no_bound
    from ..samplers import create_sampler
    from ..studies.calibration import calibrate, registrations
    from ..studies.result import check_unchanged, job_of, store, with_calibration

    report("started", pid=os.getpid())
    record = read_result(options.folder)
    job = job_of(options.folder, record)
    backbone = backbones.create(job.backbone, job.device, **job.parameters.get("backbone", {}))
    sampler = create_sampler(job.method, backbone, job.perturbation, job.parameters, job.device)
    inputs = read_inputs(job)
    check_unchanged(options.folder, record, inputs.record)
    samples = record["samples"]["finished"]
    flag = CancelFlag(Path(options.folder))
    flag.listen()
    try:
        entry = calibrate(backbone, sampler, inputs.fixed, inputs.moving, samples, options.warps,
                          numpy_generator(job.seed, "calibration"),
                          Counter(report, registrations(samples, options.warps), flag.check))
    except Cancelled:
        return _stopped()
    finally:
        flag.file.unlink(missing_ok=True)
    record = with_calibration(record, entry)
    store(options.folder, record)
    if entry["refused"]:
        report("refused", text=no_bound(entry))
    report("finished", status="complete", result=str(Path(options.folder) / "result.json"))
    if entry["refused"]:
        return REFUSED
    if options.progress != "json":
        print(_calibration_in_words(record["calibration"]))
    return COMPLETE


def _stopped() -> int:
    print("Stopped; the result is as it was.", file=sys.stderr)
    return CANCELLED


def _calibration_in_words(entry: dict) -> str:
    lines = [f"95 % of voxels lie within {entry['factor']:.2f} times the uncertainty, on simulated "
             f"deformations of {entry['amplitude_mm']:.1f} mm; with the factor that the others "
             f"give, {100 * entry['coverage_check']:.0f} % of each do."]
    if entry["landmarks_within"] is not None:
        lines.append(f"{100 * entry['landmarks_within']:.0f} % of the true landmarks lie within "
                     "the bound.")
    return "\n".join([*lines, entry["warning"]])


def _result(options, report) -> int:
    from ..jobs import read_result
    from ..jobs.cancel import CancelFlag, Cancelled
    from ..studies.result import in_words, store, validate

    report("started", pid=os.getpid())
    report("stage", text="Comparing with the truth")
    record = read_result(options.folder)
    flag = CancelFlag(Path(options.folder))
    try:
        record["validation"] = validate(options.folder, record)
        flag.check()
    except Cancelled:
        return _stopped()
    finally:
        flag.file.unlink(missing_ok=True)
    store(options.folder, record)
    report("finished", status="complete", result=str(Path(options.folder) / "result.json"))
    if options.progress != "json":
        print(in_words(record["validation"]))
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


def _stem(path: str) -> str:
    return Path(path).name.split(".")[0]


def _device(options) -> str:
    from ..backbones.registry import backbone_class
    from ..environment import choose_device

    uses_torch = "torch" in backbone_class(options.backbone).facts.packages
    return choose_device(options.device, uses_torch)
