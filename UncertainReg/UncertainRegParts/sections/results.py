"""The results half of the module's panel: it shows, and changes, what is in the scene."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from ..controls import blocked
from .maps import MapSection
from .probe import ProbeSection
from .report import ReportSection
from .samples import SampleSection
from .strays import StraySection
from .tables import TableSection
from .validate import ValidateSection


class ResultsPanel:
    """Binds the widgets of the section "Results" to the runs found in the scene.

    Nothing is kept here: opacity and threshold live in the display nodes, the sample in the
    sequence browser, the numbers in table nodes. So a saved scene comes back with all of it.

    Attributes:
        maps, samples, strays, tables, probe, validate: the parts of the panel; each shows one run
            and is told with ``show(result)`` when that changes.
    """

    def __init__(self, ui) -> None:
        self.ui, self.results, self._views = ui, [], None
        self.samples = SampleSection(self)
        self.strays = StraySection(self)
        self.maps = MapSection(self)
        self.tables = TableSection(self)
        self.probe = ProbeSection(self)
        self.report = ReportSection(self)
        self.validate = ValidateSection(self)
        ui.resultComboBox.connect("currentIndexChanged(int)", self._onResult)
        ui.restoreButton.connect("clicked(bool)", self.restoreViews)

    @property
    def result(self):
        """The chosen run (``ResultNodes``), or None."""
        index = self.ui.resultComboBox.currentIndex
        return self.results[index] if 0 <= index < len(self.results) else None

    def refresh(self, run: str | None = None, showMap: bool = False) -> None:
        """Read the scene again; choose ``run`` (an identifier) and show its main map if asked."""
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
            with blocked(self.ui.showMapCheckBox) as box:
                box.checked = True
            self.maps.chooseMain()

    def clear(self) -> None:
        """Let go of all nodes (the scene is about to be closed)."""
        self.removeObservers()
        self.results, self._views = [], None
        with blocked(self.ui.resultComboBox), blocked(self.ui.showMapCheckBox):
            self.ui.resultComboBox.clear()
            self.ui.showMapCheckBox.checked = False
        self._showResult()

    def removeObservers(self) -> None:
        """Stop listening to the scene."""
        for section in (self.samples, self.probe, self.validate):
            section.removeObservers()

    def rememberViews(self) -> None:
        """Called before anything here changes a slice view."""
        from UncertainRegLib.scene.display import remember_views

        if self._views is None:
            self._views = remember_views(slicer.mrmlScene)
        elif not self._views.layers:
            self._views.layers = remember_views(slicer.mrmlScene).layers

    def restoreLayers(self) -> None:
        """Give the slice views back the volumes they had before the map was shown."""
        from UncertainRegLib.scene.display import Views, restore_views

        if self._views is not None:
            restore_views(slicer.mrmlScene, Views(self._views.layers, {}))
            self._views.layers = {}

    def restoreViews(self) -> None:
        """Give the slice views back all they showed before the first change made here."""
        from UncertainRegLib.scene.display import restore_views

        ui = self.ui
        views, self._views = self._views, None
        for box in (
            ui.glyphsCheckBox,
            ui.ellipsoidCheckBox,
            ui.axesCheckBox,
            ui.surfacesCheckBox,
            ui.showMapCheckBox,
            ui.showPlotCheckBox,
        ):
            box.checked = False
        if views is not None:
            restore_views(slicer.mrmlScene, views)

    def jump(self, point) -> None:
        """Centre all slice views on a point (RAS mm), and read out there."""
        from UncertainRegLib.scene.display import jump_to

        self.rememberViews()
        jump_to(slicer.mrmlScene, point)
        self.probe.moveTo(point)

    def _onResult(self) -> None:
        self._showResult()
        self.maps.showMoving()  # runs of the same volume take it from each other
        self.maps.showMap()

    def _showResult(self) -> None:
        result, ui = self.result, self.ui
        ui.resultsCollapsibleButton.visible = result is not None
        ui.resultComboBox.visible = ui.resultComboBoxLabel.visible = len(self.results) > 1
        ui.verdictLabel.text = "<br>".join(verdict(result)) if result is not None else ""
        ui.verdictLabel.visible = ui.verdictLabel.text != ""
        for section in (
            self.maps,
            self.samples,
            self.tables,
            self.probe,
            self.validate,
            self.strays,
        ):
            section.show(result)


def verdict(result) -> list[str]:
    """What is known about a run as a whole, one line of HTML each."""
    from UncertainRegLib.backbones.competence import ENOUGH

    lines = improvement(result.before_after) if result.before_after is not None else []
    if (
        result.competence is not None
        and result.competence.warnings
        and all(part >= ENOUGH for part in result.competence.followed.values())
    ):
        lines += result.competence.warnings  # it follows too much, or the check failed
    elif result.competence is not None:
        followed = ", ".join(
            _("{percent} % of {mm} mm").format(percent=round(100 * part), mm=f"{float(mm):g}")
            for mm, part in result.competence.followed.items()
        )
        lines.append(
            _(
                "<b>Does not follow a known shift</b> ({followed}): small disagreement does "
                "not mean small error here."
            ).format(followed=followed)
            if result.competence.warnings
            else _("Follows a known shift: {followed}.").format(followed=followed)
        )
    sampling = result.sampling
    if sampling.ess_raw is not None:
        lines.append(
            _(
                "Of {count} alternatives the weight lies on {raw} (raw effective number); "
                "flattened by the exponent {exponent}, to keep more of them: {tempered}."
            ).format(
                count=sampling.proposals,
                raw=f"{sampling.ess_raw:.1f}",
                exponent=f"{sampling.tempering_exponent:.2g}",
                tempered=f"{sampling.ess_tempered:.0f}",
            )
        )
    return lines


def improvement(found) -> list[str]:
    """The numbers before and after the registration (``results.improvement.BeforeAfter``); a worse
    one is marked."""
    from UncertainRegLib.results.improvement import NUMBERS

    texts = {
        "similarity": _("similarity {before} / {after}"),
        "dice": _("mean Dice {before} / {after}"),
        "tre_mm": _("mean landmark error in the fixed space {before} / {after} mm"),
    }
    parts = []
    for name, change in found.changes.items():
        _title, digits, _unit, better = NUMBERS[name]
        before, after = round(change.before, digits), round(change.after, digits)
        part = texts[name].format(before=f"{before:.{digits}f}", after=f"{after:.{digits}f}")
        isWorse = better * (after - before) < 0
        parts.append(_("<b>worse: {numbers}</b>").format(numbers=part) if isWorse else part)
    return (
        [
            _("As the images lie / after the registration: {numbers}.").format(
                numbers=", ".join(parts)
            )
        ]
        if parts
        else []
    )


def resultTitle(result) -> str:
    """Name of a run in the list."""
    names = [node.GetName() for node in (result.moving, result.fixed) if node is not None]
    return _(" to ").join(names) or result.run
