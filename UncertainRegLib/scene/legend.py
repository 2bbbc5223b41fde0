"""The colour legend of the map that is shown: one, small, in one slice view."""

from __future__ import annotations

import slicer

from .colors import display_of, displays_of
from .log_colors import is_log, log_scale, remove_log_scale
from .nodes import MAP, ROLE, RUN
from .slices import nodes_of_class, slice_nodes, slice_views

MARKS, DECADE_MARKS = 5, 3
_CHOSEN = "UncertainReg.Legend"  # attribute of the slice view that has it
_FONT = 12  # points
_BACKING = 0.6  # opacity of the dark ground that keeps it readable on bright tissue


def add_legend(
    node: slicer.vtkMRMLScalarVolumeNode, title: str, of: slicer.vtkMRMLDisplayNode | None = None
) -> slicer.vtkMRMLColorLegendDisplayNode:
    """Give a map its colour legend at the upper right of a view.

    Args:
        of: the display with the colours to explain, by default that of the map.
    """
    legend = node.GetScene().AddNewNodeByClass(
        "vtkMRMLColorLegendDisplayNode", f"{node.GetName()} legend"
    )
    legend.SetAndObservePrimaryDisplayNode(of or display_of(node))
    node.AddAndObserveDisplayNodeID(legend.GetID())
    legend.SetTitleText(title)
    legend.SetMaxNumberOfColors(256)
    legend.SetSize(0.08, 0.3)
    legend.SetPosition(0.98, 0.9)
    for text in (legend.GetTitleTextProperty(), legend.GetLabelTextProperty()):
        text.SetFontSize(_FONT)
        text.SetBackgroundColor(0.0, 0.0, 0.0)
        text.SetBackgroundOpacity(_BACKING)
    legend.SetVisibility(False)  # until its map is shown
    legend.Modified()  # attaching it to the volume does not make the views draw it
    return legend


def legend_of(node: slicer.vtkMRMLDisplayableNode) -> slicer.vtkMRMLColorLegendDisplayNode | None:
    """The colour legend of a map or model, or None."""
    found = [one for one in displays_of(node) if one.IsA("vtkMRMLColorLegendDisplayNode")]
    return found[0] if found else None


def fit_legend(node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Let the numbers of a legend follow the window of its map, and its logarithm."""
    legend, display = legend_of(node), display_of(node)
    if legend is None or display is None:
        return
    if is_log(node):
        legend.SetAndObservePrimaryDisplayNode(log_scale(node))
        legend.SetNumberOfLabels(DECADE_MARKS)
        legend.SetLabelFormat("%g")
    else:
        legend.SetAndObservePrimaryDisplayNode(display)
        remove_log_scale(node)
        legend.SetNumberOfLabels(MARKS)
        legend.SetLabelFormat(
            number_format(display.GetWindowLevelMin(), display.GetWindowLevelMax())
        )


def number_format(low: float, high: float) -> str:
    """As few decimals, but at least one, as it takes to write all marks differently."""
    marks = [low + (high - low) * mark / (MARKS - 1) for mark in range(MARKS)]
    for decimals in range(1, 5):
        if len({f"{mark:.{decimals}f}" for mark in marks}) == MARKS:
            return f"%.{decimals}f"
    return "%.2g"


def refresh_legends(scene: slicer.vtkMRMLScene) -> None:
    """Call after changing the layers of a view: a legend is seen only with its map, in one view."""
    places = {node.GetLayoutName(): node for node in slice_nodes(scene)}
    for volume in nodes_of_class(scene, "vtkMRMLScalarVolumeNode"):
        legend = legend_of(volume) if volume.GetAttribute(RUN) else None
        if legend is None:
            continue
        shown = [
            places[view.GetLayoutName()]
            for view in slice_views(scene)
            if view.GetForegroundVolumeID() == volume.GetID() and view.GetLayoutName() in places
        ]
        if shown:
            if volume.GetAttribute(ROLE).startswith(MAP):
                fit_legend(volume)
            best = min(shown, key=lambda view: (not view.IsMappedInLayout(), not _is_chosen(view)))
            legend.SetViewNodeIDs([best.GetID()])
        if shown or legend.GetVisibility():
            legend.SetVisibility(bool(shown))
            legend.Modified()  # it does not notice the layer by itself


def put_legend_in(scene: slicer.vtkMRMLScene, layout_name: str) -> None:
    """Choose the slice view ("Red", ...) that has the legend, also those of maps to come."""
    for view in slice_nodes(scene):
        if view.GetLayoutName() == layout_name:
            view.SetAttribute(_CHOSEN, "1")
        else:
            view.RemoveAttribute(_CHOSEN)
    refresh_legends(scene)


def chosen_view(scene: slicer.vtkMRMLScene) -> str:
    """Name of the slice view that was chosen, empty if none was."""
    return next((view.GetLayoutName() for view in slice_nodes(scene) if _is_chosen(view)), "")


def _is_chosen(view: slicer.vtkMRMLSliceNode) -> bool:
    return bool(view.GetAttribute(_CHOSEN))
