"""The results half of the module's panel: it shows, and changes, what is in the scene."""

from __future__ import annotations

import contextlib
import math

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

# What lies under the map -> transform of the moving nodes meanwhile (scene.display.show_moving).
BACKGROUNDS = {"fixed": "transform", "registered": "transform", "sample": "sample_transform"}
HIDDEN_COLUMNS = ("label", "voxels", "worst_voxel_lps_", "mean_lps_")


class ResultsPanel(VTKObservationMixin):
    """Binds the widgets of the section "Results" to the runs found in the scene.

    Nothing is kept here: opacity and threshold live in the display nodes, the sample in the
    sequence browser, the numbers in table nodes. So a saved scene comes back with all of it.
    """

    def __init__(self, ui) -> None:
        VTKObservationMixin.__init__(self)
        self.ui, self.results, self._before = ui, [], {}
        for table in (ui.structuresTable, ui.landmarksTable):
            table.verticalHeader().visible = False
            table.verticalHeader().setDefaultSectionSize(24)
            table.horizontalHeader().setSortIndicator(-1, qt.Qt.AscendingOrder)  # as it comes
        backgrounds = ((_("Fixed volume"), "fixed"), (_("Moving volume, registered"), "registered"),
                       (_("Moving volume, sample chosen below"), "sample"))
        for title, name in backgrounds:
            ui.backgroundComboBox.addItem(title, name)
        for widget, signal, slot in (
            (ui.resultComboBox, "currentIndexChanged(int)", self._onResult),
            (ui.mapComboBox, "currentIndexChanged(int)", self._showMap),
            (ui.showMapCheckBox, "toggled(bool)", self._showMap),
            (ui.backgroundComboBox, "currentIndexChanged(int)", self._onBackground),
            (ui.opacitySlider, "valueChanged(double)", self._onOpacity),
            (ui.thresholdSlider, "valueChanged(double)", self._onThreshold),
            (ui.playButton, "toggled(bool)", self._onPlay),
            (ui.sampleSlider, "valueChanged(int)", self._onSample),
            (ui.fpsSpinBox, "valueChanged(int)", self._onFps),
            (ui.structuresTable, "cellClicked(int,int)", self._onStructure),
            (ui.landmarksTable, "cellClicked(int,int)", self._onLandmark),
        ):
            widget.connect(signal, slot)

    @property
    def result(self):
        """The chosen run (``ResultNodes``), or None."""
        index = self.ui.resultComboBox.currentIndex
        return self.results[index] if 0 <= index < len(self.results) else None

    @property
    def mapName(self) -> str:
        """Name in result.json of the chosen map; empty if there is none."""
        return self.ui.mapComboBox.currentData or ""

    def refresh(self, run: str | None = None, showMap: bool = False) -> None:
        """Read the scene again; choose ``run`` (an identifier) and show its map if asked."""
        from UncertainRegLib.scene.result import find_results

        run = run or (self.result.run if self.result else None)
        self.results = find_results(slicer.mrmlScene)
        runs = [result.run for result in self.results]
        with blocked(self.ui.resultComboBox) as combo:
            combo.clear()
            for number, result in enumerate(self.results, 1):
                combo.addItem(f"{number}. {resultTitle(result)}")
            combo.currentIndex = runs.index(run) if run in runs else len(runs) - 1
        self._showResult()
        if showMap:
            self.ui.showMapCheckBox.checked = True
            self._showMap()

    def clear(self) -> None:
        """Let go of all nodes (the scene is about to be closed)."""
        self.removeObservers()
        self.results, self._before = [], {}
        with blocked(self.ui.resultComboBox), blocked(self.ui.showMapCheckBox):
            self.ui.resultComboBox.clear()
            self.ui.showMapCheckBox.checked = False
        self._showResult()

    def _onResult(self) -> None:
        self._showResult()
        self._showMap()

    def _showResult(self) -> None:
        """Fill everything from the chosen run and from what the slice views show of it."""
        result, ui = self.result, self.ui
        ui.resultsCollapsibleButton.visible = result is not None
        self.removeObservers()
        if result is None:
            return
        ui.resultComboBox.visible = ui.resultComboBoxLabel.visible = len(self.results) > 1
        shown = {view.GetForegroundVolumeID(): view.GetForegroundOpacity() for view in sliceViews()}
        inViews = [name for name, node in result.maps.items() if node.GetID() in shown]
        chosen = inViews[0] if inViews else self.mapName
        with blocked(ui.mapComboBox), blocked(ui.showMapCheckBox), blocked(ui.opacitySlider):
            ui.mapComboBox.clear()
            for name in result.maps:
                ui.mapComboBox.addItem(mapTitle(name), name)
            ui.mapComboBox.currentIndex = max(ui.mapComboBox.findData(chosen), 0)
            ui.showMapCheckBox.checked = bool(inViews)
            if inViews:
                ui.opacitySlider.value = shown[result.maps[chosen].GetID()]
        self._updateThreshold()
        if result.sample_browser is not None:
            self.addObserver(
                result.sample_browser, vtk.vtkCommand.ModifiedEvent, self._updateSamples)
        self._updateSamples()
        for table, label, node in (
            (ui.structuresTable, ui.structuresLabel, result.label_table),
            (ui.landmarksTable, ui.landmarksLabel, result.landmark_table),
        ):
            table.visible = label.visible = node is not None
            if node is not None:
                fillTable(table, node)

    def _showMap(self) -> None:
        """Show the map in the slice views, or give them back; the layout stays as it is."""
        from UncertainRegLib.scene.display import show_map

        result, ui = self.result, self.ui
        if result is None or self.mapName not in result.maps:
            return
        self._updateThreshold()
        if not ui.showMapCheckBox.checked:
            self._restoreViews()
            return
        if not self._before:
            self._before = {
                view.GetID(): (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID(),
                               view.GetForegroundOpacity()) for view in sliceViews()}
        show_map(result, self.mapName, ui.opacitySlider.value)
        if ui.backgroundComboBox.currentData != "fixed" and result.moving is not None:
            for view in sliceViews():
                view.SetBackgroundVolumeID(result.moving.GetID())

    def _onBackground(self) -> None:
        from UncertainRegLib.scene.display import show_moving

        if self.result is not None:
            show_moving(self.result, BACKGROUNDS[self.ui.backgroundComboBox.currentData])
            self._showMap()

    def _restoreViews(self) -> None:
        """Give the slice views back the volumes they had before the map was shown."""
        for identifier, (background, foreground, opacity) in self._before.items():
            composite = slicer.mrmlScene.GetNodeByID(identifier)
            if composite is not None:
                composite.SetBackgroundVolumeID(background)
                composite.SetForegroundVolumeID(foreground)
                composite.SetForegroundOpacity(opacity)
        self._before = {}

    def _updateThreshold(self) -> None:
        """Range, unit and value of the slider from the display of the chosen map."""
        if self.mapName not in self.result.maps:
            return
        display = self.result.maps[self.mapName].GetDisplayNode()
        low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
        with blocked(self.ui.thresholdSlider) as slider:
            slider.suffix = " mm" if self.mapName.endswith("_mm") else ""
            slider.minimum, slider.maximum = min(low, 0.0), high + (high - low)
            magnitude = math.floor(math.log10(max(high - low, 1e-3)))
            slider.decimals, slider.singleStep = max(2, 2 - magnitude), 10.0 ** (magnitude - 1)
            slider.value = display.GetLowerThreshold()

    def _onOpacity(self, value: float) -> None:
        from UncertainRegLib.scene.display import set_opacity

        if self.result is not None and self.ui.showMapCheckBox.checked:
            set_opacity(self.result, value)

    def _onThreshold(self, value: float) -> None:
        from UncertainRegLib.scene.display import set_threshold

        if self.result is not None and self.mapName in self.result.maps:
            set_threshold(self.result, self.mapName, value)

    def _onPlay(self, playing: bool) -> None:
        if self.result is None or self.result.sample_browser is None:
            return
        if playing:
            self._showSamples()
        self.result.sample_browser.SetPlaybackActive(playing)

    def _onSample(self, index: int) -> None:
        if self.result is not None and self.result.sample_browser is not None:
            self._showSamples()
            self.result.sample_browser.SetSelectedItemNumber(index)

    def _onFps(self, value: int) -> None:
        if self.result is not None and self.result.sample_browser is not None:
            self.result.sample_browser.SetPlaybackRateFps(value)

    def _showSamples(self) -> None:
        combo = self.ui.backgroundComboBox
        combo.currentIndex = combo.findData("sample")

    def _updateSamples(self, caller=None, event=None) -> None:
        """Slider, label and button follow the sequence browser."""
        browser, ui = self.result.sample_browser, self.ui
        count = browser.GetNumberOfItems() if browser is not None else 0
        for widget in (ui.playButton, ui.sampleSlider, ui.fpsSpinBox):
            widget.enabled = count > 0
        if not count:
            return
        index = browser.GetSelectedItemNumber()
        with blocked(ui.playButton), blocked(ui.sampleSlider), blocked(ui.fpsSpinBox):
            ui.sampleSlider.maximum = count - 1
            ui.sampleSlider.value = index
            ui.playButton.checked = bool(browser.GetPlaybackActive())
            ui.fpsSpinBox.value = round(browser.GetPlaybackRateFps())
        ui.sampleLabel.text = _("{index} of {count}").format(index=index + 1, count=count)
        ui.playButton.text = _("Pause") if browser.GetPlaybackActive() else _("Play")

    def _onStructure(self, row: int, column: int) -> None:
        self._jump(self.ui.structuresTable, row, self.result.label_table, "worst_voxel_lps")

    def _onLandmark(self, row: int, column: int) -> None:
        self._jump(self.ui.landmarksTable, row, self.result.landmark_table, "mean_lps")

    def _jump(self, table, row: int, node, point: str) -> None:
        """Centre all slice views on a point (RAS mm) given in three columns of the table node."""
        source = table.item(row, 0).data(qt.Qt.UserRole)
        columns = [node.GetTable().GetColumnByName(f"{point}_{axis}") for axis in "ras"]
        if all(columns):
            position = [column.GetValue(source) for column in columns]
            if not any(math.isnan(value) for value in position):
                slicer.vtkMRMLSliceNode.JumpAllSlices(
                    slicer.mrmlScene, *position, slicer.vtkMRMLSliceNode.CenteredJumpSlice)


