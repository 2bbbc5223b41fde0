"""Where nodes are seen in the world, their linear transforms included."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _


class InputsError(ValueError):
    """A node cannot be used; the message names it and says what to do."""


def linearToWorld(node: slicer.vtkMRMLTransformableNode, without=None) -> vtk.vtkMatrix4x4:
    """The 4x4 matrix (RAS mm) of the transforms above a node.

    Transforms that an earlier run put there do not count: every run starts from the same place. Nor
    does the transform ``without``, or any above it.
    """
    from UncertainRegLib.scene.parents import users_parents

    matrix = vtk.vtkMatrix4x4()
    for parent in users_parents(node):
        if parent is without:
            break
        if not parent.IsLinear():
            raise InputsError(
                _(
                    "“{name}” is under the deformable transform “{transform}”; "
                    "harden it or take the node out of it."
                ).format(name=node.GetName(), transform=parent.GetName())
            )
        step = vtk.vtkMatrix4x4()
        parent.GetMatrixTransformToParent(step)
        vtk.vtkMatrix4x4.Multiply4x4(step, matrix, matrix)
    return matrix


def worldImage(array: np.ndarray, ijkToRas: vtk.vtkMatrix4x4, node, without=None):
    from UncertainRegLib.geometry import Grid, Image

    matrix = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Multiply4x4(linearToWorld(node, without), ijkToRas, matrix)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ slicer.util.arrayFromVTKMatrix(matrix)
    if array.ndim != 3:
        raise InputsError(
            _("“{name}” has {count} values per voxel; choose a volume with one.").format(
                name=node.GetName(), count=array.shape[-1]
            )
        )
    return Image(array, Grid(array.shape, affine))  # sheared ones are resampled when read
