"""A registration method that is not made for the two images, and one click to one that is."""

from __future__ import annotations

from slicer.i18n import tr as _


class FittingSection:
    """The sentence below the choice of the registration, from the run that found it.

    Attributes:
        onChoose: called with the name of the method that the user chose instead.
    """

    def __init__(self, ui) -> None:
        self.ui, self.onChoose = ui, lambda name: None
        self._name = ""
        ui.fittingButton.connect("clicked(bool)", lambda: self.onChoose(self._name))
        ui.fittingWidget.visible = False

    def show(self, run, parameters) -> None:
        """Follow a run, as long as the choices are those that it was started with."""
        ui = self.ui
        said = run is not None and run.unfit != "" and run.isOf(parameters)
        ui.fittingWidget.visible = said
        if not said:
            return
        self._name = run.fitting
        ui.fittingLabel.text = run.unfit
        ui.fittingButton.visible = self._name != ""
        title = ui.backboneComboBox.itemText(ui.backboneComboBox.findData(self._name))
        ui.fittingButton.text = (
            _("Stop, and choose {title}") if run.isActive else _("Choose {title}")
        ).format(title=title)
