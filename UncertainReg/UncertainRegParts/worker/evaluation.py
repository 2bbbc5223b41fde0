"""One evaluation: the worker extends the result folder of a run."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from slicer.i18n import tr as _

from .task import Task

ENGINES = "engines"  # folder in that of a result: all registration methods on its pair


def namesIn(folder: str) -> dict[str, str]:
    """The paths that a sentence on a result may name -> what people call the files."""
    from UncertainRegLib.results.reader import ResultError, read_record

    names = {f"{folder}{os.sep}": "", folder: Path(folder).name}
    try:
        inputs = read_record(folder).inputs.values()
    except ResultError:
        return names  # the worker says why
    return names | {one.file: f"“{one.title}”" for one in inputs}


def recommendationOf(folder: str) -> dict | None:
    """What was found about the registration methods on the pair of a result, see
    ``studies.engines.recommendation``; None if nothing, or nothing that can be read."""
    try:
        text = (Path(folder) / ENGINES / "recommendation.json").read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError):
        return None


class Evaluation(Task):
    """The comparison of a run with a truth ("result"), its calibration ("calibrate"), its verdict
    ("acceptance"), a dose seen through its samples ("dose"), or all registration methods on its
    pair ("engines").

    Cancelled, it leaves the result as it was; what the methods have done is kept.

    Attributes:
        run: identifier of the run whose folder it is.
    """

    def __init__(
        self, action: str, result, onChanged: Callable[[], None], options: Sequence[str] = ()
    ) -> None:
        """
        Args:
            action, options: as on the command line.
            result: the nodes of the run (``ResultNodes``) with its folder.
            onChanged: called when an attribute changed.

        Raises:
            RuntimeError: the worker cannot be started.
        """
        super().__init__(onChanged)
        self.run = result.run
        self.names = namesIn(result.folder)
        folder = Path(result.folder)
        if action == "engines":
            out = folder / ENGINES
            arguments = ["--result", result.folder, "--out", str(out)]
        else:
            out, arguments = folder, [result.folder, *options]
        self._startWorker(["evaluate", action, *arguments], out)

    def _onEnd(self, exitCode: int) -> None:
        from UncertainRegLib.cli.exit_codes import COMPLETE, REFUSED

        if exitCode in (COMPLETE, REFUSED):  # a refusal is an answer, too
            self.state = "complete"
        elif self.state == "cancelling":
            self.state = "cancelled"
        else:
            logging.error("UncertainReg: %s", self.worker.log)
            self.error = self.error or _(
                "The computation ended unexpectedly (exit code {code})."
            ).format(code=exitCode)
            self._fail()
            return
        self._onChanged()
