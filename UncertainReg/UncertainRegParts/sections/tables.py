"""Structures and landmarks: sortable tables that lead to the place, and files of them."""

from __future__ import annotations

import math
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..controls import askForPath, blocked, connectAll, fillTable
from ..stepper import Stepper
from ..wording import translated


class TableSection:
    """The tables, what a click on a row shows, and the CSV files."""

    def __init__(self, panel) -> None:
        self.panel, self.ui = panel, panel.ui
        ui = self.ui
        self._structure = ""  # name of the row clicked last
        self._stepper = Stepper(ui.structuresTable)  # draws the outlines, one sample at a time
        for table in (ui.structuresTable, ui.landmarksTable):
            table.verticalHeader().visible = False
            table.verticalHeader().setDefaultSectionSize(24)
            table.setSortingEnabled(False)  # done in fillTable
            table.horizontalHeader().setSortIndicatorShown(True)
            table.horizontalHeader().setSortIndicator(-1, qt.Qt.AscendingOrder)  # as it comes
        order = "sortIndicatorChanged(int,Qt::SortOrder)"
        connectAll(
            (ui.structuresTable.horizontalHeader(), order, self._fill),
            (ui.landmarksTable.horizontalHeader(), order, self._fill),
            (ui.structuresCollapsibleButton, "contentsCollapsed(bool)", self._onCollapsed),
            (ui.landmarksCollapsibleButton, "contentsCollapsed(bool)", self._onCollapsed),
            (ui.structuresTable, "cellClicked(int,int)", self._onStructure),
            (ui.landmarksTable, "cellClicked(int,int)", self._onLandmark),
            (ui.onlyStructureCheckBox, "toggled(bool)", self._showStructure),
            (ui.surfacesCheckBox, "toggled(bool)", self._showSurfaces),
            (ui.outlinesCheckBox, "toggled(bool)", self._showOutlines),
            (ui.structuresCsvButton, "clicked(bool)", self._saveStructures),
            (ui.landmarksCsvButton, "clicked(bool)", self._saveLandmarks),
        )

    def show(self, result) -> None:
        """Fill the tables from a run."""
        if result is None:
            return
        from UncertainRegLib.scene.outlines import has_outlines

        self._fill()
        with blocked(self.ui.outlinesCheckBox) as box:
            box.checked = self._stepper.isActive or has_outlines(result)
        with blocked(self.ui.surfacesCheckBox) as box:
            display = result.surfaces.GetDisplayNode() if result.surfaces else None
            box.checked = display is not None and bool(display.GetVisibility())

    def _fill(self) -> None:
        """The rows of the chosen run, in the order that was asked for."""
        ui, result = self.ui, self.panel.result
        if result is None:
            return
        for section, table, node in (
            (ui.structuresCollapsibleButton, ui.structuresTable, result.label_table),
            (ui.landmarksCollapsibleButton, ui.landmarksTable, result.landmark_table),
        ):
            section.visible = node is not None
            if node is not None and not section.collapsed:  # else when it is opened
                fillTable(table, node)

    def _onCollapsed(self, collapsed: bool) -> None:
        if not collapsed:
            self.show(self.panel.result)

    def chooseStructure(self, row: int) -> None:
        """Mark a row, and show what a click on it shows."""
        self.ui.structuresTable.selectRow(row)
        self._onStructure(row, 0)

    def _onStructure(self, row: int, column: int) -> None:
        node = self.panel.result.label_table if self.panel.result else None
        if node is None:  # just deleted
            return
        source = self.ui.structuresTable.item(row, 0).data(qt.Qt.UserRole)
        self._structure = node.GetTable().GetColumnByName("name").GetValue(source)
        self._jump(node, source, "worst_voxel_lps")
        self._showStructure()
        self.refreshSurfaces()

    def _onLandmark(self, row: int, column: int) -> None:
        node = self.panel.result.landmark_table if self.panel.result else None
        if node is not None:
            source = self.ui.landmarksTable.item(row, 0).data(qt.Qt.UserRole)
            self._jump(node, source, "mean_lps")

    def _jump(self, node, row: int, point: str) -> None:
        """Show the point (RAS mm) given in three columns of a table node."""
        columns = [node.GetTable().GetColumnByName(f"{point}_{axis}") for axis in "ras"]
        if all(columns):
            position = [column.GetValue(row) for column in columns]
            if not any(math.isnan(value) for value in position):
                self.panel.jump(position)

    def _showStructure(self) -> None:
        from UncertainRegLib.scene.display import show_structure

        if self.panel.result is not None and self._structure:
            self.panel.rememberViews()
            show_structure(
                self.panel.result, self._structure, self.ui.onlyStructureCheckBox.checked
            )

    def _showSurfaces(self, show: bool) -> None:
        from UncertainRegLib.scene.display import look_at
        from UncertainRegLib.scene.surfaces import hide_surfaces, show_surfaces

        result = self.panel.result
        if result is None:
            return
        if not show:
            hide_surfaces(result)
            return
        try:
            with slicer.util.WaitCursor():
                surfaces = show_surfaces(result, self._chosen())
            bounds = [0.0] * 6
            surfaces.GetRASBounds(bounds)
            self.panel.rememberViews()
            look_at(result.scene, bounds)
        except ValueError as error:
            slicer.util.errorDisplay(
                _("The surfaces cannot be shown: {reason}").format(reason=translated(str(error)))
            )
        self.panel.refresh()

    def refreshSurfaces(self) -> None:
        """The samples, or the structure, changed: make again what is shown of it."""
        if self.ui.surfacesCheckBox.checked:
            self._showSurfaces(True)
        if self.ui.outlinesCheckBox.checked:
            self._showOutlines(True)

    def removeObservers(self) -> None:
        """The scene is closed, or the panel: stop drawing."""
        self._stepper.stop()

    def _showOutlines(self, show: bool) -> None:
        """The structure in each of the samples."""
        from UncertainRegLib.scene.outlines import hide_outlines, outlining

        result = self.panel.result
        if result is None:
            return
        if show:
            self._stepper.start(outlining(result, self._chosen()), self._onOutlines)
        else:
            self._stepper.stop()
            hide_outlines(result)

    def _onOutlines(self, _node, error: Exception | None) -> None:
        if error is not None:
            with blocked(self.ui.outlinesCheckBox) as box:
                box.checked = False
            slicer.util.errorDisplay(
                _("The outlines cannot be shown: {reason}").format(reason=translated(str(error)))
            )

    def _chosen(self) -> str:
        """The structure clicked last, else the one in the first row."""
        names = {
            self.ui.structuresTable.item(row, 0).text()
            for row in range(self.ui.structuresTable.rowCount)
        }
        if self._structure not in names:
            self._structure = self.ui.structuresTable.item(0, 0).text()
        return self._structure

    def _saveStructures(self) -> None:
        saveTable(self.panel.result.label_table, "structures.csv")

    def _saveLandmarks(self) -> None:
        saveTable(self.panel.result.landmark_table, "landmarks.csv")


def saveTable(node, name: str) -> None:
    """Ask for a file, ``name`` by default, and write a table node; nothing happens without a node."""
    from UncertainRegLib.scene.tables import write_csv

    path = askForPath(name, _("Table (*.csv *.tsv)")) if node is not None else ""
    if not path:
        return
    try:
        write_csv(node, path)
    except OSError as error:
        slicer.util.errorDisplay(
            _("{file} cannot be written: {reason}").format(
                file=Path(path).name, reason=error.strerror
            )
        )
