"""Which node of the scene belongs to which run: attributes, and a subject hierarchy folder."""

from __future__ import annotations

from pathlib import Path

import slicer
import vtk

from .steps import Steps

RUN = "UncertainReg.Run"
ROLE = "UncertainReg.Role"
MAP = "map:"  # start of the role of a map; its name in result.json follows
_FILE = "UncertainReg.File"
# Sequences and browsers have no place in the data tree of Slicer
_LISTED = (
    "vtkMRMLVolumeNode",
    "vtkMRMLTransformNode",
    "vtkMRMLTableNode",
    "vtkMRMLModelNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLPlotSeriesNode",
    "vtkMRMLPlotChartNode",
)


def runs(scene: slicer.vtkMRMLScene) -> list[str]:
    """The runs in the scene, in scene order."""
    return list(dict.fromkeys(node.GetAttribute(RUN) for node in _tagged(scene)))


def of_run(scene: slicer.vtkMRMLScene, run: str) -> list[slicer.vtkMRMLNode]:
    """All nodes of a run, in scene order."""
    return [node for node in _tagged(scene) if node.GetAttribute(RUN) == run]


def find(scene: slicer.vtkMRMLScene, run: str, role: str) -> slicer.vtkMRMLNode | None:
    """The node with this role in this run, or None."""
    for node in of_run(scene, run):
        if node.GetAttribute(ROLE) == role:
            return node
    return None


def _tagged(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLNode]:
    collection = scene.GetNodes()
    nodes = (collection.GetItemAsObject(i) for i in range(collection.GetNumberOfItems()))
    return [node for node in nodes if node.GetAttribute(RUN)]


def find_or_add(
    scene: slicer.vtkMRMLScene, run: str, role: str, class_name: str, name: str
) -> tuple[slicer.vtkMRMLNode, bool]:
    """The node with this role, made if the run has none yet. Returns (node, is new)."""
    node = find(scene, run, role)
    if node is not None:
        return node, False
    node = scene.CreateNodeByClass(class_name)
    node.UnRegister(None)  # the Python variable holds it; Create... gave us one reference more
    node.SetName(scene.GenerateUniqueName(name))
    tag(node, run, role)
    return scene.AddNode(node), True


def tag(node: slicer.vtkMRMLNode, run: str, role: str) -> None:
    """Write run and role into the node's attributes."""
    node.SetAttribute(RUN, run)
    node.SetAttribute(ROLE, role)


def fill(
    scene: slicer.vtkMRMLScene,
    run: str,
    role: str,
    class_name: str,
    name: str,
    path: Path,
    read,
    show,
    warnings: list[str],
) -> Steps[slicer.vtkMRMLNode | None]:
    """The node with this role, filled by ``show(node, read(path))`` in two steps, unless it is
    from that very file.

    A file that cannot be read becomes a warning, and the node keeps what it had; None if there was
    no node yet.
    """
    node, is_new = find(scene, run, role), False
    if node is not None and is_current(node, path):
        return node
    version = version_of(path)  # before reading: a newer file must not pass for read
    try:
        content = read(path)
        yield
        node, is_new = find_or_add(scene, run, role, class_name, name)
        show(node, content)
    except (RuntimeError, ValueError) as error:
        warnings.append(cannot_read(path, error))
        if is_new:
            scene.RemoveNode(node)
            return None
        return node
    node.SetAttribute(_FILE, version)
    return node


def cannot_read(path: Path, error: Exception) -> str:
    """The warning about a file that was left out."""
    return f"{path.name}: cannot be read ({str(error).strip().splitlines()[-1]})."


def set_attributes(node: slicer.vtkMRMLNode, values: dict[str, str]) -> None:
    """Write attributes as one modification, or none where nothing changes.

    Each modification of a transform draws anew whatever hangs below it.
    """
    changed = {name: text for name, text in values.items() if node.GetAttribute(name) != text}
    if changed:
        blocked = node.StartModify()
        for name, text in changed.items():
            node.SetAttribute(name, text)
        node.EndModify(blocked)


def set_version(node: slicer.vtkMRMLNode, version: str) -> None:
    """Remember from which version of a file a node was filled."""
    node.SetAttribute(_FILE, version)


def is_current(node: slicer.vtkMRMLNode, path: Path) -> bool:
    """Was the node filled from this very version of the file?

    Live refinement calls every second; unchanged files must not be read again.
    """
    return node.GetAttribute(_FILE) == version_of(path)


def version_of(path: Path) -> str:
    """Name, size and time of a file: two versions of it differ."""
    try:
        status = path.stat()
    except OSError:  # the worker has just replaced it
        return f"{path.name} is gone"
    return f"{path.name} {status.st_size} {status.st_mtime_ns}"


def put_in_folder(
    scene: slicer.vtkMRMLScene, run: str, name: str, beside: slicer.vtkMRMLNode | None
) -> int:
    """Gather the run in its folder, made next to the node ``beside``. Returns its item id."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = find_folder(scene, run)
    if not folder:
        neighbour = tree.GetItemByDataNode(beside) if beside else 0
        parent = tree.GetItemParent(neighbour) if neighbour else tree.GetSceneItemID()
        folder = tree.CreateFolderItem(parent, name)
        tree.SetItemAttribute(folder, RUN, run)
    for node in of_run(scene, run):
        if any(node.IsA(class_name) for class_name in _LISTED):
            # items make themselves in Slicer, but not outside it
            item = tree.GetItemByDataNode(node) or tree.CreateItem(folder, node)
            if tree.GetItemParent(item) != folder:
                tree.SetItemParent(item, folder)
    return folder


def find_folder(scene: slicer.vtkMRMLScene, run: str) -> int:
    """Subject hierarchy item id of the run's folder, 0 if there is none."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = vtk.vtkIdList()
    tree.GetItemChildren(tree.GetSceneItemID(), items, True)
    for index in range(items.GetNumberOfIds()):
        if tree.GetItemAttribute(items.GetId(index), RUN) == run:
            return items.GetId(index)
    return 0
