"""What the chosen method still needs on this computer, and the command that installs it."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from ..controls import connectAll
from ..wording import translated
from ..worker.process import pythonProgram, workerScript

AGAIN_MS = 2000  # while something is missing: is it there by now?


class InstallSection:
    """The line below Apply; it goes by itself once everything is installed.

    Attributes:
        onCheck: called now and then while something is missing; whoever hears it looks again.
    """

    def __init__(self, ui) -> None:
        self.ui, self.onCheck = ui, lambda: None
        self._entry = self._command = None
        self._timer = qt.QTimer(ui.installButton)
        self._timer.setInterval(AGAIN_MS)
        ui.installWidget.visible = False
        connectAll(
            (ui.installButton, "clicked(bool)", self._onCopy),
            (self._timer, "timeout()", lambda: self.onCheck()),
        )

    def show(self, entry) -> None:
        """Say how to install what a method (its line in the library's list) needs; None: all is
        there."""
        if entry == self._entry:
            return
        ui, self._entry = self.ui, entry
        ui.installWidget.visible = entry is not None
        if entry is None:
            self._timer.stop()
            return
        self._command = command(entry)
        ui.installLabel.text = f"{translated(entry.title)}: {translated(entry.to_install)}"
        ui.installButton.visible = self._command != ""
        ui.installButton.toolTip = self._command
        self._timer.start()

    def _onCopy(self) -> None:
        qt.QApplication.clipboard().setText(self._command)
        place = (
            _("the Python console of Slicer")
            if self._command.startswith("slicer.")
            else _("a terminal")
        )
        self.ui.installLabel.text = _("Copied. Paste it into {place}: {command}").format(
            place=place, command=self._command
        )


def command(entry) -> str:
    """What to paste to get the packages of a method, or else its weights; empty where pip and the
    command line cannot help."""
    from UncertainRegLib.plugins import not_installed

    packages = not_installed(entry.packages)
    if packages:
        return f'slicer.util.pip_install("{" ".join(packages)}")'
    if entry.lacks_weights:
        return f'"{pythonProgram()}" "{workerScript()}" backbones install {entry.name}'
    return ""
