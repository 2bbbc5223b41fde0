"""Samples that lie far from all others: named, and left out on one click."""

from __future__ import annotations

import logging

import slicer
from slicer.i18n import tr as _

from ..wording import translated


class StraySection:
    """The check box; its state is kept in the parameter node, what is shown in the nodes."""

    def __init__(self, panel) -> None:
        self.panel, self.ui = panel, panel.ui
        self.ui.leaveOutStraysCheckBox.connect("toggled(bool)", self._apply)

    def show(self, result) -> None:
        """Name the stray samples of a run, and show it as the check box says."""
        from UncertainRegLib.scene.strays import can_leave_out

        box = self.ui.leaveOutStraysCheckBox
        box.visible = result is not None and bool(result.strays)
        if not box.visible:
            return
        worst = sorted(result.strays.items(), key=lambda one: -one[1])
        names = ", ".join(
            _("{number} ({mm} mm off)").format(number=index + 1, mm=f"{mm:.1f}")
            for index, mm in worst[:3]
        ) + (", …" if len(worst) > 3 else "")
        box.enabled = can_leave_out(result)
        text = (
            _("Leave out stray samples: {names}")
            if box.enabled
            else _("Stray samples are left out: {names}")
            if result.leaves_out_strays
            else _("Stray samples are included: {names}")
        )
        box.text = text.format(names=names)
        self._apply()

    def _apply(self) -> None:
        """Bring the chosen run to what the check box says, where its files still allow it."""
        from UncertainRegLib.scene.result import leave_out_strays
        from UncertainRegLib.scene.strays import can_leave_out

        result, wanted = self.panel.result, self.ui.leaveOutStraysCheckBox.checked
        if result is None or result.leaves_out_strays == wanted or not can_leave_out(result):
            return
        try:
            with slicer.util.WaitCursor():
                leave_out_strays(result, wanted)
        except (ValueError, OSError, RuntimeError) as error:
            logging.exception("UncertainReg: the result cannot be read")
            slicer.util.errorDisplay(translated(str(error)))
            return
        self.panel.refresh()
        self.panel.tables.refreshSurfaces()
