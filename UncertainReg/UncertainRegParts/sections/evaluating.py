"""One evaluation of the chosen run at a time: the worker's, and then its result in the scene."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import slicer
from slicer.i18n import tr as _

from ..stepper import Stepper
from ..wording import translated
from ..worker.evaluation import Evaluation


class Evaluating:
    """Starts an evaluation, and brings what it found into the scene in small steps.

    Attributes:
        evaluation: the current or last ``Evaluation``, or None.
    """

    def __init__(self, panel, onChanged: Callable[[], None], mapNames: Sequence[str] = ()) -> None:
        """
        Args:
            panel: refreshed when there is something new.
            mapNames: of the maps that it makes.
            onChanged: called whenever the evaluation made progress, or ended.
        """
        self.panel, self.evaluation, self._onChanged = panel, None, onChanged
        self._mapNames = mapNames
        self._stepper = Stepper(panel.ui.resultComboBox)

    @property
    def isActive(self) -> bool:
        """Is one going on?"""
        return self.evaluation is not None and self.evaluation.isActive

    @property
    def message(self) -> str:
        """What to tell about one that did not end well; else empty."""
        if self.evaluation is None:
            return ""
        return {
            "failed": self.evaluation.error,
            "cancelled": _("Cancelled; nothing was changed."),
        }.get(self.evaluation.state, "")

    def start(self, action: str, *options: str) -> None:
        """Start one, see ``Evaluation``."""
        try:
            self.evaluation = Evaluation(action, self.panel.result, self._onEvaluation, options)
        except RuntimeError as error:
            slicer.util.errorDisplay(str(error))
        self._onChanged()

    def cancel(self) -> None:
        """Ask it to stop."""
        self.evaluation.cancel()

    def kill(self) -> None:
        """Stop at once, and forget it."""
        if self.evaluation is not None:
            self.evaluation.kill()
        self.evaluation = None
        self._stepper.stop()

    def _onEvaluation(self) -> None:
        """The worker made progress, or ended."""
        if self.evaluation.state == "complete":
            self._update(self.evaluation.run)
        self._onChanged()

    def _update(self, run: str) -> None:
        from UncertainRegLib.scene.result import find_results, updating

        for result in find_results(slicer.mrmlScene):
            if result.run == run:
                self.evaluation.state = "loading"
                self._stepper.start(
                    updating(result, result.folder, map_names=self._mapNames), self._onUpdated
                )

    def _onUpdated(self, _result, error: Exception | None) -> None:
        self.evaluation.state = "complete" if error is None else "failed"
        if error is not None:
            logging.error("UncertainReg: the result cannot be read", exc_info=error)
            self.evaluation.error = translated(str(error))
        self.panel.refresh()
