"""The command ``methods list``."""

from __future__ import annotations

from .exit_codes import COMPLETE
from .options import add_json, print_json


def add_command(commands) -> None:
    """Add ``methods`` and its action to the command line (argparse sub-parsers)."""
    top = commands.add_parser("methods", help="ways of sampling: list")
    actions = top.add_subparsers(required=True, metavar="action")
    listing = actions.add_parser("list", help="all ways, and what they need")
    add_json(listing)
    listing.set_defaults(command=_list)


def _list(options, report) -> int:
    from ..samplers import listing

    if options.json:
        print_json(
            [
                {
                    "name": entry.name,
                    "title": entry.title,
                    "available": entry.available,
                    "to_install": entry.to_install,
                }
                for entry in listing()
            ]
        )
        return COMPLETE
    for entry in listing():
        state = "ready"
        if not entry.available:
            state = f"not installed: {entry.to_install}"
        elif entry.trained_by:
            state = f"for models of {entry.trained_by}"
        print(f"{entry.name:20} {entry.title:32} {state}")
    return COMPLETE
