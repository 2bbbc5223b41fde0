"""What does the disagreement of the samples mean for a dose? Table, histograms and maps of it."""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from ..controls import connectAll, fillTable
from ..wording import translated
from .evaluating import Evaluating
from .tables import saveTable
from .validate import recordOf


class DoseSection:
    """A dose volume goes through every sample, in the worker; the result keeps what it found."""

    def __init__(self, panel) -> None:
        from UncertainRegLib.geometry.dose_file import UNITS
        from UncertainRegLib.results.maps import OF_DOSE

        self.panel, self.ui = panel, panel.ui
        ui = self.ui
        self._layout = None  # that of before the histogram
        self._isThere = False  # the folder of the run
        self._evaluating = Evaluating(panel, self._showProgress, OF_DOSE)
        ui.doseTable.verticalHeader().visible = False
        ui.doseTable.verticalHeader().setDefaultSectionSize(24)
        ui.doseSideComboBox.addItem(_("Moving volume"), "moving")
        ui.doseSideComboBox.addItem(_("Fixed volume"), "fixed")
        ui.doseUnitComboBox.addItem(_("Choose"), "")
        for unit in UNITS:
            ui.doseUnitComboBox.addItem(unit, unit)
        connectAll(
            (ui.doseSelector, "currentNodeChanged(vtkMRMLNode*)", self._onDose),
            (ui.doseUnitComboBox, "currentIndexChanged(int)", self._showProgress),
            (ui.doseButton, "clicked(bool)", self._onStart),
            (ui.doseCancelButton, "clicked(bool)", self._evaluating.cancel),
            (ui.doseTable, "cellClicked(int,int)", self._onRow),
            (ui.histogramCheckBox, "toggled(bool)", self._onHistogram),
            (ui.doseCsvButton, "clicked(bool)", self._onSave),
        )

    def show(self, result) -> None:
        """Fill the section from a run."""
        self._isThere = result is not None and recordOf(result) is not None
        if result is None:
            return
        ui, table = self.ui, result.dose_table
        said = [] if result.dose is None else list(map(translated, result.dose.warnings))
        if result.dose is not None:
            said.insert(
                0,
                _("By the registration, and 5 and 95 % of {count} samples.").format(
                    count=result.dose.samples
                ),
            )
        ui.doseLabel.text = " ".join(said)
        ui.doseLabel.visible = bool(said)
        for widget in (ui.doseTable, ui.histogramCheckBox, ui.doseCsvButton):
            widget.visible = table is not None
        if table is not None:
            fillTable(ui.doseTable, table)
        self._showProgress()

    def removeObservers(self) -> None:
        """The scene is closed, or the panel: stop the worker, give the layout back."""
        self._evaluating.kill()
        self.ui.histogramCheckBox.checked = False

    def _onDose(self, node) -> None:
        """A volume that knows its unit says it."""
        combo = self.ui.doseUnitComboBox
        combo.currentIndex = max(0, combo.findData(unitOf(node) if node is not None else ""))
        self._showProgress()

    def _onStart(self) -> None:
        """Write the dose beside the result and start the worker."""
        from ..worker.inputs import InputsError, writeDose

        ui, result = self.ui, self.panel.result
        side = ui.doseSideComboBox.currentData
        try:
            files = writeDose(
                ui.doseSelector.currentNode(),
                ui.doseStructuresSelector.currentNode(),
                result.fixed if side == "moving" else result.moving,
                Path(result.folder) / "dose",
            )
        except (InputsError, OSError) as error:
            slicer.util.errorDisplay(
                _("The dose cannot be used: {reason}").format(reason=translated(str(error)))
            )
            return
        options = [text for name, file in files.items() for text in (f"--{name}", file)]
        options += ["--side", side, "--unit", ui.doseUnitComboBox.currentData]
        self._evaluating.start("dose", *options, "--limit", f"{ui.doseLimitSpinBox.value:g}")

    def _onRow(self, row: int, column: int) -> None:
        from UncertainRegLib.scene.dose import show_histogram

        name = self.ui.doseTable.item(row, 0).text()
        show_histogram(self.panel.result.scene, self.panel.result.run, name)

    def _onHistogram(self, show: bool) -> None:
        """The histogram beside the slices, or the layout from before."""
        from UncertainRegLib.scene.plots import restore_layout, show_chart

        if not show:
            restore_layout(slicer.mrmlScene, self._layout)
            self._layout = None
            return
        result = self.panel.result
        if result is not None and result.dose_chart is not None:
            self._layout = show_chart(result.scene, result.dose_chart)

    def _onSave(self) -> None:
        saveTable(self.panel.result.dose_table, "dose.csv")

    def _showProgress(self) -> None:
        """Buttons and message follow the inputs and the worker."""
        ui, active = self.ui, self._evaluating.isActive
        dose = ui.doseSelector.currentNode()
        missing = ""
        if self.panel.result is not None and not self._isThere:
            missing = _("The files of this run are gone: no dose can be seen through its samples.")
        elif dose is not None and not ui.doseUnitComboBox.currentData:
            missing = _("“{name}” does not say its unit: choose it.").format(name=dose.GetName())
        ui.doseButton.enabled = self._isThere and dose is not None and not missing and not active
        ui.doseButton.text = (
            _("Seeing the dose") if active else _("See the dose through the samples")
        )
        ui.doseCancelButton.visible = active
        ui.doseStatusLabel.text = self._evaluating.message or missing
        ui.doseStatusLabel.visible = ui.doseStatusLabel.text != ""


def unitOf(node) -> str:
    """The unit that a dose volume says, one of `dose_file.UNITS`; empty where it says none."""
    from UncertainRegLib.geometry.dose_file import UNITS

    units = node.GetVoxelValueUnits()
    said = units.GetCodeValue() if units is not None else ""
    if not said:  # as SlicerRT writes it
        tree = slicer.mrmlScene.GetSubjectHierarchyNode()
        item = tree.GetItemByDataNode(node) if tree is not None else 0
        said = tree.GetItemAttribute(item, "DicomRtImport.DoseUnitName") if item else ""
    known = {unit.lower(): unit for unit in UNITS}
    return known.get((said or "").lower(), "")
