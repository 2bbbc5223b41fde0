"""The maps: which one, over what, how opaque; its colours are those of `colors`."""

from __future__ import annotations

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..controls import blocked, connectAll
from ..wording import translated


class MapSection(VTKObservationMixin):
    """Map chooser, background, legend, opacity and arrows."""

    def __init__(self, panel) -> None:
        VTKObservationMixin.__init__(self)
        self.panel, self.ui = panel, panel.ui
        self._layersTimer = qt.QTimer(self.ui.mapComboBox)  # once for all views that change
        self._layersTimer.setSingleShot(True)
        self._mixer = None  # of the result whose two images were shown in one last
        self._layers = ()  # what the views showed when that was last looked at
        ui = self.ui
        for title, name in (
            (_("Fixed volume"), "fixed"),
            (_("Moving volume, registered"), "registered"),
            (_("Moving volume, sample chosen below"), "sample"),
            (_("Fixed and registered, checkerboard"), "checkerboard"),
            (_("Fixed and registered, swipe"), "swipe"),
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
            (ui.greyCheckBox, "toggled(bool)", self.showMap),
            (ui.swipeSlider, "valueChanged(double)", self._setBackground),
            (ui.glyphsCheckBox, "toggled(bool)", self._onGlyphs),
        )

    @property
    def name(self) -> str:
        """Name in result.json of the chosen map; empty if there is none."""
        return self.ui.mapComboBox.currentData or ""

    def show(self, result) -> None:
        """Fill the controls from a run and from what the slice views show of it."""
        from UncertainRegLib.scene.arrows import has_arrows
        from UncertainRegLib.scene.slices import map_in, slice_views

        self.removeObservers()
        if result is None:
            self._mixer = None
            return
        for view in slice_views(slicer.mrmlScene):
            self.addObserver(view, vtk.vtkCommand.ModifiedEvent, self._onView)
        self._layers = layersInViews()
        ui = self.ui
        shown = {
            map_in(view): view.GetForegroundOpacity() for view in slice_views(slicer.mrmlScene)
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
        with blocked(ui.greyCheckBox) as box:  # another volume stands for the map
            box.checked = bool(inViews) and not {layer[1] for layer in self._layers} & {
                node.GetID() for node in result.maps.values()
            }
        with blocked(ui.backgroundComboBox) as combo:
            combo.currentIndex = combo.findData(self._shownBackground(result))
        ui.swipeSlider.visible = ui.backgroundComboBox.currentData == "swipe"
        self._showLegendViews()
        with blocked(ui.glyphsCheckBox) as box:
            box.checked = has_arrows(result)
        self._onGlyphs(ui.glyphsCheckBox.checked)
        self.panel.colors.show(self.panel.result)

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
        from UncertainRegLib.scene.mixed import KIND, MIXED
        from UncertainRegLib.scene.nodes import find
        from UncertainRegLib.scene.parents import run_parent

        if result.moving is None:
            return "fixed"
        parent = run_parent(result.moving)
        if parent is not None and parent in result.proxies():
            return "sample"
        shown = {view.GetBackgroundVolumeID() for view in slice_views(slicer.mrmlScene)}
        both = find(result.scene, result.run, MIXED)
        if both is not None and both.GetID() in shown:
            return both.GetAttribute(KIND)
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
            self.panel.colors.show(self.panel.result)

    def showMap(self) -> None:
        """Show the map in the slice views, or give them back; the layout stays as it is."""
        from UncertainRegLib.scene.display import show_map
        from UncertainRegLib.scene.suppressed import can_be_grey

        result, ui = self.panel.result, self.ui
        if result is None or self.name not in result.maps:
            return
        self.panel.colors.show(self.panel.result)
        ui.mapComboBox.toolTip = translated(result.maps[self.name].GetDescription() or "")
        if not ui.showMapCheckBox.checked:
            self.panel.restoreLayers()
            return
        self.panel.rememberViews()
        grey = ui.greyCheckBox.checked and can_be_grey(result, self.name)
        show_map(result, self.name, ui.opacitySlider.value, grey)
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
        self.panel.samples.keepSlices(isSample)

    def flicker(self) -> None:
        """Fixed volume instead of the registered moving one, or the other way round."""
        combo = self.ui.backgroundComboBox
        if self.panel.result is not None:
            combo.currentIndex = combo.findData(
                "registered" if combo.currentData == "fixed" else "fixed"
            )

    def _setBackground(self) -> None:
        from UncertainRegLib.scene.display import slice_views
        from UncertainRegLib.scene.mixed import Mixer

        result, chosen = self.panel.result, self.ui.backgroundComboBox.currentData
        self.ui.swipeSlider.visible = chosen == "swipe"
        if chosen in ("checkerboard", "swipe"):
            try:
                if self._mixer is None or not self._mixer.is_of(result):
                    with slicer.util.WaitCursor():
                        self._mixer = Mixer(result)
                volume = self._mixer.fill(result, chosen, self.ui.swipeSlider.value / 100)
            except ValueError as error:
                slicer.util.errorDisplay(translated(str(error)))
                return
        else:
            volume = result.fixed if chosen == "fixed" else result.moving
        if volume is not None:
            for view in slice_views(slicer.mrmlScene):
                view.SetBackgroundVolumeID(volume.GetID())

    def _onOpacity(self, value: float) -> None:
        from UncertainRegLib.scene.display import set_opacity

        if self.panel.result is not None and self.ui.showMapCheckBox.checked:
            set_opacity(self.panel.result, value)

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
