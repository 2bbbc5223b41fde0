"""Colours of a map by the logarithm of its values, two decades below the end of the window.

The values, and what is hidden, stay as they are. The window ends at a round number meanwhile, so
that the marks of the legend, a decade apart, are round, too.
"""

from __future__ import annotations

import math

import slicer

from ..palette import SEQUENTIAL
from .colors import (
    DECADES,
    LOG_SCALE,
    LOGARITHMIC,
    base_name,
    color_table,
    display_of,
    displays_of,
    table_name,
)

_WINDOW = "UncertainReg.LinearWindow"  # as it is without the logarithm
_SCALE = "UncertainReg.LogScale"  # marks the display that only the legend follows


def can_be_log(node: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Has the map a colour table, and a window from 0 on, for which a logarithm makes sense?"""
    display = display_of(node)
    if display is None:
        return False
    return colors_of(node) in SEQUENTIAL and display.GetWindowLevelMin() == 0.0


def colors_of(node: slicer.vtkMRMLScalarVolumeNode) -> str:
    """Name in `palette` of the colours of a map, with or without a logarithm; '' for a table of
    Slicer or the user."""
    display = display_of(node)
    return "" if display is None else base_name(table_name(display))


def set_colors(node: slicer.vtkMRMLScalarVolumeNode, name: str) -> None:
    """Give a map other colours of `palette`; a logarithm stays."""
    table = name + (LOGARITHMIC if is_log(node) else "")
    display_of(node).SetAndObserveColorNodeID(color_table(node.GetScene(), table).GetID())


def is_log(node: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Does the map show its logarithm?"""
    display = display_of(node)
    return display is not None and table_name(display).endswith(LOGARITHMIC)


def set_log(node: slicer.vtkMRMLScalarVolumeNode, log: bool) -> None:
    """Colour a map by the logarithm of its values, or by the values.

    Nothing happens to a map for which that makes no sense (``can_be_log``).
    """
    if not can_be_log(node) or is_log(node) == log:
        return
    display, (low, high) = display_of(node), window(node)
    table = colors_of(node) + (LOGARITHMIC if log else "")
    display.SetAndObserveColorNodeID(color_table(node.GetScene(), table).GetID())
    if not log:
        node.RemoveAttribute(_WINDOW)
    set_window(node, low, high)


def window(node: slicer.vtkMRMLScalarVolumeNode) -> tuple[float, float]:
    """Window of a map as it is without the logarithm."""
    display = display_of(node)
    shown = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    text = node.GetAttribute(_WINDOW)
    if text is None or not is_log(node):
        return shown
    low, high = map(float, text.split())
    by_hand = not math.isclose(shown[1], _round_up(high)) or shown[0] != 0.0
    return shown if by_hand else (low, high)


def set_window(node: slicer.vtkMRMLScalarVolumeNode, low: float, high: float) -> None:
    """Give a map this window; where it shows its logarithm, up to the next round number."""
    if is_log(node):
        node.SetAttribute(_WINDOW, f"{low} {high}")
        low, high = 0.0, _round_up(high)
    display_of(node).SetWindowLevelMinMax(low, high)


def log_scale(node: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLDisplayNode:
    """The display that a legend with marks a decade apart belongs to: nothing is drawn with it.

    It is not saved with the scene, where its colours would lose the logarithm.
    """
    scene, display = node.GetScene(), display_of(node)
    scale = _scale_of(node)
    if scale is None:
        scale = slicer.vtkMRMLScalarVolumeDisplayNode()
        scale.SetAttribute(_SCALE, "1")
        scale.AutoWindowLevelOff()  # before it sees the volume: it costs a histogram
        scale.SetSaveWithScene(False)
        scale = scene.AddNode(scale)
        node.AddAndObserveDisplayNodeID(scale.GetID())
    table = color_table(scene, colors_of(node) + LOG_SCALE)
    scale.SetAndObserveColorNodeID(table.GetID())
    high = display.GetWindowLevelMax()
    scale.SetWindowLevelMinMax(high / 10**DECADES, high)
    return scale


def remove_log_scale(node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Nothing belongs to it any more."""
    scale = _scale_of(node)
    if scale is not None:
        node.GetScene().RemoveNode(scale)


def _scale_of(node: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLDisplayNode | None:
    return next((one for one in displays_of(node) if one.GetAttribute(_SCALE)), None)


def _round_up(value: float) -> float:
    """The next of ..., 0.5, 1, 2, 3, 5, 10, ..."""
    decade = 10.0 ** math.floor(math.log10(value))
    return next(step * decade for step in (1, 2, 3, 5, 10) if value <= step * decade * (1 + 1e-9))
