"""The read-out: what the samples say at the mouse, or at the crosshair."""

from __future__ import annotations

import math
import re

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..controls import blocked, connectAll
from ..wording import translated
from .maps import mapTitle

AXES_MS = 150  # after the last movement of a slice its ellipsoids are drawn again


class ProbeSection(VTKObservationMixin):
    """Text, ellipsoids and pins; they follow mouse and slices while the module is entered."""

    def __init__(self, panel) -> None:
        VTKObservationMixin.__init__(self)
        self.panel, self.ui = panel, panel.ui
        self._mouse = None  # where it was last in a slice view, RAS mm
        self._probe = None  # made at the first reading of a run
        self._places, self._place = None, 0  # found at the first click; which one comes next
        self.isActive = False
        self._axesTimer = qt.QTimer(self.ui.axesCheckBox)
        self._axesTimer.setSingleShot(True)
        self._axesTimer.setInterval(AXES_MS)
        connectAll(
            (self.ui.ellipsoidCheckBox, "toggled(bool)", self._onEllipsoid),
            (self.ui.axesCheckBox, "toggled(bool)", self._onAxes),
            (self._axesTimer, "timeout()", self._drawAxes),
            (self.ui.pinButton, "clicked(bool)", self.pin),
            (self.ui.worstButton, "clicked(bool)", self._onWorst),
        )

    def setActive(self, active: bool) -> None:
        """The module is entered or left."""
        self.isActive = active
        self.show(self.panel.result)

    def show(self, result) -> None:
        """Read from this run from now on."""
        from UncertainRegLib.results.maps import main_map
        from UncertainRegLib.scene.axes import has_axes
        from UncertainRegLib.scene.display import crosshair_of, slice_nodes
        from UncertainRegLib.scene.nodes import find

        self._probe, self._places, self._place = None, None, 0
        self.ui.worstButton.text = _("Next worst place")
        self.ui.worstButton.enabled = result is not None and main_map(result.maps) is not None
        self._axesTimer.stop()
        self.removeObservers()
        crosshair = crosshair_of(slicer.mrmlScene)
        if result is None or crosshair is None or not self.isActive:
            return
        with blocked(self.ui.ellipsoidCheckBox) as box:
            box.checked = find(result.scene, result.run, "probe_ellipsoid") is not None
        with blocked(self.ui.axesCheckBox) as box:
            box.checked = has_axes(result)
        for view in slice_nodes(slicer.mrmlScene):
            self.addObserver(view, vtk.vtkCommand.ModifiedEvent, self._onSlice)
        for event in (crosshair.CursorPositionModifiedEvent, vtk.vtkCommand.ModifiedEvent):
            self.addObserver(crosshair, event, self._update)
        self._update()

    def moveTo(self, point) -> None:
        """Mark a point (RAS mm) by the crosshair."""
        from UncertainRegLib.scene.display import mark

        mark(slicer.mrmlScene, point)

    def read(self):
        """The ``Reading`` at the mouse if it is in a view, else at the crosshair; or None.

        Without a crosshair it stays where the mouse was last, which is what the button pins.
        """
        from UncertainRegLib.scene.display import crosshair_of
        from UncertainRegLib.scene.probe import Probe

        result, crosshair = self.panel.result, crosshair_of(slicer.mrmlScene)
        if result is None or crosshair is None:
            return None
        if self._probe is None:
            self._probe = Probe(result)
        point = [0.0, 0.0, 0.0]
        if crosshair.GetCursorPositionRAS(point):
            self._mouse = point
        elif self._mouse is None or crosshair.GetCrosshairMode() != crosshair.NoCrosshair:
            point = crosshair.GetCrosshairRAS()
        else:
            point = self._mouse
        return self._probe.read(point)

    def _onWorst(self) -> None:
        """Go to the worst place, then to the next one; after the last to the first again."""
        from UncertainRegLib.scene.worst import worst_places

        if self.panel.result is None:
            return
        if self._places is None:
            self._places = worst_places(self.panel.result)
        if not self._places:
            return
        count, number = len(self._places), self._place % len(self._places)
        self._place = number + 1
        self.ui.worstButton.text = _("Next worst place (this is {number} of {count})").format(
            number=number + 1, count=count
        )
        self.panel.jump(self._places[number])

    def pin(self) -> None:
        """Leave a point with the text of the present reading."""
        from UncertainRegLib.scene.probe import pin

        reading = self.read()
        if reading is not None and reading.is_known:
            text = re.sub("<[^>]*>", "", f"{headline(reading)} · {self._text(reading)}")
            pin(self.panel.result, reading, text)

    def _onEllipsoid(self, show: bool) -> None:
        from UncertainRegLib.scene.probe import hide_ellipsoid

        if show:
            self._update()
        elif self.panel.result is not None:
            hide_ellipsoid(self.panel.result)

    def _onAxes(self, show: bool) -> None:
        from UncertainRegLib.scene.axes import hide_axes

        if show:
            self._drawAxes()
        elif self.panel.result is not None:
            hide_axes(self.panel.result)

    def _onSlice(self, caller, event) -> None:
        """A slice moved: wait until it stands still."""
        if self.ui.axesCheckBox.checked:
            self._axesTimer.start()

    def _drawAxes(self) -> None:
        from UncertainRegLib.scene.axes import show_axes

        if self.panel.result is None:
            return
        try:
            show_axes(self.panel.result)
        except ValueError as error:
            self.ui.axesCheckBox.checked = False
            slicer.util.errorDisplay(translated(str(error)))

    def _update(self, caller=None, event=None) -> None:
        from UncertainRegLib.scene.display import crosshair_of
        from UncertainRegLib.scene.probe import show_ellipsoid

        reading = self.read()
        if reading is None:
            return
        self.ui.pinButton.enabled = reading.is_known
        if reading.is_known:
            self.ui.readingLabel.text = f"<b>{headline(reading)}</b><br>{self._text(reading)}"
        elif "uncertainty_mm" not in self.panel.result.maps and self._text(reading):
            self.ui.readingLabel.text = self._text(reading)  # maps of a network, no samples
        elif not crosshair_of(slicer.mrmlScene).GetCursorPositionRAS([0.0, 0.0, 0.0]):
            self.ui.readingLabel.text = _("Move the mouse over a slice to read millimetres.")
        else:
            self.ui.readingLabel.text = _(
                "Nothing is known here: outside the body, the moving volume or what was registered."
            )
        if self.ui.ellipsoidCheckBox.checked:
            show_ellipsoid(self.panel.result, reading)

    def _text(self, reading) -> str:
        """All but the headline, in one line."""
        from UncertainRegLib.results.columns import half_axes
        from UncertainRegLib.results.expectation import refusal
        from UncertainRegLib.results.maps import EXPECTED, kind_of
        from UncertainRegLib.scene.sweep import DIFFERENCE, DIRECTION

        parts, result = [], self.panel.result
        if reading.is_known and refusal(result.expected_error, result.calibration):
            parts.append(_("no bound can be stated (see Validate)"))
        if reading.is_known and math.isfinite(reading.values.get(EXPECTED, math.nan)):
            parts.append(disagreement(reading))  # else it is the headline
        axes = half_axes(reading.axes_mm.tolist())
        if axes:
            parts.append(_("ellipsoid of the samples {axes} mm").format(axes=axes))
        parts += [
            f"{name or _('no structure')} {100 * p:.0f}\N{NO-BREAK SPACE}%"
            for name, p in reading.labels[:3]
        ]
        jacobian = reading.values.get("jacobian", math.nan)
        if math.isfinite(jacobian):
            parts.append(_("local volume {percent} %").format(percent=f"{jacobian:+.0f}"))
        name = self.panel.maps.name
        value = reading.values.get(name, math.nan)
        if name == DIFFERENCE and math.isfinite(value):
            parts.append(apart(value, result.maps[name].GetAttribute(DIRECTION)))
        elif not kind_of(name).is_said and math.isfinite(value):
            title = mapTitle(name, result.maps[name])
            parts.append(f"{title}: {value:.2f}")
        return " · ".join(parts)


