"""The samples as a film: one after the other, or the movement they disagree about most."""

from __future__ import annotations

import time
from collections import deque

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..controls import blocked, connectAll
from ..wording import translated

STEPS = 8  # from so many steps the rate of the film is taken
KEPT = 0.8  # of the rate that was asked for; less is told


class SampleSection(VTKObservationMixin):
    """Play, slider, speed, loop; the two modes and the best sample."""

    def __init__(self, panel) -> None:
        VTKObservationMixin.__init__(self)
        self.panel, self.ui = panel, panel.ui
        self._times, self._shown = deque(maxlen=STEPS), None  # of the last steps of the film
        self._film = None  # the slices of the film that is shown
        ui = self.ui
        ui.movementComboBox.addItem(_("The samples one by one"), "sample_transform")
        ui.movementComboBox.addItem(_("Main disagreement, ±2 SD"), "sweep_transform")
        ui.movementComboBox.addItem(_("The registration, 0 to 100 %"), "growth_transform")
        connectAll(
            (ui.movementComboBox, "currentIndexChanged(int)", self._onMovement),
            (ui.playButton, "toggled(bool)", self._onPlay),
            (ui.sampleSlider, "valueChanged(int)", self._onStep),
            (ui.fpsSpinBox, "valueChanged(int)", self._onFps),
            (ui.loopCheckBox, "toggled(bool)", self._onLoop),
            (ui.modeAButton, "clicked(bool)", lambda: self._showMode(0)),
            (ui.modeBButton, "clicked(bool)", lambda: self._showMode(1)),
            (ui.differenceButton, "clicked(bool)", self._showDifference),
            (ui.bestButton, "clicked(bool)", self._showBest),
            (ui.oracleButton, "clicked(bool)", self._showOracle),
        )

    @property
    def transform(self) -> str:
        """What moves the moving nodes: the proxy transform of one of the films."""
        return self.ui.movementComboBox.currentData

    @property
    def browser(self):
        """The sequence browser of the chosen movement, or None."""
        result = self.panel.result
        if result is None:
            return None
        return getattr(result, self.transform.replace("transform", "browser"))

    def keepSlices(self, keep: bool) -> None:
        """Keep what the views draw of the samples, or let go of it; a second look is then quick."""
        if self._film is not None and not (keep and self._film.browser is self.browser):
            self._film.close()
            self._film = None
        if keep and self._film is None and self.browser is not None:
            from UncertainRegLib.scene.film import Film

            self._film = Film(self.browser, sliceViews())

    def removeObservers(self) -> None:
        """Stop listening to the scene and to the views."""
        VTKObservationMixin.removeObservers(self)
        self.keepSlices(False)

    def show(self, result) -> None:
        """Follow the browser of a run."""
        from UncertainRegLib.scene.parents import run_parent

        ui = self.ui
        self.removeObservers()
        if result is None:
            return
        with blocked(ui.movementComboBox) as combo:
            parent = None if result.moving is None else run_parent(result.moving)
            for number in range(combo.count):  # so it was saved
                if parent is not None and parent is getattr(result, combo.itemData(number)):
                    combo.currentIndex = number
            if self.browser is None:
                combo.currentIndex = 0
        if self.browser is not None:
            self.addObserver(self.browser, vtk.vtkCommand.ModifiedEvent, self._update)
        for button, name, mode in zip(
            (ui.modeAButton, ui.modeBButton), "AB", [*result.modes, None, None]
        ):
            button.visible = mode is not None
            if mode is not None:
                button.text = _("{name}: {percent} %").format(
                    name=name, percent=round(100 * mode[0])
                )
        ui.differenceButton.visible = len(result.modes) > 1
        ui.bestButton.visible = result.best_sample is not None
        ui.oracleButton.visible = result.oracle_sample is not None
        self._update()

    def _onMovement(self) -> None:
        from UncertainRegLib.scene.growth import add_growth
        from UncertainRegLib.scene.sweep import add_sweep

        result = self.panel.result
        if result is None:
            return
        for browser in result.browsers():
            browser.SetPlaybackActive(False)
        add = {"sweep_transform": add_sweep, "growth_transform": add_growth}.get(self.transform)
        if add is not None:
            try:
                with slicer.util.WaitCursor():
                    add(result)
            except ValueError as error:
                slicer.util.errorDisplay(translated(str(error)))
        self._showMoving()
        self.show(result)

    def _onPlay(self, playing: bool) -> None:
        self._times.clear()
        if self.browser is not None:
            if playing:
                self._showMoving()
            self.browser.SetPlaybackActive(playing)

    def _onStep(self, index: int) -> None:
        if self.browser is not None:
            self._showMoving()
            self.browser.SetSelectedItemNumber(index)

    def _onFps(self, value: int) -> None:
        self._times.clear()
        if self.browser is not None:
            self.browser.SetPlaybackRateFps(value)

    def _onLoop(self, looped: bool) -> None:
        if self.browser is not None:
            self.browser.SetPlaybackLooped(looped)

    def _showMode(self, number: int) -> None:
        modes = self.panel.result.modes if self.panel.result else []
        self._showSample(modes[number][1] if number < len(modes) else None)

    def _showDifference(self) -> None:
        from UncertainRegLib.scene.sweep import DIFFERENCE, add_difference

        result, combo = self.panel.result, self.ui.mapComboBox
        if result is None or len(result.modes) < 2:
            return
        try:
            add_difference(result, *(sample for _weight, sample in result.modes[:2]))
        except ValueError as error:
            slicer.util.errorDisplay(translated(str(error)))
            return
        self.panel.refresh()
        combo.currentIndex = combo.findData(DIFFERENCE)
        self.ui.showMapCheckBox.checked = True

    def _showBest(self) -> None:
        self._showSample(self.panel.result.best_sample if self.panel.result else None)

    def _showOracle(self) -> None:
        self._showSample(self.panel.result.oracle_sample if self.panel.result else None)

    def _showSample(self, index: int | None) -> None:
        """A sample of the chosen run; nothing happens where it, or what shows it, was deleted."""
        self.ui.movementComboBox.currentIndex = 0
        if index is None or self.browser is None:
            return
        self.browser.SetPlaybackActive(False)
        self._onStep(index)

    def _showMoving(self) -> None:
        """The moving volume under the map, where the chosen sample puts it."""
        combo = self.ui.backgroundComboBox
        if combo.currentData == "sample":
            self.panel.maps.showBackground()
        else:
            combo.currentIndex = combo.findData("sample")

    def _update(self, caller=None, event=None) -> None:
        """Slider, label and buttons follow the sequence browser."""
        browser, ui = self.browser, self.ui
        count = browser.GetNumberOfItems() if browser is not None else 0
        for widget in (
            ui.playButton,
            ui.sampleSlider,
            ui.fpsSpinBox,
            ui.loopCheckBox,
            ui.movementComboBox,
        ):
            widget.enabled = count > 0
        if not count:
            return
        index = browser.GetSelectedItemNumber()
        with (
            blocked(ui.playButton),
            blocked(ui.sampleSlider),
            blocked(ui.fpsSpinBox),
            blocked(ui.loopCheckBox),
        ):
            ui.sampleSlider.maximum = count - 1
            ui.sampleSlider.value = index
            ui.playButton.checked = bool(browser.GetPlaybackActive())
            ui.fpsSpinBox.value = round(browser.GetPlaybackRateFps())
            ui.loopCheckBox.checked = bool(browser.GetPlaybackLooped())
        ui.sampleLabel.text = self._stepText(index, count)
        self._showRate(index)
        ui.playButton.text = _("Pause") if browser.GetPlaybackActive() else _("Play")

    def _showRate(self, index: int) -> None:
        """Say when the film is slower than was asked for."""
        browser, label = self.browser, self.ui.rateLabel
        if not browser.GetPlaybackActive():
            self._times.clear()
        elif index != self._shown:
            self._times.append(time.monotonic())
        self._shown = index
        rate, asked = None, browser.GetPlaybackRateFps()
        if len(self._times) == STEPS:
            rate = (STEPS - 1) / max(self._times[-1] - self._times[0], 1e-6)
        label.visible = rate is not None and rate < KEPT * asked
        if rate is not None:
            label.text = _(
                "This computer manages {rate} of the {asked} steps a second. Smaller views, or one "
                "view alone, are quicker."
            ).format(rate=f"{rate:.1f}", asked=f"{asked:g}")

    def _stepText(self, index: int, count: int) -> str:
        from UncertainRegLib.scene.growth import PERCENT
        from UncertainRegLib.scene.sweep import SD

        item = self.browser.GetMasterSequenceNode().GetNthDataNode(index)
        sd, percent = item.GetAttribute(SD), item.GetAttribute(PERCENT)
        if sd is not None:
            return _("{sd} SD").format(sd=f"{float(sd):+.1f}")
        if percent is not None:
            return _("{percent} %").format(percent=percent)
        return _("{index} of {count}").format(index=index + 1, count=count)


def sliceViews() -> list[tuple]:
    """Logic and renderer of each slice view; there are none without a main window."""
    manager = slicer.app.layoutManager()
    names = manager.sliceViewNames() if manager is not None else ()
    widgets = [manager.sliceWidget(name) for name in names]
    return [
        (widget.sliceLogic(), widget.sliceView().renderWindow().GetRenderers().GetFirstRenderer())
        for widget in widgets
    ]
