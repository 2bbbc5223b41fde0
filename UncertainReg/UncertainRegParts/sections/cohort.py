"""A cohort: its pairs in a table, the worst first; a click shows one, and a person decides."""

from __future__ import annotations

import logging
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..controls import connectAll, fitHeight, sortKey
from ..stepper import Stepper
from ..wording import translated

MOST = 500  # rows that are shown: more take seconds, and nobody scrolls through them
AT_ONCE = 1000  # rows that are read in one step
COLUMNS = (
    "id",
    "group",
    "status",
    "expected_error_boundary_mm",
    "expected_error_mean_mm",
    "uncertainty_mean_mm",
    "dice",
    "tre_mm",
    "verdict",
    "decision",
)


class CohortSection:
    """Reads the table of a cohort once; the decisions are those that lie beside the results."""

    def __init__(self, panel) -> None:
        """
        Args:
            panel: of the results, in which a pair is shown.
        """
        self.panel, self.ui = panel, panel.ui
        self._rows, self._shown = [], []  # of the cohort, and those in the table
        self._folder, self._run = None, None  # of the cohort; the run that a click has loaded
        self._counted = ""  # how many rows are shown
        self._stepper = Stepper(panel.ui.cohortTable)
        ui, table = self.ui, self.ui.cohortTable
        table.verticalHeader().visible = False
        table.verticalHeader().setDefaultSectionSize(24)
        table.setSortingEnabled(False)  # done here, for all rows, also for those not in the table
        table.horizontalHeader().setSortIndicatorShown(True)
        table.horizontalHeader().setSortIndicator(-1, qt.Qt.AscendingOrder)  # the worst first
        connectAll(
            (ui.cohortPathLineEdit, "currentPathChanged(QString)", self._onFolder),
            (ui.cohortFilterLineEdit, "textChanged(QString)", self._fill),
            (table.horizontalHeader(), "sortIndicatorChanged(int,Qt::SortOrder)", self._fill),
            (table, "cellClicked(int,int)", self._onRow),
            (ui.cohortReasonLineEdit, "textChanged(QString)", self._showDecide),
            (ui.cohortApproveButton, "clicked(bool)", self._onApprove),
            (ui.cohortRejectButton, "clicked(bool)", self._onReject),
        )
        self._fill()

    @property
    def isActive(self) -> bool:
        """Is a table or a pair being read?"""
        return self._stepper.isActive

    def show(self, result) -> None:
        """Another run was chosen, or a decision was kept."""
        row = self._rowOf(result)
        last = result.decisions[-1].decision if row is not None and result.decisions else None
        if last is not None and row["decision"] != last:
            row["decision"] = last
            self._fill()
        self._showDecide()

    def removeObservers(self) -> None:
        """The scene is closed, or the panel: stop reading."""
        self._stepper.stop()

    def _onFolder(self) -> None:
        """Read the table of another folder."""
        path = self.ui.cohortPathLineEdit.currentPath
        self._rows, self._folder = [], Path(path) if path else None
        self._stepper.stop()
        self._fill()
        if path:
            self.ui.cohortLabel.text = _("Reading the table of the cohort")
            self._stepper.start(_reading(self._folder), self._onRead)

    def _onRead(self, rows, error: Exception | None) -> None:
        self._rows = rows or []
        self.ui.cohortTable.horizontalHeader().setSortIndicator(-1, qt.Qt.AscendingOrder)
        self._fill()
        if error is not None:
            self.ui.cohortLabel.text = translated(str(error))

    def _fill(self) -> None:
        """The rows that are searched for, in the order that the heading says."""
        from UncertainRegLib.results.columns import PAIRS, in_two_lines

        ui, table = self.ui, self.ui.cohortTable
        names = [name for name in COLUMNS if any(row[name] is not None for row in self._rows)]
        if all(row["status"] == "complete" for row in self._rows):
            names = [name for name in names if name != "status"]
        words = ui.cohortFilterLineEdit.text.casefold().split()
        found = [row for row in self._rows if all(word in row["text"] for word in words)]
        self._shown = self._sorted(found, names)[:MOST]
        table.setColumnCount(len(names))
        table.setRowCount(len(self._shown))
        for c, name in enumerate(names):
            header = qt.QTableWidgetItem(in_two_lines(translated(PAIRS[name].heading)))
            header.setToolTip(translated(PAIRS[name].meaning))
            table.setHorizontalHeaderItem(c, header)
            for r, row in enumerate(self._shown):
                table.setItem(r, c, _item(row, name))
        table.resizeColumnsToContents()
        fitHeight(table)
        table.visible = ui.cohortFilterLineEdit.enabled = bool(self._rows)
        self._counted = self._inWords(len(found))
        ui.cohortLabel.text = self._counted
        self._showDecide()

    def _sorted(self, rows: list[dict], names: list[str]) -> list[dict]:
        """Missing values come last."""
        header = self.ui.cohortTable.horizontalHeader()
        column = header.sortIndicatorSection()
        if not 0 <= column < len(names):
            return rows
        keys = {id(row): sortKey(_of(row, names[column])) for row in rows}
        known = [row for row in rows if keys[id(row)] is not None]
        known.sort(
            key=lambda row: keys[id(row)],
            reverse=header.sortIndicatorOrder() != qt.Qt.AscendingOrder,
        )
        return known + [row for row in rows if keys[id(row)] is None]

    def _inWords(self, found: int) -> str:
        """How many rows there are, and which are shown."""
        if not self._rows:
            return ""
        if found > MOST:
            return _(
                "The first {shown} of {found} pairs in this order; search for a name or sort by "
                "another column to see others."
            ).format(shown=MOST, found=found)
        return _("{found} of {all} pairs.").format(found=found, all=len(self._rows))

    def _onRow(self, row: int, column: int) -> None:
        """Show the pair of a row instead of the one before."""
        from UncertainRegLib.scene.result import loading

        chosen, ui = self._shown[row], self.ui
        if chosen["sentence"]:
            ui.cohortLabel.text = translated(chosen["sentence"])
        folder = self._folder / "pairs" / chosen["id"]
        if chosen["status"] != "complete" or self._rowOf(self.panel.result) is chosen:
            return
        self._stepper.stop()
        self._removeLast()
        ui.cohortLabel.text = _("Loading {pair}").format(pair=chosen["id"])
        self._stepper.start(loading(folder, slicer.mrmlScene), self._onLoaded)

    def _removeLast(self) -> None:
        """Take the pair that was opened from here before out of the scene: dozens would fill it."""
        from UncertainRegLib.scene.removal import remove_result
        from UncertainRegLib.scene.result import find_results

        for result in find_results(slicer.mrmlScene):
            if result.run == self._run:
                self.panel.removeObservers()
                remove_result(result)
        self._run = None

    def _onLoaded(self, result, error: Exception | None) -> None:
        if error is not None:
            logging.error("UncertainReg: the pair cannot be shown", exc_info=error)
            self.ui.cohortLabel.text = translated(str(error))
            return
        from UncertainRegLib.scene.worst import worst_point

        self._run = result.run
        self.ui.cohortLabel.text = self._counted
        self.panel.refresh(result.run, showMap=True)
        try:
            self.panel.jump(worst_point(result))
        except ValueError:  # a result without structures and maps
            logging.info("UncertainReg: the pair has no place to look at first")

    def _rowOf(self, result) -> dict | None:
        """The row of a run; None where it is not of this cohort."""
        if result is None or self._folder is None:
            return None
        folder = Path(result.folder)
        if folder.parent != (self._folder / "pairs").absolute():
            return None
        return next((row for row in self._rows if row["id"] == folder.name), None)

    def _onApprove(self) -> None:
        self._decide("approve")

    def _onReject(self) -> None:
        self._decide("reject")

    def _decide(self, decision: str) -> None:
        if self.panel.acceptance.decide(decision, self.ui.cohortReasonLineEdit.text):
            self.ui.cohortReasonLineEdit.text = ""

    def _showDecide(self) -> None:
        """Only what is seen can be decided on, and a rejection needs a reason."""
        ui, isShown = self.ui, self._rowOf(self.panel.result) is not None
        ui.cohortReasonLineEdit.visible = bool(self._rows)
        ui.cohortApproveButton.visible = ui.cohortRejectButton.visible = bool(self._rows)
        ui.cohortReasonLineEdit.enabled = ui.cohortApproveButton.enabled = isShown
        ui.cohortRejectButton.enabled = bool(isShown and ui.cohortReasonLineEdit.text.strip())


