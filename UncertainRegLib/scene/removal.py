"""Taking a run out of the scene, with all that belongs to it."""

from __future__ import annotations

import slicer

from . import inputs, nodes
from .collect import collect
from .colors import remove_unused_tables
from .parents import release, run_parent
from .result_nodes import ResultNodes


def remove_result(result: ResultNodes) -> None:
    """Remove a run: its nodes, what draws and stores them, its folder, and colours nobody needs.

    Inputs of the user go back to their own place, and so do those read from files for this run
    that another run needs.
    """
    scene = result.scene
    for browser in result.browsers():
        browser.SetPlaybackActive(False)
    own = [node for node in result.all_nodes() if node.IsA("vtkMRMLTransformNode")]
    for name in inputs.ROLES:
        node = getattr(result, name)
        if node is not None and run_parent(node) in own:
            release(node)
    needed = _needed_by_others(scene, result.run)
    _remove(scene, result, needed)


def remove_leftovers(scene: slicer.vtkMRMLScene) -> list[str]:
    """Remove what is left of runs whose registration and maps were all deleted.

    Returns:
        Their result folders.
    """
    folders = []
    for run in nodes.runs(scene):
        result = collect(scene, run)
        if result.transform is None and not result.maps:
            left = nodes.of_run(scene, run)
            folders += {node.GetAttribute("UncertainReg.Folder") or "" for node in left}
            kept = [node for node in left if node.GetAttribute(nodes.ROLE) in inputs.ROLES]
            _remove(scene, result, kept)
    return [folder for folder in folders if folder]


def _remove(scene: slicer.vtkMRMLScene, result: ResultNodes, kept: list) -> None:
    """Remove nodes with what draws and stores them; those to keep lose their tags only."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = nodes.find_folder(scene, result.run)
    # Browsers first: they make their proxies again.
    for node in [*result.browsers(), *result.proxies(), *nodes.of_run(scene, result.run)]:
        if node.GetScene() is None:
            continue
        item = tree.GetItemByDataNode(node)
        if node in kept:
            for name in node.GetAttributeNames():
                if name.startswith("UncertainReg."):
                    node.RemoveAttribute(name)
            if folder and item and tree.GetItemParent(item) == folder:
                tree.SetItemParent(item, tree.GetItemParent(folder))
            continue
        helpers = _helpers(node)
        if item:
            tree.RemoveItem(item, False, False)
        for each in (node, *helpers):
            if each.GetScene() is not None:
                scene.RemoveNode(each)
    if folder:
        tree.RemoveItem(folder, False, False)
    remove_unused_tables(scene)


def _needed_by_others(scene: slicer.vtkMRMLScene, run: str) -> list[slicer.vtkMRMLNode]:
    return [
        node
        for other in nodes.runs(scene)
        if other != run
        for node in inputs.linked(nodes.find(scene, other, "transform")).values()
        if node is not None
    ]


def _helpers(node: slicer.vtkMRMLNode) -> list[slicer.vtkMRMLNode]:
    """The nodes that draw and store a node."""
    found = []
    if node.IsA("vtkMRMLDisplayableNode"):
        found += [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
    if node.IsA("vtkMRMLStorableNode"):
        found += [node.GetNthStorageNode(n) for n in range(node.GetNumberOfStorageNodes())]
    return [helper for helper in found if helper is not None]
