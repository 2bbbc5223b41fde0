"""How far a run is, what it says, and why it failed."""

from __future__ import annotations

from slicer.i18n import tr as _

from ..worker.task import duration


class ProgressSection:
    """Status, warnings, bar and details below Apply."""

    def __init__(self, ui) -> None:
        self.ui = ui

    def show(self, run, error: str) -> None:
        """Follow a run; without one there is at most the reason why it did not start."""
        ui = self.ui
        ui.runningWidget.visible = run is not None and run.isActive
        failed = run is not None and run.state == "failed"
        ui.statusLabel.text = run.message if run else error
        ui.warningsLabel.text = "\n".join(f"• {w}" for w in run.warnings) if run else ""
        for label in (ui.statusLabel, ui.warningsLabel):
            label.visible = label.text != ""
        ui.detailsCollapsibleButton.visible = failed
        if run is None:
            return
        ui.detailsText.plainText = run.worker.log if failed else ""
        showProgress(run, ui.progressBar, ui.cancelButton, _("{finished} of {asked} samples"))


def showProgress(task, bar, cancelButton, text: str) -> None:
    """Bar and button of a task (``worker.task.Task``); text: with "finished" and "asked"."""
    cancelButton.enabled = task.state == "running"
    cancelButton.text = _("Cancelling") if task.state == "cancelling" else _("Cancel")
    bar.maximum, bar.value = task.asked, task.finished
    bar.format = text.format(finished=task.finished, asked=task.asked)
    if task.agreement is not None:
        bar.format += _(", map agrees to {agreement}").format(agreement=f"{task.agreement:.2f}")
    if task.secondsLeft is not None:
        bar.format += _(", {time} left").format(time=duration(task.secondsLeft))
