"""The choices of a run: registration, method and paths, between parameter node and widgets."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from ..choices import choices, methodsOf, perturbs
from ..controls import blocked
from ..parameters import methodSettings


class SettingsSection:
    """What Slicer does not bind by itself: combo boxes with names of the library, and paths.

    Attributes:
        parameters: the parameter node to follow and to change, or None.
    """

    def __init__(self, ui) -> None:
        self.ui, self.parameters = ui, None
        self._combos = {
            "backbone": ui.backboneComboBox,
            "method": ui.methodComboBox,
            "perturbation": ui.perturbationComboBox,
            "sirSource": ui.sirSourceComboBox,
            "device": ui.deviceComboBox,
            "tolerances": ui.tolerancesComboBox,
        }
        self._hidden: list[str] = []  # identifiers of nodes that are not offered
        self.offer()
        for combo in self._combos.values():
            combo.connect("currentIndexChanged(int)", self._onChoice)
        self._paths = {
            "resultsFolder": ui.resultsPathLineEdit,
            "sirWeights": ui.sirWeightsPathLineEdit,
            "tolerancesFile": ui.tolerancesPathLineEdit,
        }
        for path in self._paths.values():
            path.connect("currentPathChanged(QString)", self._onChoice)

    def offer(self) -> None:
        """Fill the combo boxes with what the library has, and say what is not installed."""
        self._methodsOf = ""  # the registration whose methods are offered
        for name, offered in choices().items():
            self._offer(name, offered)

    def show(self) -> None:
        """Combo boxes and paths follow the parameter node; what does not apply is hidden."""
        parameters, ui = self.parameters, self.ui
        if parameters.backbone != self._methodsOf:
            self._methodsOf = parameters.backbone
            self._offer("method", methodsOf(parameters.backbone))
        for name, combo in self._combos.items():
            with blocked(combo):
                combo.currentIndex = combo.findData(getattr(parameters, name))
        for name, path in self._paths.items():
            if path.currentPath != getattr(parameters, name):
                with blocked(path):  # else the paths not yet set would be taken for choices
                    path.currentPath = getattr(parameters, name)
        isSir, source = parameters.method == "sir", parameters.sirSource
        shown = perturbs(parameters.method, methodSettings(parameters))
        ui.perturbationComboBox.visible = ui.perturbationComboBoxLabel.visible = shown
        ui.sirWidget.visible = isSir
        ui.sirWeightsPathLineEdit.visible = source == "trained"
        ui.sirWeightsPathLineEditLabel.visible = source == "trained"
        ui.inverseCheckBox.enabled = parameters.transform is None
        ui.samplesSpinBoxLabel.text = _("Kept of them:") if isSir else _("Samples:")

    def hideMaps(self) -> None:
        """What shows a result is no image to register, and no mask: it is not offered."""
        from UncertainRegLib.scene.inputs import ROLES
        from UncertainRegLib.scene.nodes import ROLE

        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        maps = [
            node.GetID() for node in volumes if (node.GetAttribute(ROLE) or "fixed") not in ROLES
        ]
        if maps != self._hidden:
            self._hidden = maps
            ui = self.ui
            masks = (ui.fixedMaskSelector, ui.movingMaskSelector)
            for selector in (ui.fixedSelector, ui.movingSelector, ui.doseSelector, *masks):
                selector.sortFilterProxyModel().hiddenNodeIDs = maps

    def _offer(self, name: str, offered: list[tuple[str, str, str]]) -> None:
        """Fill a combo box with (name in the job, title, tooltip)."""
        with blocked(self._combos[name]) as combo:
            combo.clear()
            for value, title, toolTip in offered:
                combo.addItem(title, value)
                combo.setItemData(combo.count - 1, toolTip, qt.Qt.ToolTipRole)

    def _onChoice(self) -> None:
        """A combo box or a path was changed by the user."""
        if self.parameters is None:
            return
        with slicer.util.NodeModify(self.parameters):
            for name, combo in self._combos.items():
                if combo.currentIndex >= 0:
                    setattr(self.parameters, name, combo.itemData(combo.currentIndex))
            for name, path in self._paths.items():
                setattr(self.parameters, name, path.currentPath)
