"""Can the millimetres be believed: comparison with a truth, and a check of the bounds, by the
worker."""

from __future__ import annotations

import html
import logging

import qt
import slicer
from slicer.i18n import tr as _

from ..controls import blocked, connectAll, fillTable
from ..wording import translated
from ..worker.evaluation import Evaluation, recommendationOf
from .progress import showProgress


class ValidateSection:
    """Numbers, plots and calibration of a run; computed by the worker, kept in the scene. And which
    registration method suits its pair, kept beside its result.

    Attributes:
        onUse: called with the name of a registration method that the user wants to use.
    """

    def __init__(self, panel) -> None:
        self.panel, self.ui = panel, panel.ui
        self.onUse, self._engine = lambda name: None, ""
        self._evaluation = self._layout = self._steps = None
        self._canStart = self._canCheck = False
        ui = self.ui
        self._timer = qt.QTimer(ui.validateButton)
        ui.validationTable.verticalHeader().visible = False
        connectAll(
            (ui.validateButton, "clicked(bool)", lambda: self._start("result")),
            (ui.calibrateButton, "clicked(bool)", lambda: self._start("calibrate")),
            (ui.enginesButton, "clicked(bool)", lambda: self._start("engines")),
            (ui.useEngineButton, "clicked(bool)", lambda: self.onUse(self._engine)),
            (ui.validateCancelButton, "clicked(bool)", lambda: self._evaluation.cancel()),
            (self._timer, "timeout()", self._onTimer),
            (ui.plotComboBox, "currentIndexChanged(int)", self._onPlot),
            (ui.showPlotCheckBox, "toggled(bool)", self._onShowPlot),
        )

    def show(self, result) -> None:
        """Fill the section from a run."""
        if result is None:
            return
        from UncertainRegLib.scene.plots import charts

        ui = self.ui
        record = recordOf(result)
        judged = result.validation_table is not None
        hasTruth = bool(record and {"fixed_labels", "fixed_points"} & set(record.inputs))
        ui.validateLabel.text = (
            ""
            if judged or hasTruth
            else _(
                "To compare with a truth, choose a true segmentation or true landmarks under "
                "“Advanced” and press Apply again."
            )
            if record
            else _("The files of this run are gone: nothing new can be computed from it.")
        )
        ui.validateLabel.visible = ui.validateLabel.text != ""
        ui.validateButton.visible = hasTruth
        ui.validationTable.visible = judged
        if judged:
            fillTable(ui.validationTable, result.validation_table)
        plots = charts(result.scene, result.run)
        with blocked(ui.plotComboBox) as combo:
            chosen = combo.currentData
            combo.clear()
            for name, chart in plots.items():
                combo.addItem(_(chart.GetTitle()), name)
            combo.currentIndex = max(0, combo.findData(chosen)) if plots else -1
        ui.plotComboBox.visible = ui.showPlotCheckBox.visible = bool(plots)
        expected = result.expected_error
        ui.calibrationLabel.text = calibrationText(expected, result.calibration)
        self._showEngines(result, record)
        self._canStart = record is not None and record.status == "complete"
        self._canCheck = self._canStart and not (expected and expected.refused)
        self._showProgress()

    def _showEngines(self, result, record) -> None:
        """What the registration methods did on known deformations of the pair."""
        found = recommendationOf(result.folder) if record else None
        ui, self._engine = self.ui, found["engine"] if found else ""
        ui.enginesLabel.text = enginesText(found) if found else ""
        ui.enginesLabel.visible = found is not None
        ui.useEngineButton.visible = self._engine not in (
            "",
            record.backbone.name if record else "",
        )
        ui.useEngineButton.text = _("Choose {name}").format(name=self._engine)

    def removeObservers(self) -> None:
        """The scene is closed, or the panel: stop the worker, give the layout back."""
        if self._evaluation is not None:
            self._evaluation.kill()
        self._evaluation = None
        self._endSteps()
        self.ui.showPlotCheckBox.checked = False

    def _start(self, action: str) -> None:
        try:
            self._evaluation = Evaluation(action, self.panel.result, self._onEvaluation)
        except RuntimeError as error:
            slicer.util.errorDisplay(str(error))
        self._showProgress()

    def _onEvaluation(self) -> None:
        """The worker made progress, or ended."""
        if self._evaluation.state == "complete":
            self._update(self._evaluation.run)
        self._showProgress()

    def _update(self, run: str) -> None:
        """Bring what the worker found into the scene, in steps."""
        from UncertainRegLib.scene.result import find_results, updating

        for result in find_results(slicer.mrmlScene):
            if result.run == run:
                self._evaluation.state = "loading"
                self._steps = updating(result, result.folder, map_names=())
                self._timer.start(0)

    def _onTimer(self) -> None:
        state, error = "complete", ""
        try:
            with slicer.util.RenderBlocker():
                next(self._steps)
            return
        except StopIteration:
            pass
        except Exception as problem:  # whatever it is: the evaluation has to end
            logging.exception("UncertainReg: the result cannot be read")
            state, error = "failed", translated(str(problem))
        self._endSteps()
        self._evaluation.state, self._evaluation.error = state, error
        self.panel.refresh()

    def _endSteps(self) -> None:
        self._timer.stop()
        if self._steps is not None:
            self._steps.close()
            self._steps = None

    def _showProgress(self) -> None:
        """Buttons, bar and message follow the worker."""
        ui, evaluation = self.ui, self._evaluation
        active = evaluation is not None and evaluation.isActive
        ui.validateButton.enabled = self._canStart and not active
        ui.calibrateButton.enabled = self._canCheck and not active
        ui.enginesButton.enabled = self._canStart and not active
        ui.validateRunningWidget.visible = active
        ui.validateStatusLabel.text = (
            ""
            if evaluation is None
            else {
                "failed": evaluation.error,
                "cancelled": _("Cancelled; nothing was changed."),
            }.get(evaluation.state, "")
        )
        ui.validateStatusLabel.visible = ui.validateStatusLabel.text != ""
        if active:
            showProgress(
                evaluation,
                ui.validateProgressBar,
                ui.validateCancelButton,
                _("{finished} of {asked} registrations"),
            )

    def _onPlot(self) -> None:
        if self.ui.showPlotCheckBox.checked:
            self._onShowPlot(True)

    def _onShowPlot(self, show: bool) -> None:
        """The chosen plot beside the slices, or the layout from before."""
        from UncertainRegLib.scene.plots import charts, restore_layout, show_chart

        if not show:
            restore_layout(slicer.mrmlScene, self._layout)
            self._layout = None
            return
        result = self.panel.result
        chart = charts(result.scene, result.run).get(self.ui.plotComboBox.currentData)
        if chart is not None:
            before = show_chart(result.scene, chart)
            self._layout = before if self._layout is None else self._layout


