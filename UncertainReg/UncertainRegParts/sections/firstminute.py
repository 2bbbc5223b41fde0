"""The first minute: an example made here, registered on one click, and a walk through its result.

Shown until somebody closes it, or has a result of their own; then never again on this computer.
"""

from __future__ import annotations

from collections.abc import Callable

import slicer
from slicer.i18n import tr as _

from ..controls import connectAll

SEEN = "UncertainReg/FirstMinuteSeen"  # in the settings of the user
SAMPLES = 8  # enough to see something, and done within the minute


class FirstMinute:
    """A text with one button to go on and one to close.

    Attributes:
        onStart: called with the nodes of the example by name (``add_sample_pair``); starts the run.
        isRunning: the example was started here and is not closed.
    """

    def __init__(self, ui, panel) -> None:
        self.ui, self.panel, self.onStart = ui, panel, lambda nodes: None
        self.isRunning, self._page = False, 0
        connectAll(
            (ui.firstMinuteButton, "clicked(bool)", self._onButton),
            (ui.firstMinuteCloseButton, "clicked(bool)", self.close),
        )
        ui.firstMinuteWidget.visible = slicer.app.userSettings().value(SEEN) is None
        self._write(
            _(
                "<b>New here?</b> One click makes two small example images on this computer, "
                "registers them, and shows what there is to see. It takes about a minute."
            ),
            _("Show me"),
        )

    def close(self) -> None:
        """Hide it for good."""
        self.isRunning = False
        self.ui.firstMinuteWidget.visible = False
        slicer.app.userSettings().setValue(SEEN, "yes")

    def showRun(self, run) -> None:
        """Follow the run of the example: the walk begins when it is over."""
        if not self.isRunning or self._page:
            return
        self.ui.firstMinuteButton.enabled = run is None or not run.isActive
        if run is None or run.state in ("failed", "cancelled"):
            self.isRunning = False
            self._write(
                _("The example was not finished; what went wrong stands below."), _("Again")
            )
        elif run.isActive:
            self._write(
                _(
                    "The moving image is registered {n} times, each time slightly disturbed. From "
                    "the second time on the views show where the answers differ."
                ).format(n=SAMPLES),
                _("Show me"),
            )
        else:
            self._go()

    def _onButton(self) -> None:
        if self.isRunning:
            self._go()
            return
        from UncertainRegLib.scene.sample_pair import add_sample_pair

        self.isRunning, self._page = True, 0
        with slicer.util.WaitCursor():
            nodes = add_sample_pair(slicer.mrmlScene)
        self.onStart(nodes)

    def _go(self) -> None:
        """The next page; behind the last one, or without the result, it is over."""
        pages = self._pages()
        if self._page == len(pages) or self.panel.result is None:
            self.close()
            return
        text, show = pages[self._page]
        self._page += 1
        isLast = self._page == len(pages)
        self._write(f"<b>{self._page}/{len(pages)}</b> {text}", _("Done") if isLast else _("Next"))
        show()

    def _write(self, text: str, button: str) -> None:
        self.ui.firstMinuteLabel.text, self.ui.firstMinuteButton.text = text, button

    def _pages(self) -> list[tuple[str, Callable[[], None]]]:
        """What is said, and what is shown with it."""
        return [
            (
                _(
                    "<b>The map</b> lies over the fixed image: the brighter, the further off the "
                    "registration is expected to be, in millimetres. Move the mouse over a slice to "
                    "read them."
                ),
                self._showMap,
            ),
            (
                _(
                    "<b>The worst place.</b> In the uniform grey of a cyst nothing holds the "
                    "registration: here it may be anywhere."
                ),
                self._showWorst,
            ),
            (
                _(
                    "<b>The samples</b> one after the other: the moving image jumps where the "
                    "registrations disagree and stands still where they agree."
                ),
                self._play,
            ),
            (
                _(
                    "<b>The table</b> says it for each structure; a click on a row leads to its "
                    "worst place. Now choose images of your own: close this, then the scene."
                ),
                self._showTable,
            ),
        ]

    def _showMap(self) -> None:
        self.ui.showMapCheckBox.checked = True

    def _showWorst(self) -> None:
        from UncertainRegLib.scene.worst import worst_point

        self.panel.jump(worst_point(self.panel.result))

    def _play(self) -> None:
        self.ui.samplesCollapsibleButton.collapsed = False
        self.ui.playButton.checked = True

    def _showTable(self) -> None:
        ui = self.ui
        ui.playButton.checked = False
        ui.structuresCollapsibleButton.collapsed = False
        if ui.structuresTable.rowCount:
            self.panel.tables.chooseStructure(0)
