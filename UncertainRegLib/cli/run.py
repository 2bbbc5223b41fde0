"""The command ``run``: register one pair and map its uncertainty."""

from __future__ import annotations

import argparse
import importlib.util
import os
from dataclasses import fields
from pathlib import Path

from ..perturbations import FAMILIES, PAPER
from .exit_codes import CANCELLED, COMPLETE
from .options import DEVICES, add_progress, json_object, reporter

PROGRESS = (
    "on stderr a bar, or none (warnings and errors are always said); or, instead of all "
    "text, one JSON object a line on stdout [bar]"
)


def add_command(commands) -> None:
    """Add ``run`` to the command line (argparse sub-parsers)."""
    run = commands.add_parser(
        "run", help="register one pair and map its uncertainty", argument_default=argparse.SUPPRESS
    )  # a job has the defaults
    run.add_argument("--job", default="", help="a JSON job file, instead of the options below")
    for name, text in {
        "fixed": "fixed image",
        "moving": "moving image",
        "out": "new folder for the result",
        "fixed-mask": "where the fixed image may be used",
        "moving-mask": "where the moving image may be used",
        "moving-labels": "segmentation of the moving image",
        "fixed-labels": "true segmentation of the fixed image (only judges)",
        "moving-points": "landmarks: CSV label,x,y,z in LPS mm, .mrk.json or .fcsv",
        "fixed-points": "their true positions in the fixed image (only judge)",
        "label-names": 'JSON file {"10": "Thalamus", …}',
        "scene": "also write a 3D Slicer scene (.mrb; needs slicer-core)",
    }.items():
        run.add_argument(f"--{name}", help=text)
    run.add_argument(
        "--transform",
        nargs="+",
        metavar="FILE",
        help="a registration that is there already: it is judged, and the backbone gives the samples "
        "around it; ITK transforms (.h5 .tfm .mat), those of elastix, displacement fields; several "
        "in the order of antsApplyTransforms",
    )
    run.add_argument(
        "--inverse", nargs="+", metavar="FILE", help="what was made as its inverse: is it one?"
    )
    run.add_argument(
        "--inverse-consistency",
        action="store_true",
        help="also register the other way round (one more registration)",
    )
    run.add_argument(
        "--backbone",
        help="registration method, see `backbones list`; the manifest (.json) of a network of your "
        "own; or the folder of a trained model [demons]",
    )
    run.add_argument("--method", help="sampling method, see `methods list` [equivariance]")
    run.add_argument(
        "--perturbation",
        metavar="FAMILY",
        help=f"perturbation family: {', '.join([*FAMILIES, *PAPER])} [deform]",
    )
    run.add_argument("--samples", type=int, help="number of registrations [16]")
    run.add_argument(
        "--agreement",
        type=float,
        metavar="R",
        help="make fewer samples: end as soon as the map of as many others would rank places alike to "
        "this, such as 0.9 (rank correlation) [0: make all]",
    )
    run.add_argument("--seed", type=int, help="of everything random [1]")
    run.add_argument("--device", choices=DEVICES, help="where to compute [auto]")
    run.add_argument(
        "--parameters",
        type=json_object,
        metavar="JSON",
        help='settings, e.g. {"backbone": {"voxels": 500000}}',
    )
    run.add_argument(
        "--competence",
        action="store_true",
        help="first check that the method follows shifts of 1, 4 and 10 mm",
    )
    run.add_argument(
        "--preflight",
        action="store_true",
        default=False,
        help="only say device, memory and minutes, from one registration",
    )
    add_progress(run, PROGRESS)
    run.add_presets("run")
    run.set_defaults(command=_run, reporter=reporter, usage_error=run.error)


def _run(options, report) -> int:
    from ..jobs import Job, read_job, run
    from ..jobs.events import preflight_in_words
    from ..jobs.inputs import read_label_names
    from ..report.text import in_words
    from ..results.record import Record

    given = {
        field.name: getattr(options, field.name)
        for field in fields(Job)
        if hasattr(options, field.name)
    }
    if options.job and given:
        options.usage_error(
            "--job goes without "
            + ", ".join(f"--{name.replace('_', '-')}" for name in given)
            + ": put them into the file"
        )
    missing = [f"--{name}" for name in ("fixed", "moving", "out") if not given.get(name)]
    if missing and not options.job:
        options.usage_error(f"the following arguments are required: {', '.join(missing)}")
    report("started", pid=os.getpid())
    if "label_names" in given:
        given["label_names"] = read_label_names(given["label_names"])
    job = read_job(options.job) if options.job else Job(**given)
    if job.scene:
        _check_scene(Path(job.scene), Path(job.out))
    record = Record.from_dict(run(job, report, options.preflight))
    if options.preflight:
        if options.progress == "none":  # the others have said it
            print(preflight_in_words(record.preflight))
        return COMPLETE
    if job.scene:
        from ..scene.bundle import write_result_scene

        report("stage", text=f"Writing {job.scene}")
        write_result_scene(job.out, job.scene)
    if options.progress != "json":
        print(in_words(record, job.out))
    return COMPLETE if record.status == "complete" else CANCELLED


def _check_scene(path: Path, out: Path) -> None:
    """Say before the run, not after it, that a scene cannot be written."""
    if path.suffix != ".mrb":
        raise ValueError(f"{path}: a scene file ends in .mrb.")
    if path.parent.resolve() != out.resolve():  # the run makes that folder, or refuses it
        try:
            path.open("xb").close()
        except FileExistsError:
            raise ValueError(f"{path}: is there already; choose a new scene file.") from None
        except OSError as error:
            raise ValueError(f"{path}: cannot be written ({error.strerror}).") from None
        path.unlink()
    if importlib.util.find_spec("slicer") is None:
        raise ValueError("Writing a scene needs the package slicer-core: pip install slicer-core.")