def sliceViews() -> list[slicer.vtkMRMLSliceCompositeNode]:
    """What the slice views show; there are such nodes even without a main window."""
    return list(slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"))


@contextlib.contextmanager
def blocked(widget):
    """The widget, without signals: what is set in here came from the scene."""
    before = widget.blockSignals(True)
    try:
        yield widget
    finally:
        widget.blockSignals(before)


def resultTitle(result) -> str:
    """Name of a run in the list."""
    names = [node.GetName() for node in (result.moving, result.fixed) if node is not None]
    return _(" to ").join(names) or result.run


def mapTitle(name: str) -> str:
    """Name of a map in the list."""
    from UncertainRegLib.scene.maps import map_title

    return map_title(name, "mm" if name.endswith("_mm") else None)


def fillTable(widget, node: slicer.vtkMRMLTableNode) -> None:
    """Show a table node, without its columns for machines, as a sortable QTableWidget."""
    table = node.GetTable()
    names = [table.GetColumnName(c) for c in range(table.GetNumberOfColumns())]
    names = [name for name in names if not name.startswith(HIDDEN_COLUMNS) or name == names[0]]
    widget.setSortingEnabled(False)
    widget.setColumnCount(len(names))
    widget.setRowCount(table.GetNumberOfRows())
    for c, name in enumerate(names):
        header = qt.QTableWidgetItem(node.GetColumnTitle(name) or name)
        header.setToolTip(node.GetColumnDescription(name) or "")
        widget.setHorizontalHeaderItem(c, header)
        column = table.GetColumnByName(name)
        for row in range(table.GetNumberOfRows()):
            item = qt.QTableWidgetItem()
            value = column.GetValue(row)
            isNumber = not isinstance(value, str)
            if isNumber and not math.isnan(value):  # numbers sort as numbers
                item.setData(qt.Qt.DisplayRole, float(f"{value:.3g}"))
            elif not isNumber:
                item.setText(value)
            item.setData(qt.Qt.UserRole, row)
            widget.setItem(row, c, item)
    widget.setSortingEnabled(True)
    widget.resizeColumnsToContents()
