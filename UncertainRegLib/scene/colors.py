"""Colour tables.

The tables are nodes of the scene, as Slicer's own perceptual ones are files of the application.
"""

from __future__ import annotations

import numpy as np
import slicer

from ..palette import colors
from .slices import nodes_of_class

_ATTRIBUTE = "UncertainReg.ColorTable"
LOGARITHMIC = " log"  # end of the name of a table that shows the logarithm
LOG_SCALE = " log scale"  # end of the name of the table for its legend
DECADES = 2  # of the window that a logarithmic table spans


def color_table(scene: slicer.vtkMRMLScene, name: str) -> slicer.vtkMRMLColorTableNode:
    """The colour table node of that name in `palette`, made once per scene.

    'inferno log' and 'viridis log' spread the colours over the logarithm: two decades below the
    upper end of the window (which has to start at 0). 'inferno log scale' has the same colours for
    a legend whose own scale is logarithmic.
    """
    table = _find(scene, name)
    if table is not None:
        return table
    table = _new(scene, name, 256)
    rows = colors(name.removesuffix(LOG_SCALE).removesuffix(LOGARITHMIC)) / 255.0
    if name.endswith(LOGARITHMIC):
        share = 1.0 + np.log10(np.arange(1, 257) / 256.0) / DECADES
        rows = rows[np.round(255 * share.clip(0.0)).astype(int)]
    for index, rgb in enumerate(rows):
        table.SetColor(index, f"{name} {index}", *rgb.tolist(), 1.0)
    if name.endswith(LOG_SCALE):
        table.GetLookupTable().SetTableRange(1.0, 10.0**DECADES)  # a logarithm has no 0
        table.GetLookupTable().SetScaleToLog10()
        table.SetSaveWithScene(False)  # the scale would be lost
    return scene.AddNode(table)


def hatch_table(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLColorTableNode:
    """The colours of a label map of lines, made once per scene: nothing, and a grey
    that is seen on dark and on bright tissue."""
    table = _find(scene, "hatch")
    if table is not None:
        return table
    table = _new(scene, "hatch", 2)
    table.SetColor(0, "known", 0.0, 0.0, 0.0, 0.0)
    table.SetColor(1, "nothing known here", 0.5, 0.5, 0.55, 1.0)
    return scene.AddNode(table)


def _find(scene: slicer.vtkMRMLScene, name: str) -> slicer.vtkMRMLColorTableNode | None:
    tables = nodes_of_class(scene, "vtkMRMLColorTableNode")
    return next((table for table in tables if table.GetAttribute(_ATTRIBUTE) == name), None)


def _new(scene: slicer.vtkMRMLScene, name: str, colors: int) -> slicer.vtkMRMLColorTableNode:
    """A table that is not in the scene yet."""
    table = slicer.vtkMRMLColorTableNode()
    table.SetTypeToUser()
    table.SetName(scene.GenerateUniqueName(f"UncertainReg {name}"))
    table.SetAttribute(_ATTRIBUTE, name)
    table.SetAttribute("Category", "UncertainReg")
    table.SetHideFromEditors(False)  # hidden colour nodes would not be saved with the scene
    table.SetNumberOfColors(colors)
    return table


def remove_unused_tables(scene: slicer.vtkMRMLScene) -> None:
    """Remove the tables made here by which nothing is coloured any more."""
    used = {display.GetColorNodeID() for display in nodes_of_class(scene, "vtkMRMLDisplayNode")}
    for table in nodes_of_class(scene, "vtkMRMLColorTableNode"):
        if table.GetAttribute(_ATTRIBUTE) and table.GetID() not in used:
            scene.RemoveNode(table)


def table_name(display: slicer.vtkMRMLDisplayNode) -> str:
    """Name of the table made here that a display node uses, '' if it is another one."""
    node = display.GetColorNode()
    return (node.GetAttribute(_ATTRIBUTE) or "") if node is not None else ""


def display_of(node: slicer.vtkMRMLDisplayableNode) -> slicer.vtkMRMLDisplayNode | None:
    """How a map or model is drawn, None where somebody deleted that: its legend may still be there."""
    for display in displays_of(node):
        if display.IsA("vtkMRMLColorLegendDisplayNode"):
            continue
        if not table_name(display).endswith(LOG_SCALE):  # that of the legend
            return display
    return None


def displays_of(node: slicer.vtkMRMLDisplayableNode) -> list[slicer.vtkMRMLDisplayNode]:
    """All display nodes of a node, its legend among them."""
    found = [node.GetNthDisplayNode(i) for i in range(node.GetNumberOfDisplayNodes())]
    return [display for display in found if display is not None]
