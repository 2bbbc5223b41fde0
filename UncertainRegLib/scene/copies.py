"""A scene imported on top of itself: its runs are there twice, and each needs its own name."""

from __future__ import annotations

import uuid

import slicer
import vtk

from . import nodes


def tagged(scene: slicer.vtkMRMLScene) -> set[str]:
    """Identifiers of the nodes of all runs."""
    return {node.GetID() for run in nodes.runs(scene) for node in nodes.of_run(scene, run)}


def rename_copies(scene: slicer.vtkMRMLScene, before: set[str]) -> None:
    """Give runs that were imported, though the scene had them, a name of their own.

    Args:
        before: what `tagged` said before the import.
    """
    for run in nodes.runs(scene):
        found = nodes.of_run(scene, run)
        copies = [node for node in found if node.GetID() not in before]
        if len(copies) == len(found):  # it is new
            continue
        new = uuid.uuid4().hex[:12]
        for node in copies:
            node.SetAttribute(nodes.RUN, new)
            if node.IsA("vtkMRMLSequenceNode"):  # the proxy gets the attributes of its item
                for index in range(node.GetNumberOfDataNodes()):
                    node.GetNthDataNode(index).SetAttribute(nodes.RUN, new)
        tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        items = vtk.vtkIdList()
        tree.GetItemChildren(tree.GetSceneItemID(), items, True)
        for item in (items.GetId(index) for index in range(items.GetNumberOfIds())):
            inside = vtk.vtkIdList()
            tree.GetItemChildren(item, inside)
            children = [
                tree.GetItemDataNode(inside.GetId(i)) for i in range(inside.GetNumberOfIds())
            ]
            if tree.GetItemAttribute(item, nodes.RUN) == run and any(c in copies for c in children):
                tree.SetItemAttribute(item, nodes.RUN, new)
