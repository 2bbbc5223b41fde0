"""Can the millimetres be believed: comparison with a truth, and a check of the bounds, by the
worker."""

from __future__ import annotations

import html

import slicer
from slicer.i18n import tr as _

from ..controls import blocked, connectAll, fillTable
from ..wording import translated
from ..worker.evaluation import recommendationOf
from .evaluating import Evaluating
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
        self._layout = None
        self._canStart = self._canCheck = False
        ui = self.ui
        self.evaluating = Evaluating(panel, self._showProgress)
        ui.validationTable.verticalHeader().visible = False
        connectAll(
            (ui.validateButton, "clicked(bool)", lambda: self.evaluating.start("result")),
            (ui.calibrateButton, "clicked(bool)", lambda: self.evaluating.start("calibrate")),
            (ui.enginesButton, "clicked(bool)", lambda: self.evaluating.start("engines")),
            (ui.useEngineButton, "clicked(bool)", lambda: self.onUse(self._engine)),
            (ui.validateCancelButton, "clicked(bool)", self.evaluating.cancel),
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
                combo.addItem(translated(chart.GetTitle()), name)
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
        self.evaluating.kill()
        self.ui.showPlotCheckBox.checked = False

    def _showProgress(self) -> None:
        """Buttons, bar and message follow the worker."""
        ui, active = self.ui, self.evaluating.isActive
        ui.validateButton.enabled = self._canStart and not active
        ui.calibrateButton.enabled = self._canCheck and not active
        ui.enginesButton.enabled = self._canStart and not active
        ui.validateRunningWidget.visible = active
        ui.validateStatusLabel.text = self.evaluating.message
        ui.validateStatusLabel.visible = ui.validateStatusLabel.text != ""
        if active:
            showProgress(
                self.evaluating.evaluation,
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
