"""Colour tables and colour legends.

The tables are nodes of the scene, as Slicer's own perceptual ones are files of the application.
"""

from __future__ import annotations

import slicer

from ..palette import colors

_ATTRIBUTE = "UncertainReg.ColorTable"


def color_table(scene: slicer.vtkMRMLScene, name: str) -> slicer.vtkMRMLColorTableNode:
    """The colour table node 'inferno', 'viridis' or 'diverging', made once per scene."""
    tables = scene.GetNodesByClass("vtkMRMLColorTableNode")
    tables.UnRegister(None)
    for i in range(tables.GetNumberOfItems()):
        if tables.GetItemAsObject(i).GetAttribute(_ATTRIBUTE) == name:
            return tables.GetItemAsObject(i)
    table = slicer.vtkMRMLColorTableNode()
    table.SetTypeToUser()
    table.SetName(scene.GenerateUniqueName(f"UncertainReg {name}"))
    table.SetAttribute(_ATTRIBUTE, name)
    table.SetAttribute("Category", "UncertainReg")
    table.SetHideFromEditors(False)  # hidden colour nodes would not be saved with the scene
    table.SetNumberOfColors(256)
    for index, rgb in enumerate(colors(name) / 255.0):
        table.SetColor(index, f"{name} {index}", *rgb.tolist(), 1.0)
    return scene.AddNode(table)


def add_legend(node: slicer.vtkMRMLDisplayableNode, title: str) -> None:
    """Give a node with one display node a colour legend at the right edge of the views."""
    legend = node.GetScene().AddNewNodeByClass(
        "vtkMRMLColorLegendDisplayNode", f"{node.GetName()} legend")
    legend.SetAndObservePrimaryDisplayNode(node.GetDisplayNode())
    node.AddAndObserveDisplayNodeID(legend.GetID())
    legend.SetTitleText(title)
    legend.SetLabelFormat("%.1f")
    legend.SetNumberOfLabels(5)
    legend.SetMaxNumberOfColors(256)
    legend.SetSize(0.09, 0.45)
    legend.SetPosition(0.98, 0.75)
    legend.GetTitleTextProperty().SetFontSize(14)
    legend.GetLabelTextProperty().SetFontSize(13)
    legend.Modified()  # attaching it to the volume does not make the views draw it


def legend_of(node: slicer.vtkMRMLDisplayableNode) -> slicer.vtkMRMLColorLegendDisplayNode | None:
    """The colour legend of a map or model, or None."""
    for i in range(node.GetNumberOfDisplayNodes()):
        display = node.GetNthDisplayNode(i)
        if display and display.IsA("vtkMRMLColorLegendDisplayNode"):
            return display
    return None
