"""A map that turns grey where the samples disagree, so that no value catches the eye there.

The more they disagree, the fewer shades are told apart, down to one grey: a value-suppressing
palette (Correll, Moritz and Heer, CHI 2018).
"""

from __future__ import annotations

import numpy as np
import slicer

from ..geometry import Image
from ..results.maps import DISAGREEMENT
from . import nodes
from .colors import GREYED, SHADES, STEPS, color_table, display_of, displays_of
from .frames import grid_of
from .legend import MARKS, add_legend, legend_of, number_format
from .log_colors import colors_of, window
from .maps import set_image
from .result_nodes import ResultNodes
from .slices import SHOWS

VALUES = ("displacement_mm", "jacobian")  # maps of the registration, which are sure or not


def can_be_grey(result: ResultNodes, name: str) -> bool:
    """Is it a map of the registration, and is the disagreement there, too?"""
    needed = [result.maps.get(one) for one in (name, DISAGREEMENT)]
    return name in VALUES and all(node is not None and display_of(node) for node in needed)


def suppressed(result: ResultNodes, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """A map with its colours, greyer in four steps up to the end of the window of the disagreement.

    The one volume of the run for that is filled anew; its numbers are those of colours.
    """
    volume, unsure = result.maps[name], result.maps[DISAGREEMENT]
    display = display_of(volume)
    low, high = window(volume)
    values, disagreement = (slicer.util.arrayFromVolume(node) for node in (volume, unsure))
    hidden = ~np.isfinite(values) | ~np.isfinite(disagreement)
    hidden |= values < display.GetLowerThreshold()
    with np.errstate(invalid="ignore"):
        shade = (SHADES * (values - low) / (high - low)).clip(0, SHADES - 1)
        level = (len(STEPS) * disagreement / window(unsure)[1]).clip(0, len(STEPS) - 1)
    shade, level = (np.where(hidden, 0, part).astype(np.uint8) for part in (shade, level))
    index = np.where(hidden, 0, 1 + level * np.uint8(SHADES) + shade).astype(np.uint8)
    node, is_new = nodes.find_or_add(
        result.scene, result.run, "suppressed", "vtkMRMLScalarVolumeNode", "Grey where unsure"
    )
    if is_new:
        node.CreateDefaultDisplayNodes()
        shown = display_of(node)
        shown.SetInterpolate(False)  # between two colours lies a third one
        shown.AutoWindowLevelOff()
        shown.SetWindowLevelMinMax(0, 255)
        shown.AutoThresholdOff()
        shown.SetThreshold(1, 255)
        shown.ApplyThresholdOn()
        scale = slicer.vtkMRMLScalarVolumeDisplayNode()  # of the legend: nothing is drawn with it
        scale.AutoWindowLevelOff()
        node.AddAndObserveDisplayNodeID(result.scene.AddNode(scale).GetID())
        add_legend(node, "", scale)
    _explain(node, volume)
    table = color_table(result.scene, f"{colors_of(volume)}{GREYED}")
    display_of(node).SetAndObserveColorNodeID(table.GetID())
    node.SetNodeReferenceID(SHOWS, volume.GetID())
    set_image(node, Image(index, grid_of(volume)))
    nodes.put_in_folder(result.scene, result.run, "UncertainReg", result.fixed)
    return node


def _explain(node: slicer.vtkMRMLScalarVolumeNode, volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """The legend of the map, as a legend of the volume that stands for it."""
    legend, scale = legend_of(node), displays_of(node)[1]
    if legend is None or scale is legend:  # somebody deleted one of them
        return
    low, high = window(volume)
    table = color_table(node.GetScene(), colors_of(volume))
    scale.SetAndObserveColorNodeID(table.GetID())
    scale.SetWindowLevelMinMax(low, high)
    legend.SetTitleText(f"{volume.GetName()}\ngrey: unsure")
    legend.SetNumberOfLabels(MARKS)
    legend.SetLabelFormat(number_format(low, high))