def recordOf(result):
    """What the result of a run says (``results.record.Record``); None if its folder is gone."""
    from UncertainRegLib.results.reader import ResultError, read_record

    try:
        return read_record(result.folder) if result.folder else None
    except ResultError:
        return None


def enginesText(found: dict) -> str:
    """The registration methods on known deformations of a pair, as HTML: a sentence and a table.

    Args:
        found: see ``studies.engines.recommendation``.
    """
    heads = (_("Method"), _("Error (mm)"), _("CPU (s)"), _("Memory (MB)"))
    lines = [f"<tr>{''.join(f'<th align=left>{head}&nbsp;</th>' for head in heads)}</tr>"]
    for one in found["table"]:
        cells = [html.escape(one["engine"])]
        for key, decimals in (("error_mm", 2), ("cpu_s", 1), ("peak_mb", 0)):
            cells.append("" if one[key] is None else f"{one[key]:.{decimals}f}")
        lines.append(f"<tr>{''.join(f'<td>{cell}&nbsp;</td>' for cell in cells)}</tr>")
    return f"{html.escape(translated(found['text']))}<table>{''.join(lines)}</table>"


def calibrationText(expected, calibration) -> str:
    """What may be said about the error of a run, and on what grounds; one line of HTML each.

    Args:
        expected, calibration: ``results.expectation.Expectation`` and
            ``results.calibration.Calibration`` of the run, each None if it has none.
    """
    from UncertainRegLib.results.calibration import how_found
    from UncertainRegLib.results.expectation import in_words, refusal

    lines = list(map(translated, in_words(expected, calibration)))
    if refusal(expected, calibration):
        return "<br>".join(lines)
    if calibration is not None:
        lines.append(translated(how_found(calibration)))
    elif expected is not None:
        lines.append(_("Not yet checked on known deformations of the fixed volume."))
    return "<br>".join(lines)
