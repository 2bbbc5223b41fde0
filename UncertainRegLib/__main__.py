"""Command line: python -m UncertainRegLib run | backbones …

Also runs as a plain script (``python .../UncertainRegLib/__main__.py``), which is how 3D Slicer
starts its worker.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

if __package__ in (None, ""):  # started as a script: the folder above must be found, not this one
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    __package__ = "UncertainRegLib"

FAILED, CANCELLED = 1, 130
MEANT_FOR_PEOPLE = (ValueError, OSError, MemoryError, RuntimeError, FloatingPointError)


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 complete, 1 failed (one sentence on stderr; a traceback too where the environment has
        UNCERTAINREG_TRACEBACK), 2 usage, 3 a calibration was refused, 130 cancelled (partial
        result kept).
    """
    report = None
    with contextlib.suppress(AttributeError):  # a terminal or pipe that lacks "…" is no failure
        sys.stdout.reconfigure(errors="replace")
    try:
        from UncertainRegLib.commands import parser  # takes a while, in which Ctrl-C may come

        options = parser().parse_args(arguments)
        report = options.reporter(options)
        return options.command(options, report)
    except KeyboardInterrupt as error:
        print(str(error) or "Stopped.", file=sys.stderr)
        return CANCELLED
    except Exception as error:
        sentence = " ".join(str(error).split())
        if not sentence or not isinstance(error, MEANT_FOR_PEOPLE):
            sentence = f"{type(error).__name__}: {sentence}"
        if report is not None:
            report("failed", error=sentence)
        if os.environ.get("UNCERTAINREG_TRACEBACK"):
            import traceback

            traceback.print_exc()
        print(f"Error: {sentence}", file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
