"""The command ``export``: the registration of a result for other systems."""

from __future__ import annotations

from pathlib import Path

from .exit_codes import COMPLETE


def add_command(commands) -> None:
    """Add ``export`` to the command line (argparse sub-parsers)."""
    export = commands.add_parser(
        "export", help="the registration as DICOM Deformable Spatial Registration"
    )
    export.add_argument("folder", help="result folder")
    export.add_argument("--dicom", required=True, metavar="OUT", help="a new folder for the file")
    for side in ("fixed", "moving"):
        export.add_argument(
            f"--{side}-series",
            default="",
            metavar="DIR",
            help=f"folder with the DICOM series of the {side} image [where the run read it from]",
        )
    export.set_defaults(command=_export)


def _export(options, report) -> int:
    from ..geometry import read_field
    from ..geometry.dicom_registration import write_dicom_registration
    from ..geometry.errors import InputError
    from ..results.reader import ResultFolder

    result = ResultFolder(options.folder)
    transform = result.file(result.record.transform)
    if transform is None:
        raise InputError(f"{options.folder}: holds no registration to export.")
    series = [
        getattr(options, f"{side}_series") or result.record.inputs[side].file
        for side in ("fixed", "moving")
    ]
    print(write_dicom_registration(read_field(transform), *series, Path(options.dicom)))
    return COMPLETE
