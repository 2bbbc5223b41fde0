"""The maps: which one, over what, how opaque, from which value on."""

from __future__ import annotations

import math

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..controls import blocked, connectAll
from ..wording import translated


class MapSection(VTKObservationMixin):
    """Map chooser, background, legend, opacity, threshold and arrows."""

    def __init__(self, panel) -> None:
        VTKObservationMixin.__init__(self)
        self.panel, self.ui = panel, panel.ui
        self._layersTimer = qt.QTimer(self.ui.mapComboBox)  # once for all views that change
        self._layersTimer.setSingleShot(True)
        self._layers = ()  # what the views showed when that was last looked at
        ui = self.ui
        for title, name in (
            (_("Fixed volume"), "fixed"),
            (_("Moving volume, registered"), "registered"),
            (_("Moving volume, sample chosen below"), "sample"),
        ):
            ui.backgroundComboBox.addItem(title, name)
        connectAll(
            (ui.mapComboBox, "currentIndexChanged(int)", self.showMap),
            (ui.showMapCheckBox, "toggled(bool)", self._onShow),
            (ui.backgroundComboBox, "currentIndexChanged(int)", self.showBackground),
            (ui.flickerButton, "clicked(bool)", self.flicker),
            (ui.legendComboBox, "currentIndexChanged(int)", self._onLegend),
            (self._layersTimer, "timeout()", self._onLayers),
            (ui.opacitySlider, "valueChanged(double)", self._onOpacity),
            (ui.thresholdSlider, "valueChanged(double)", self._onThreshold),
            (ui.logCheckBox, "toggled(bool)", self._onLog),
            (ui.glyphsCheckBox, "toggled(bool)", self._onGlyphs),
        )

    @property
    def name(self) -> str:
        """Name in result.json of the chosen map; empty if there is none."""
        return self.ui.mapComboBox.currentData or ""

    def show(self, result) -> None:
        """Fill the controls from a run and from what the slice views show of it."""
        from UncertainRegLib.scene.arrows import has_arrows
        from UncertainRegLib.scene.display import slice_views

        self.removeObservers()
        if result is None:
            return
        for view in slice_views(slicer.mrmlScene):
            self.addObserver(view, vtk.vtkCommand.ModifiedEvent, self._onView)
        self._layers = layersInViews()
        ui = self.ui
        shown = {
            view.GetForegroundVolumeID(): view.GetForegroundOpacity()
            for view in slice_views(slicer.mrmlScene)
        }
        inViews = [name for name, node in result.maps.items() if node.GetID() in shown]
        chosen = inViews[0] if inViews else self.name
        with blocked(ui.mapComboBox), blocked(ui.showMapCheckBox), blocked(ui.opacitySlider):
            ui.mapComboBox.clear()
            for name, node in result.maps.items():
                ui.mapComboBox.addItem(mapTitle(name, node), name)
            ui.mapComboBox.currentIndex = max(ui.mapComboBox.findData(chosen), 0)
            ui.showMapCheckBox.checked = bool(inViews)
            if inViews:
                ui.opacitySlider.value = shown[result.maps[chosen].GetID()]
        with blocked(ui.backgroundComboBox) as combo:
            combo.currentIndex = combo.findData(self._shownBackground(result))
        self._showLegendViews()
        with blocked(ui.glyphsCheckBox) as box:
            box.checked = has_arrows(result)
        self._onGlyphs(ui.glyphsCheckBox.checked)
        self._updateThreshold()

    def _showLegendViews(self) -> None:
        """The slice views that can have the legend."""
        from UncertainRegLib.scene.display import slice_nodes
        from UncertainRegLib.scene.legend import chosen_view, refresh_legends

        views = slice_nodes(slicer.mrmlScene)
        views = [view for view in views if view.IsMappedInLayout()] or views
        with blocked(self.ui.legendComboBox) as combo:
            combo.clear()
            for view in views:
                combo.addItem(view.GetName(), view.GetLayoutName())
            combo.currentIndex = max(combo.findData(chosen_view(slicer.mrmlScene)), 0)
        refresh_legends(slicer.mrmlScene)  # those of a scene that was loaded

    def _onLegend(self) -> None:
        from UncertainRegLib.scene.legend import put_legend_in

        put_legend_in(slicer.mrmlScene, self.ui.legendComboBox.currentData)

    def _onView(self, caller, event) -> None:
        """Somebody changed a slice view: look at its layers when all views are done."""
        if layersInViews() != self._layers:
            self._layersTimer.start(0)

    def _onLayers(self) -> None:
        """Another volume lies in a slice view: the legend, and what the panel says, follow."""
        self.show(self.panel.result)

    def _shownBackground(self, result) -> str:
        """What lies under the map according to the scene."""
        from UncertainRegLib.scene.display import slice_views
        from UncertainRegLib.scene.parents import run_parent

        if result.moving is None:
            return "fixed"
        parent = run_parent(result.moving)
        if parent is not None and parent in (result.sample_transform, result.sweep_transform):
            return "sample"
        shown = {view.GetBackgroundVolumeID() for view in slice_views(slicer.mrmlScene)}
        return "registered" if result.moving.GetID() in shown else "fixed"

    def chooseMain(self) -> None:
        """Choose the map that the run is first judged by; it is shown if any map is."""
        from UncertainRegLib.results.maps import main_map

        combo, main = self.ui.mapComboBox, main_map(self.panel.result.maps) or ""
        with blocked(combo):
            combo.currentIndex = max(combo.findData(main), 0)
        if self.ui.showMapCheckBox.checked:
            self.showMap()
        else:
            self._updateThreshold()

    def showMap(self) -> None:
        """Show the map in the slice views, or give them back; the layout stays as it is."""
        from UncertainRegLib.scene.display import show_map

        result, ui = self.panel.result, self.ui
        if result is None or self.name not in result.maps:
            return
        self._updateThreshold()
        ui.mapComboBox.toolTip = translated(result.maps[self.name].GetDescription() or "")
        if not ui.showMapCheckBox.checked:
            self.panel.restoreLayers()
            return
        self.panel.rememberViews()
        show_map(result, self.name, ui.opacitySlider.value)
        self._setBackground()

    def _onShow(self, show: bool) -> None:
        if show and self.panel.result is not None:
            self.showMoving()  # "Restore my view" takes it out of the registration
        self.showMap()

    def showBackground(self) -> None:
        """Put the moving nodes, and under the map the volume, that are chosen."""
        if self.panel.result is None:
            return
        self.showMoving()
        self.panel.rememberViews()
        self._setBackground()

    def showMoving(self) -> None:
        """Put the moving nodes where the chosen run has them, as a whole or in a sample."""
        from UncertainRegLib.scene.display import show_moving

        isSample = self.ui.backgroundComboBox.currentData == "sample"
        show_moving(self.panel.result, self.panel.samples.transform if isSample else "transform")

    def flicker(self) -> None:
        """Fixed volume instead of the registered moving one, or the other way round."""
        combo = self.ui.backgroundComboBox
        if self.panel.result is not None:
            combo.currentIndex = combo.findData(
                "registered" if combo.currentData == "fixed" else "fixed"
            )

    def _setBackground(self) -> None:
        from UncertainRegLib.scene.display import slice_views

        result = self.panel.result
        isFixed = self.ui.backgroundComboBox.currentData == "fixed"
        volume = result.fixed if isFixed else result.moving
        if volume is not None:
            for view in slice_views(slicer.mrmlScene):
                view.SetBackgroundVolumeID(volume.GetID())

    def _updateThreshold(self) -> None:
        """Range, unit and value of the slider, and the log box, from the display of the map."""
        from UncertainRegLib.scene.colors import display_of, table_name
        from UncertainRegLib.scene.log_colors import can_be_log, is_log

        result = self.panel.result
        node = result.maps.get(self.name)
        display = display_of(node) if node is not None else None
        if display is None:
            return
        with blocked(self.ui.logCheckBox) as box:
            box.checked = is_log(node)
            box.enabled = can_be_log(node)
        isTwoColoured = table_name(display) == "diverging"  # nothing in it is merely low
        self.ui.thresholdSlider.visible = self.ui.thresholdSliderLabel.visible = not isTwoColoured
        low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
        unit = node.GetAttribute("UncertainReg.Unit") or ""
        with blocked(self.ui.thresholdSlider) as slider:
            slider.suffix = f" {unit}" if unit else ""
            slider.minimum, slider.maximum = min(low, 0.0), high + (high - low)
            magnitude = math.floor(math.log10(max(high - low, 1e-3)))
            slider.decimals, slider.singleStep = max(2, 2 - magnitude), 10.0 ** (magnitude - 1)
            slider.value = display.GetLowerThreshold()

    def _onOpacity(self, value: float) -> None:
        from UncertainRegLib.scene.display import set_opacity

        if self.panel.result is not None and self.ui.showMapCheckBox.checked:
            set_opacity(self.panel.result, value)

    def _onThreshold(self, value: float) -> None:
        from UncertainRegLib.scene.display import set_threshold

        result = self.panel.result
        if result is not None and self.name in result.maps:
            set_threshold(result, self.name, value)

    def _onLog(self, log: bool) -> None:
        from UncertainRegLib.scene.display import color_by_log

        result = self.panel.result
        if result is not None and self.name in result.maps:
            color_by_log(result, self.name, log)
            self._updateThreshold()

    def _onGlyphs(self, show: bool) -> None:
        from UncertainRegLib.scene.arrows import hide_arrows, show_arrows

        result, label = self.panel.result, self.ui.glyphsLabel
        drawn = show and result is not None and result.transform is not None
        label.visible = drawn
        if drawn:
            label.text = _(
                "Arrows lead from the fixed to the moving place, true to scale; the longest "
                "displacement is {mm} mm."
            ).format(mm=f"{show_arrows(result):.1f}")
        elif result is not None:
            hide_arrows(result)


def layersInViews() -> tuple:
    """What lies over what in each slice view."""
    from UncertainRegLib.scene.display import slice_views

    return tuple(
        (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID())
        for view in slice_views(slicer.mrmlScene)
    )


def mapTitle(name: str, node) -> str:
    """Name of a map in the list."""
    from UncertainRegLib.results.maps import kind_of

    structure = node.GetAttribute("UncertainReg.Structure")
    if structure:
        return _("Probability of {structure}").format(structure=structure)
    return translated(kind_of(name, node.GetAttribute("UncertainReg.Unit")).heading)
