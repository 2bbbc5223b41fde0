"""The transforms above a node: the user's own linear ones, and on top of them those of a run."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from .nodes import RUN
from .slices import nodes_of_class


def is_of_a_run(transform: slicer.vtkMRMLTransformNode) -> bool:
    """Did a run put it into the scene? The proxy of a sequence may have lost its attributes."""
    if transform.GetAttribute(RUN):
        return True
    browsers = nodes_of_class(transform.GetScene(), "vtkMRMLSequenceBrowserNode")
    return any(b.GetAttribute(RUN) and b.IsProxyNode(transform.GetID()) for b in browsers)


def users_parents(node: slicer.vtkMRMLTransformableNode) -> list[slicer.vtkMRMLTransformNode]:
    """The user's transforms above a node, from the node upwards, up to those of a run."""
    found, parent = [], node.GetParentTransformNode()
    while parent is not None and not is_of_a_run(parent):
        found.append(parent)
        parent = parent.GetParentTransformNode()
    return found


def run_parent(node: slicer.vtkMRMLTransformableNode) -> slicer.vtkMRMLTransformNode | None:
    """The transform of a run that a node is under, or None."""
    parent = node.GetParentTransformNode()
    while parent is not None and not is_of_a_run(parent):
        parent = parent.GetParentTransformNode()
    return parent


def native_matrix(node: slicer.vtkMRMLTransformableNode) -> np.ndarray:
    """4x4, RAS mm: from a node to where the user had it, under no transform of a run.

    Raises:
        ValueError: one of the user's transforms is not linear.
    """
    result = np.eye(4)
    for parent in users_parents(node):
        if not parent.IsLinear():
            raise ValueError(
                f"{node.GetName()} is under the deformable transform {parent.GetName()}; harden it."
            )
        step = vtk.vtkMatrix4x4()
        parent.GetMatrixTransformToParent(step)
        result = slicer.util.arrayFromVTKMatrix(step) @ result
    return result


def release(node: slicer.vtkMRMLTransformableNode) -> None:
    """Take a node out of the transform of a run, if it is under one.

    All else that is under that transform belongs to the same image and comes along.
    """
    parent = run_parent(node)
    if parent is None:
        return
    for other in nodes_of_class(node.GetScene(), "vtkMRMLTransformableNode"):
        if other.GetParentTransformNode() is parent:
            other.SetAndObserveTransformNodeID(None)


def put_under(
    node: slicer.vtkMRMLTransformableNode,
    transform: slicer.vtkMRMLTransformNode | None,
    fixed: slicer.vtkMRMLTransformableNode | None,
) -> bool:
    """Put a moving node, with the user's linear transforms above it, under one of a run.

    What else the user keeps under those transforms comes along: it belongs to the moving image.

    Returns:
        False if that cannot be done: one of the transforms deforms, or holds the fixed image too.
    """
    chain = users_parents(node)
    fixed_chain = users_parents(fixed) if fixed is not None else []
    if any(not parent.IsLinear() or parent in fixed_chain for parent in chain):
        return False
    top = chain[-1] if chain else node
    top.SetAndObserveTransformNodeID(transform.GetID() if transform is not None else None)
    return True
