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
GREYED = " grey"  # end of the name of a table whose colours turn grey in steps
SHADES = 63  # of each step, before neighbours become one
STEPS = (1, 3, 9, 63)  # so many shades become one, from the surest to the least sure


def color_table(scene: slicer.vtkMRMLScene, name: str) -> slicer.vtkMRMLColorTableNode:
    """The colour table node of that name in `palette`, made once per scene.

    'inferno log' and 'viridis log' spread the colours over the logarithm: two decades below the
    upper end of the window (which has to start at 0). 'inferno log scale' has the same colours for
    a legend whose own scale is logarithmic. 'viridis grey' has nothing at 0 and then its colours as
    often as there are `STEPS`, each time greyer and with fewer shades.
    """
    table = _find(scene, name)
    if table is not None:
        return table
    table = _new(scene, name, 256)
    rows = colors(base_name(name)) / 255.0
    if name.endswith(GREYED):
        rows = _greyed(rows)
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


def base_name(table: str) -> str:
    """Name in `palette` of the colours that a table was made of."""
    for end in (LOG_SCALE, LOGARITHMIC, GREYED):
        table = table.removesuffix(end)
    return table


def _greyed(rows: np.ndarray) -> np.ndarray:
    """(256, 3) the colours of a value-suppressing table; the first and the last few are not used."""
    grey, found = np.full(3, 0.55), np.zeros((256, 3))
    for level, step in enumerate(STEPS):
        shade = np.arange(SHADES) // step * step + step // 2
        share = level / (len(STEPS) - 1)
        part = rows[np.round(255 * (shade + 0.5) / SHADES).astype(int)]
        found[1 + level * SHADES :][:SHADES] = (1 - share) * part + share * grey
    return found


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
