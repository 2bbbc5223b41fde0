"""The results half of the module's panel: it shows, and changes, what is in the scene."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from ..controls import blocked, confirm
from ..wording import translated
from .acceptance import AcceptanceSection
from .cohort import CohortSection
from .colors import ColorSection
from .dose import DoseSection
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
        maps, colors, samples, strays, tables, probe, validate, acceptance, dose, cohort: the parts of
            the panel; each shows one run and is told with ``show(result)`` when that changes.
        onRemoved: called with the folder of a result that was taken out of the scene.
    """

    def __init__(self, ui) -> None:
        self.ui, self.results, self._views = ui, [], None
        self.onRemoved = lambda folder: None
        self._isStale = False  # a node of a result was removed
        self._timer = qt.QTimer(ui.resultComboBox)
        self._timer.setSingleShot(True)
        self._timer.connect("timeout()", self._onStale)
        self.samples = SampleSection(self)
        self.strays = StraySection(self)
        self.colors = ColorSection(self)
        self.maps = MapSection(self)
        self.tables = TableSection(self)
        self.probe = ProbeSection(self)
        self.report = ReportSection(self)
        self.validate = ValidateSection(self)
        self.acceptance = AcceptanceSection(self)
        self.dose = DoseSection(self)
        self.cohort = CohortSection(self)
        self._sections = (
            self.maps,
            self.samples,
            self.tables,
            self.probe,
            self.validate,
            self.acceptance,
            self.dose,
            self.cohort,
        )
        ui.resultComboBox.connect("currentIndexChanged(int)", self._onResult)
        ui.restoreButton.connect("clicked(bool)", self.restoreViews)
        ui.removeButton.connect("clicked(bool)", self._onRemove)

    @property
    def result(self):
        """The chosen run (``ResultNodes``), or None."""
        if self._isStale:
            self._collect(self._run())
        index = self.ui.resultComboBox.currentIndex
        return self.results[index] if 0 <= index < len(self.results) else None

    def refresh(self, run: str | None = None, showMap: bool = False) -> None:
        """Read the scene again; choose ``run`` (an identifier) and show its main map if asked, over
        the fixed volume, whatever the views showed before."""
        self._collect(run or self._run())
        self._showResult()
        if showMap:
            with blocked(self.ui.showMapCheckBox) as box:
                box.checked = True
            with blocked(self.ui.backgroundComboBox) as combo:
                combo.currentIndex = combo.findData("fixed")
            self.maps.showMoving()
            self.maps.chooseMain()

    def _run(self) -> str | None:
        """Identifier of the chosen run, as the scene was read last."""
        index = self.ui.resultComboBox.currentIndex
        return self.results[index].run if 0 <= index < len(self.results) else None

    def _collect(self, run: str | None) -> None:
        """Find the runs in the scene; choose one, else the newest."""
        from UncertainRegLib.scene.result import find_results

        self._isStale = False
        self.results = find_results(slicer.mrmlScene)
        runs = [result.run for result in self.results]
        with blocked(self.ui.resultComboBox) as combo:
            combo.clear()
            for result in self.results:
                combo.addItem(resultTitle(result))
            if run not in runs:  # the one that the views show, else the newest
                run = self._runInViews() or (runs[-1] if runs else None)
            combo.currentIndex = runs.index(run) if run in runs else -1

    def _runInViews(self) -> str | None:
        """Identifier of a run whose map lies in a slice view."""
        from UncertainRegLib.scene.slices import map_in, slice_views

        shown = {map_in(view) for view in slice_views(slicer.mrmlScene)}
        for result in self.results:
            if any(node.GetID() in shown for node in result.maps.values()):
                return result.run
        return None

    def onNodeRemoved(self, node) -> None:
        """Somebody removed a node of the scene: let go of it before anything else uses it."""
        if any(one is node for result in self.results for one in result.all_nodes()):
            self._isStale = True
            self._timer.start(0)

    def _onStale(self) -> None:
        """Show what is left, and clear away what is left of runs that were deleted."""
        from UncertainRegLib.scene.removal import remove_leftovers

        for folder in remove_leftovers(slicer.mrmlScene):
            self.onRemoved(folder)
        self.refresh()

    def _onRemove(self) -> None:
        """Take the chosen result out of the scene, and give the views back."""
        from UncertainRegLib.scene.removal import remove_result

        result = self.result
        if result is None or not confirm(
            _(
                "Remove this result with its maps, samples and tables from the scene? Its files go, "
                "too, unless “Keep results in” was set; the images and segmentations stay."
            )
        ):
            return
        isShown = self.ui.showMapCheckBox.checked
        self.restoreViews()
        self.removeObservers()
        remove_result(result)
        self.onRemoved(result.folder)
        self.refresh(showMap=isShown and len(self.results) > 1)

    def clear(self) -> None:
        """Let go of all nodes (the scene is about to be closed)."""
        self.removeObservers()
        self._timer.stop()
        self.results, self._views, self._isStale = [], None, False
        with blocked(self.ui.resultComboBox), blocked(self.ui.showMapCheckBox):
            self.ui.resultComboBox.clear()
            self.ui.showMapCheckBox.checked = False
        self._showResult()

    def removeObservers(self) -> None:
        """Stop listening to the scene."""
        for section in self._sections:
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
            fills = {
                name: (shown, filled, {})
                for name, (shown, filled, _segments) in self._views.segments.items()
            }
            restore_views(slicer.mrmlScene, Views(self._views.layers, {}, fills))
            self._views.layers = {}

    def restoreViews(self) -> None:
        """Give the views back all they showed before the first change made here.

        The moving nodes go back to where they were before the registration; whatever shows the
        result again registers them again.
        """
        from UncertainRegLib.scene.display import restore_views, show_moving

        ui = self.ui
        views, self._views = self._views, None
        for box in (
            ui.glyphsCheckBox,
            ui.ellipsoidCheckBox,
            ui.axesCheckBox,
            ui.surfacesCheckBox,
            ui.outlinesCheckBox,
            ui.showMapCheckBox,
            ui.showPlotCheckBox,
        ):
            box.checked = False
        for result in self.results:
            for browser in result.browsers():
                browser.SetPlaybackActive(False)
            show_moving(result, None)
        self.samples.keepSlices(False)
        with blocked(ui.backgroundComboBox) as combo:
            combo.currentIndex = combo.findData("fixed")
        if views is not None:
            restore_views(slicer.mrmlScene, views)

    def jump(self, point) -> None:
        """Centre all slice views on a point (RAS mm), and read out there."""
        from UncertainRegLib.scene.display import jump_to

        self.rememberViews()
        jump_to(slicer.mrmlScene, point)
        self.probe.moveTo(point)

    def _onResult(self) -> None:
        """Another result was chosen: what was shown of the one before is shown of this one."""
        from UncertainRegLib.scene.parents import run_parent

        isShown = self.ui.showMapCheckBox.checked
        self._showResult()
        with blocked(self.ui.showMapCheckBox) as box:
            box.checked = isShown
        moving = self.result.moving
        if isShown or (moving is not None and run_parent(moving) is not None):
            self.maps.showMoving()  # runs of the same volume take it from each other
        self.maps.showMap()

    def _showResult(self) -> None:
        result, ui = self.result, self.ui
        ui.resultsCollapsibleButton.visible = result is not None
        ui.resultComboBox.visible = ui.resultComboBoxLabel.visible = len(self.results) > 1
        ui.verdictLabel.text = "<br>".join(verdict(result)) if result is not None else ""
        ui.verdictLabel.visible = ui.verdictLabel.text != ""
        for section in (*self._sections, self.strays):
            section.show(result)


def verdict(result) -> list[str]:
    """What is known about a run as a whole, one line of HTML each."""
    from UncertainRegLib.backbones.competence import ENOUGH
    from UncertainRegLib.results import steadiness
    from UncertainRegLib.results.given import in_words

    lines = []
    if result.given is not None:
        title = result.transform.GetAttribute("UncertainReg.Title")
        lines += map(translated, in_words(result.given, title))
    if result.before_after is not None:
        lines += improvement(result.before_after)
    if (
        result.competence is not None
        and result.competence.warnings
        and all(part >= ENOUGH for part in result.competence.followed.values())
    ):
        # it follows too much, or the check failed
        lines += map(translated, result.competence.warnings)
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
    lines += map(translated, steadiness.in_words(sampling))
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
    """Name of a run in the list: which volumes, how, and when."""
    names = [node.GetName() for node in (result.moving, result.fixed) if node is not None]
    node = result.transform or next(iter(result.maps.values()))
    said = [node.GetAttribute(f"UncertainReg.{key}") for key in ("Title", "Method", "Time")]
    return " · ".join([_(" to ").join(names) or result.run, *filter(None, said)])
