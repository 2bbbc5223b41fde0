"""How far a run is, what it says, and why it failed."""

from __future__ import annotations

from slicer.i18n import tr as _

from ..worker.run import duration


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
        ui.cancelButton.enabled = run.state == "running"
        ui.cancelButton.text = _("Cancelling") if run.state == "cancelling" else _("Cancel")
        ui.progressBar.maximum, ui.progressBar.value = run.asked, run.finished
        ui.progressBar.format = _("{finished} of {asked} samples").format(
            finished=run.finished, asked=run.asked) + (
            "" if run.secondsLeft is None else _(", {time} left").format(
                time=duration(run.secondsLeft)))
