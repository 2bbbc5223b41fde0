"""The command ``report``."""

from __future__ import annotations

from .exit_codes import COMPLETE


def add_command(commands) -> None:
    """Add ``report`` to the command line (argparse sub-parsers)."""
    report = commands.add_parser("report", help="one HTML page about a result folder")
    report.add_argument("folder", help="result folder")
    report.add_argument("--out", help="the HTML file [FOLDER/report.html]")
    report.add_argument("--picture", help="instead: a summary on one page, as a PNG file")
    report.set_defaults(command=_report)


def _report(options, report) -> int:
    from ..report.html import write_report
    from ..report.summary import write_summary_picture

    if options.picture:
        print(write_summary_picture(options.folder, options.picture))
    else:
        print(write_report(options.folder, options.out))
    return COMPLETE
