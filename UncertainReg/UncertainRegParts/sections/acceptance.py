"""Can the registration be accepted? The verdict of the worker, and what the user decides."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from ..controls import connectAll, fillTable
from ..wording import translated
from .evaluating import Evaluating
from .tables import saveTable
from .validate import recordOf


class AcceptanceSection:
    """The table of TG-132 with its tolerances, and the decision; both stay with the result."""

    def __init__(self, panel) -> None:
        self.panel, self.ui = panel, panel.ui
        ui = self.ui
        self._isThere = False  # the folder of the run
        self._evaluating = Evaluating(panel, self._showProgress)
        ui.acceptanceTable.verticalHeader().visible = False
        ui.acceptanceTable.verticalHeader().setDefaultSectionSize(24)
        for name, title in decisions().items():
            ui.decisionComboBox.addItem(title, name)
        connectAll(
            (ui.judgeButton, "clicked(bool)", self._onJudge),
            (ui.decideButton, "clicked(bool)", self._onDecide),
            (ui.acceptanceCsvButton, "clicked(bool)", self._onSave),
            (ui.reasonLineEdit, "textChanged(QString)", self._showDecide),
            (ui.decisionComboBox, "currentIndexChanged(int)", self._showDecide),
        )

    def show(self, result) -> None:
        """Fill the section from a run."""
        self._isThere = result is not None and recordOf(result) is not None
        if result is None:
            return
        ui, found, table = self.ui, result.acceptance, result.acceptance_table
        ui.acceptanceLabel.text = (
            ""
            if found is None
            else _("<b>{state}</b> ({tolerances}). {why}").format(
                state=translated(found.state),
                tolerances=translated(found.tolerances.name),
                why=translated(found.why),
            )
        )
        ui.acceptanceLabel.visible = found is not None
        ui.acceptanceTable.visible = ui.acceptanceCsvButton.visible = table is not None
        if table is not None:
            fillTable(ui.acceptanceTable, table)
        ui.decisionLabel.text = str(result.decisions[-1]) if result.decisions else ""
        ui.decisionLabel.visible = bool(result.decisions)
        self._showProgress()
        self._showDecide()

    def removeObservers(self) -> None:
        """The scene is closed, or the panel: stop the worker."""
        self._evaluating.kill()

    def _onJudge(self) -> None:
        tolerances = (
            self.ui.tolerancesPathLineEdit.currentPath or self.ui.tolerancesComboBox.currentData
        )
        self._evaluating.start("acceptance", "--tolerances", tolerances)

    def _onDecide(self) -> None:
        ui = self.ui
        if self.decide(ui.decisionComboBox.currentData, ui.reasonLineEdit.text):
            ui.reasonLineEdit.text = ""

    def decide(self, decision: str, reason: str) -> bool:
        """Keep a decision on the chosen run beside the result, and in the scene.

        Returns:
            False, after saying why, if it cannot be kept.
        """
        from UncertainRegLib.results.decision import add_decision, made
        from UncertainRegLib.scene.result import update_result

        result = self.panel.result
        verdict = result.acceptance.state if result.acceptance is not None else ""
        try:
            found = made(decision, reason, self.ui.deciderLineEdit.text, verdict)
            add_decision(result.folder, found)
            update_result(result, result.folder, map_names=())
        except (ValueError, OSError) as error:
            slicer.util.errorDisplay(
                _("The decision cannot be kept: {reason}").format(reason=translated(str(error)))
            )
            return False
        self.panel.refresh()
        return True

    def _onSave(self) -> None:
        saveTable(self.panel.result.acceptance_table, "acceptance.csv")

    def _showProgress(self) -> None:
        """Button and message follow the worker."""
        ui, active = self.ui, self._evaluating.isActive
        ui.judgeButton.enabled = self._isThere and not active
        ui.judgeButton.text = _("Judging") if active else _("Judge the registration")
        ui.judgeStatusLabel.text = self._evaluating.message
        if self.panel.result is not None and not self._isThere:
            ui.judgeStatusLabel.text = _(
                "The files of this run are gone: nothing new can be judged or decided."
            )
        ui.judgeStatusLabel.visible = ui.judgeStatusLabel.text != ""

    def _showDecide(self) -> None:
        """A restriction and a rejection need a reason."""
        ui = self.ui
        isReasoned = ui.decisionComboBox.currentData == "approve" or ui.reasonLineEdit.text.strip()
        ui.decideButton.enabled = bool(isReasoned and self._isThere)


def decisions() -> dict[str, str]:
    """What can be decided: name in the file -> title."""
    return {
        "approve": _("Approve"),
        "restrict": _("Approve with a restriction"),
        "reject": _("Reject"),
    }
