"""The slice views of a scene: what they show, and where they are."""

from __future__ import annotations

import slicer

SHOWS = "UncertainReg.shows"  # node reference of a volume that shows a map in colours of its own


def slice_views(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLSliceCompositeNode]:
    """What the slice views show; there are such nodes even without a window."""
    return nodes_of_class(scene, "vtkMRMLSliceCompositeNode")


def map_in(view: slicer.vtkMRMLSliceCompositeNode) -> str:
    """Identifier of the map in front in a slice view, also where another volume stands for it; ''
    without one."""
    node = view.GetScene().GetNodeByID(view.GetForegroundVolumeID() or "")
    shown = node.GetNodeReference(SHOWS) if node is not None else None
    return "" if node is None else (shown or node).GetID()


def slice_nodes(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLSliceNode]:
    """Where the slice views are."""
    return nodes_of_class(scene, "vtkMRMLSliceNode")


def nodes_of_class(scene: slicer.vtkMRMLScene, class_name: str) -> list[slicer.vtkMRMLNode]:
    """All nodes of a class, in scene order."""
    found = scene.GetNodesByClass(class_name)
    found.UnRegister(None)
    return [found.GetItemAsObject(i) for i in range(found.GetNumberOfItems())]
