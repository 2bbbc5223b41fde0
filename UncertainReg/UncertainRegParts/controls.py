"""Small helpers for Qt widgets and slice views."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from .wording import translated

DECIMALS = {"mm": 1, "%": 1, "Gy": 1, "points": 0, "": 3}  # by unit; else two
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


def fillTable(widget, node: slicer.vtkMRMLTableNode) -> None:
    """Show a table node, without its columns for machines, in a QTableWidget.

    The numbers of a column have the same decimals. The rows come in the order that the heading
    says; Qt itself would sort "10.0" before "9.5", or show 2.0 as "2".
    """
    from UncertainRegLib.results.columns import in_two_lines, is_hidden

    table = node.GetTable()
    names = [table.GetColumnName(c) for c in range(table.GetNumberOfColumns())]
    names = [name for name in names if not is_hidden(name) or name == names[0]]
    columns = [table.GetColumnByName(name) for name in names]
    units = [node.GetColumnUnitLabel(name) or "" for name in names]
    order = _order(widget.horizontalHeader(), columns, table.GetNumberOfRows())
    chosen = widget.item(widget.currentRow(), 0)
    chosen = chosen.data(qt.Qt.UserRole) if chosen is not None else None
    widget.setColumnCount(len(names))
    widget.setRowCount(len(order))
    for c, name in enumerate(names):
        title = translated(node.GetColumnTitle(name) or name)
        header = qt.QTableWidgetItem(in_two_lines(title))  # narrow: more columns are seen
        header.setToolTip(translated(node.GetColumnDescription(name) or ""))
        widget.setHorizontalHeaderItem(c, header)
        for row, source in enumerate(order):
            value, unit = columns[c].GetValue(source), units[c]
            if name == "value" and "unit" in names:  # each row has a unit of its own
                unit = columns[names.index("unit")].GetValue(source)
            item = qt.QTableWidgetItem(_cell(value, unit))
            if not isinstance(value, str):
                item.setTextAlignment(int(qt.Qt.AlignRight) | int(qt.Qt.AlignVCenter))
            item.setData(qt.Qt.UserRole, source)
            widget.setItem(row, c, item)
    if chosen in order:
        widget.selectRow(order.index(chosen))
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


def _order(header, columns: list, count: int) -> list[int]:
    """The rows of a table as the indicator in its header sorts them; missing values come last."""
    column, rows = header.sortIndicatorSection(), list(range(count))
    if not 0 <= column < len(columns):
        return rows
    keys = [sortKey(columns[column].GetValue(row)) for row in rows]
    known = [row for row in rows if keys[row] is not None]
    known.sort(key=keys.__getitem__, reverse=header.sortIndicatorOrder() != qt.Qt.AscendingOrder)
    return known + [row for row in rows if keys[row] is None]


def sortKey(value) -> tuple | None:
    """Numbers sort as numbers, also as the names of landmarks; None where there is no value."""
    try:
        number = float(value)
    except ValueError:
        return (1, value.casefold()) if value else None
    return None if math.isnan(number) else (0, number)


def _cell(value, unit: str) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.{DECIMALS.get(unit, 2)}f}"
    return str(value)


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