def _reading(folder: Path):
    """The rows of a cohort, the worst first, in steps."""
    from UncertainRegLib.cohort.rows import read_rows
    from UncertainRegLib.cohort.triage import worst_first
    from UncertainRegLib.results.decision import read_decisions

    rows = []
    for row in read_rows(folder, "pair", (*COLUMNS, "sentence")):
        rows.append(row)
        if len(rows) % AT_ONCE == 0:
            yield
    for number, row in enumerate(rows):
        if row["status"] == "complete":
            try:
                made = read_decisions(folder / "pairs" / row["id"])
                row["decision"] = made[-1].decision if made else None
            except ValueError as error:  # said when somebody clicks the row
                row["sentence"] = str(error)
        row["text"] = " ".join(_of(row, name) for name in COLUMNS if _isText(row[name])).casefold()
        if number % AT_ONCE == 0:
            yield
    return worst_first(rows)


def _isText(value) -> bool:
    return isinstance(value, str)


def _of(row: dict, name: str) -> str | float:
    """A value as people see it; empty where there is none."""
    from UncertainRegLib.results.decision import DECISIONS

    value = row[name]
    if value is None:
        return ""
    return translated(DECISIONS[value]) if name == "decision" else value


def _item(row: dict, name: str):
    value = _of(row, name)
    item = qt.QTableWidgetItem(value if _isText(value) else f"{value:.2f}")
    if not _isText(value):
        item.setTextAlignment(int(qt.Qt.AlignRight) | int(qt.Qt.AlignVCenter))
    if row["sentence"]:
        item.setToolTip(translated(row["sentence"]))
    return item
