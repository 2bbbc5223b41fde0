"""Inputs and method: folded into one line once there is a result, open again with a click."""

from __future__ import annotations

from slicer.i18n import tr as _

LONGEST_NAME = 24  # characters of a volume's name in the line; the rest is in its tooltip


class SetupSection:
    """The line that stands for the two sections while they are folded."""

    def __init__(self, ui) -> None:
        self.ui = ui
        self._sections = (ui.inputsCollapsibleButton, ui.methodCollapsibleButton)
        ui.setupButton.connect("clicked(bool)", lambda: self.fold(False))
        self.fold(False)

    def fold(self, folded: bool) -> None:
        """Show the line, or what it stands for."""
        self.ui.setupButton.visible = folded
        for section in self._sections:
            section.visible = not folded

    def show(self, parameters) -> None:
        """Say in the line what is chosen; nothing is folded where something is still missing."""
        volumes = (parameters.movingVolume, parameters.fixedVolume)
        if None in volumes:
            self.fold(False)
            return
        self.ui.setupButton.text = _("{moving} → {fixed}, {registration}, {n} samples").format(
            moving=_short(volumes[0].GetName()),
            fixed=_short(volumes[1].GetName()),
            registration=self.ui.backboneComboBox.currentText.partition(" (")[0],
            n=parameters.samples,
        )


def _short(name: str) -> str:
    """Beginning and end of a name that is too long for the line."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[1 - half :]}"
