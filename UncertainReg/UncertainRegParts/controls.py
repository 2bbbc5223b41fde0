"""Small helpers for Qt widgets and slice views."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

MOST_ROWS = 12  # of a table that are seen without scrolling


@contextlib.contextmanager
def blocked(widget):
    """The widget, without signals: what is set in here came from the scene."""
    before = widget.blockSignals(True)
    try:
        yield widget
    finally:
        widget.blockSignals(before)


def connectAll(*connections) -> None:
    """Connect (widget, signal, slot) triples."""
    for widget, signal, slot in connections:
        widget.connect(signal, slot)


def crosshairNode() -> slicer.vtkMRMLCrosshairNode:
    """The one crosshair of the scene."""
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")


def fillTable(widget, node: slicer.vtkMRMLTableNode) -> None:
    """Show a table node, without its columns for machines, as a sortable QTableWidget."""
    from UncertainRegLib.results.columns import in_two_lines, is_hidden

    table = node.GetTable()
    names = [table.GetColumnName(c) for c in range(table.GetNumberOfColumns())]
    names = [name for name in names if not is_hidden(name) or name == names[0]]
    widget.setSortingEnabled(False)
    widget.setColumnCount(len(names))
    widget.setRowCount(table.GetNumberOfRows())
    for c, name in enumerate(names):
        title = _(node.GetColumnTitle(name) or name)
        header = qt.QTableWidgetItem(in_two_lines(title))  # narrow: more columns are seen
        header.setToolTip(_(node.GetColumnDescription(name) or ""))
        widget.setHorizontalHeaderItem(c, header)
        column = table.GetColumnByName(name)
        decimals = decimalsOf(node.GetColumnUnitLabel(name) or "")
        for row in range(table.GetNumberOfRows()):
            item = qt.QTableWidgetItem()
            value = column.GetValue(row)
            isNumber = not isinstance(value, str)
            if isNumber and not math.isnan(value):  # numbers sort as numbers
                isMixed = "unit" in names  # a table with a unit of its own in each row
                item.setData(
                    qt.Qt.DisplayRole, float(f"{value:.3g}" if isMixed else f"{value:.{decimals}f}")
                )
                item.setTextAlignment(int(qt.Qt.AlignRight) | int(qt.Qt.AlignVCenter))
            elif not isNumber:
                item.setText(value)
            item.setData(qt.Qt.UserRole, row)
            widget.setItem(row, c, item)
    widget.setSortingEnabled(True)
    widget.resizeColumnsToContents()
    fitHeight(widget)


def fitHeight(table) -> None:
    """As tall as its rows, up to a limit; a table of two structures leaves room for the rest."""
    rows = min(
        table.verticalHeader().length(), MOST_ROWS * table.verticalHeader().defaultSectionSize
    )
    header, bar = table.horizontalHeader(), table.horizontalScrollBar()
    frame = 2 * table.frameWidth
    table.setFixedHeight(header.sizeHint.height() + rows + bar.sizeHint.height() + frame)


def decimalsOf(unit: str) -> int:
    """With how many decimals the numbers of a column are shown: one where they have a unit."""
    return 1 if unit in ("mm", "ml", "%") else 2


def confirm(question: str) -> bool:
    """Does the user agree? In a test nobody answers a dialog: then yes."""
    return slicer.app.testingEnabled() or slicer.util.confirmOkCancelDisplay(question)


def askForPath(suggested: str, kind: str) -> str:
    """Where to save a file; empty if the user changed their mind.

    In a test nobody answers a dialog: then it is the temporary folder.
    """
    if slicer.app.testingEnabled():
        return str(Path(slicer.app.temporaryPath) / Path(suggested).name)
    return qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), _("Save"), suggested, kind)
