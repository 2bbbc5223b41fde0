"""The colours of the chosen map: which table, logarithmic, grey where unsure, from which value on."""

from __future__ import annotations

import math

from slicer.i18n import tr as _

from ..controls import blocked, connectAll


class ColorSection:
    """Colour chooser, logarithm and threshold of the map; all of it is kept in its display node."""

    def __init__(self, panel) -> None:
        self.panel, self.ui = panel, panel.ui
        connectAll(
            (self.ui.thresholdSlider, "valueChanged(double)", self._onThreshold),
            (self.ui.logCheckBox, "toggled(bool)", self._onLog),
            (self.ui.colorsComboBox, "currentIndexChanged(int)", self._onColors),
        )

    @property
    def name(self) -> str:
        """Name in result.json of the chosen map; empty if there is none."""
        return self.panel.maps.name

    def show(self, result) -> None:
        """The controls follow the display of the chosen map."""
        from UncertainRegLib.palette import SIGNED
        from UncertainRegLib.scene.colors import display_of
        from UncertainRegLib.scene.log_colors import can_be_log, colors_of, is_log
        from UncertainRegLib.scene.suppressed import can_be_grey

        node = result.maps.get(self.name) if result is not None else None
        display = display_of(node) if node is not None else None
        if display is None:
            return
        with blocked(self.ui.logCheckBox) as box:
            box.checked = is_log(node)
            box.enabled = can_be_log(node)
        self.ui.greyCheckBox.enabled = can_be_grey(result, self.name)
        self._offerColors(colors_of(node))
        isTwoColoured = colors_of(node) in SIGNED  # nothing in it is merely low
        self.ui.thresholdSlider.visible = self.ui.thresholdSliderLabel.visible = not isTwoColoured
        low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
        unit = node.GetAttribute("UncertainReg.Unit") or ""
        with blocked(self.ui.thresholdSlider) as slider:
            slider.suffix = f" {unit}" if unit else ""
            slider.minimum, slider.maximum = min(low, 0.0), high + (high - low)
            magnitude = math.floor(math.log10(max(high - low, 1e-3)))
            slider.decimals, slider.singleStep = max(2, 2 - magnitude), 10.0 ** (magnitude - 1)
            slider.value = display.GetLowerThreshold()

    def _onThreshold(self, value: float) -> None:
        from UncertainRegLib.scene.display import set_threshold

        result = self.panel.result
        if result is not None and self.name in result.maps:
            set_threshold(result, self.name, value)
            self._makeGreyAgain()

    def _offerColors(self, chosen: str) -> None:
        """The colours that suit a map with these."""
        from UncertainRegLib.palette import SEQUENTIAL, SIGNED

        names = {
            "inferno": _("Inferno: black, red, yellow"),
            "viridis": _("Viridis: violet, green, yellow"),
            "cividis": _("Cividis: blue, grey, yellow"),
            "plasma": _("Plasma: blue, pink, yellow"),
            "magma": _("Magma: violet, pink, white"),
            "grey": _("Grey"),
            "diverging": _("Blue and orange"),
            "purple-green": _("Purple and green"),
        }
        offered = next((table for table in (SEQUENTIAL, SIGNED) if chosen in table), ())
        with blocked(self.ui.colorsComboBox) as combo:
            combo.clear()
            for name in offered:
                combo.addItem(names[name], name)
            combo.currentIndex = combo.findData(chosen)
            combo.enabled = bool(offered)  # else the map, or the user, has others

    def _onColors(self) -> None:
        from UncertainRegLib.scene.display import color_by

        result, chosen = self.panel.result, self.ui.colorsComboBox.currentData
        if result is not None and self.name in result.maps and chosen:
            color_by(result, self.name, chosen)
            self._makeGreyAgain()

    def _onLog(self, log: bool) -> None:
        from UncertainRegLib.scene.display import color_by_log

        result = self.panel.result
        if result is not None and self.name in result.maps:
            color_by_log(result, self.name, log)
            self.show(result)

    def _makeGreyAgain(self) -> None:
        """Another volume stands for the map where that turns grey: it follows."""
        if self.ui.greyCheckBox.checked and self.ui.greyCheckBox.enabled:
            self.panel.maps.showMap()