def headline(reading) -> str:
    """The expected error and its 95 % bound, as far as they are known; else what the samples say."""
    from UncertainRegLib.results.maps import EXPECTED

    expected = reading.values.get(EXPECTED, math.nan)
    text = (
        _("expected error {value} mm").format(value=f"{expected:.1f}")
        if math.isfinite(expected)
        else disagreement(reading)
    )
    if not math.isfinite(reading.bound_mm):
        return text
    return f"{text} · " + _("95 % bound {bound} mm").format(bound=f"{reading.bound_mm:.1f}")


def apart(value: float, direction: str) -> str:
    """How far the modes A and B lie apart, in mm, and where A is; see ``scene.sweep``."""
    from UncertainRegLib.scene.sweep import DIRECTIONS

    return _("A and B lie {distance} mm apart, A {where}").format(
        distance=f"{abs(value):.1f}", where=translated(DIRECTIONS[direction][value < 0])
    )


def disagreement(reading) -> str:
    """How far the samples differ, and along which direction most."""
    from UncertainRegLib.results.maps import DISAGREEMENT

    text = _("samples differ by {value} mm").format(value=f"{reading.values[DISAGREEMENT]:.1f}")
    words = {"RL": _("right–left"), "AP": _("anterior–posterior"), "SI": _("superior–inferior")}
    if not reading.main:
        return text
    return _("{value}, mostly {direction}").format(
        value=text, direction=" / ".join(words[axis] for axis in reading.main)
    )
