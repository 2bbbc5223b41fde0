"""The calibrated 95 % bound on the legend of the disagreement map."""

from __future__ import annotations

import slicer

from ..results.calibration import Calibration, on_legend
from .colors import legend_of


def show_bound(
    node: slicer.vtkMRMLScalarVolumeNode | None, calibration: Calibration | None
) -> None:
    """State the bound on the legend of the disagreement map, or take it away again."""
    legend = legend_of(node) if node is not None else None
    if legend is None:
        return
    title = legend.GetTitleText().splitlines()[0]  # what the user may have made of it stays
    text = "\n".join(filter(None, (title, on_legend(calibration))))
    if legend.GetTitleText() != text:
        legend.SetTitleText(text)
