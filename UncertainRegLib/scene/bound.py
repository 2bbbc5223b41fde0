"""The 95 % bound on the legend of the map that it is made of."""

from __future__ import annotations

import slicer

from ..results.expectation import Bound, on_legend
from .legend import legend_of


def show_bound(node: slicer.vtkMRMLScalarVolumeNode | None, bound: Bound | None) -> None:
    """State the bound on the legend of a map, or take it away again."""
    legend = legend_of(node) if node is not None else None
    if legend is None:
        return
    title = legend.GetTitleText().splitlines()[0]  # what the user may have made of it stays
    text = "\n".join(filter(None, (title, on_legend(bound))))
    if legend.GetTitleText() != text:
        legend.SetTitleText(text)
