"""Displacement field file to MRML transform node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..geometry import DisplacementField, Grid, read_field
from ..geometry.field_file import MEANING
from .frames import ijk_to_ras, lps_to_ras


def read_transform(path: Path) -> slicer.vtkOrientedGridTransform:
    """A displacement field file (vector NRRD, mm LPS, fixed space) as a VTK grid transform."""
    return grid_transform(read_field(path))


def set_field(
    node: slicer.vtkMRMLTransformNode, transform: slicer.vtkOrientedGridTransform
) -> None:
    """Fill a transform node with a displacement field.

    A displacement field maps fixed points to moving points, which in MRML is "from parent": the
    moving volume under this node is drawn in the fixed space.
    """
    node.SetAndObserveTransformFromParent(transform)
    # A saved scene cannot hold the interpolation; Slicer shows this text in its data tree.
    node.SetDescription(
        f"Displacement field: {MEANING['vectors']}. Between voxels: {MEANING['between_voxels']}."
    )
    if node.GetScene() is not None and node.GetStorageNode() is None:
        store_compressed(node)


def store_compressed(node: slicer.vtkMRMLTransformNode) -> None:
    """Have a displacement field saved as .nii.gz: the usual .h5 is more than twice as large."""
    storage = node.GetStorageNode()
    if storage is None:
        storage = node.GetScene().AddNode(slicer.vtkMRMLTransformStorageNode())
        node.SetAndObserveStorageNodeID(storage.GetID())
    storage.SetDefaultWriteFileExtension("nii.gz")


def grid_transform(field: DisplacementField) -> slicer.vtkOrientedGridTransform:
    """The same map as a VTK grid transform: RAS mm, float32, linear interpolation."""
    matrix = ijk_to_ras(field.grid)
    image = vtk.vtkImageData()
    image.SetDimensions(*field.grid.size.tolist())
    image.SetOrigin([matrix.GetElement(row, 3) for row in range(3)])
    image.SetSpacing(field.grid.spacing.tolist())
    image.AllocateScalars(vtk.VTK_FLOAT, 3)
    # Written where VTK keeps them: a field of a whole brain has 80 MB.
    vectors = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(field.vectors.shape)
    np.multiply(field.vectors, lps_to_ras(np.ones(3, np.float32)), out=vectors)
    direction = vtk.vtkMatrix4x4()
    for row in range(3):
        for column in range(3):
            spacing = field.grid.spacing[column]
            direction.SetElement(row, column, matrix.GetElement(row, column) / spacing)
    transform = slicer.vtkOrientedGridTransform()
    transform.SetGridDirectionMatrix(direction)
    transform.SetDisplacementGridData(image)
    transform.SetInterpolationModeToLinear()
    return transform


def make_linear(node: slicer.vtkMRMLTransformNode | None) -> None:
    """Interpolate linearly again: fields read from a saved scene are cubic (0.4 mm off, slower)."""
    transform = node.GetTransformFromParentAs("vtkOrientedGridTransform", False) if node else None
    if transform is not None:
        transform.SetInterpolationModeToLinear()


def field_of(node: slicer.vtkMRMLTransformNode) -> DisplacementField:
    """The displacement field (mm LPS, float32) that a grid transform node was filled with.

    Raises:
        ValueError: the node holds another kind of transform.
    """
    transform = node.GetTransformFromParentAs("vtkOrientedGridTransform", False)
    if transform is None or transform.GetDisplacementGrid() is None:
        raise ValueError(f"{node.GetName()} holds no displacement field.")
    image = transform.GetDisplacementGrid()
    matrix = np.eye(4)
    direction = transform.GetGridDirectionMatrix()
    if direction is not None:
        matrix[:3, :3] = slicer.util.arrayFromVTKMatrix(direction)[:3, :3]
    matrix[:3, :3] *= image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    shape = image.GetDimensions()[::-1]
    vectors = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(*shape, 3)
    grid = Grid(shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix)
    return DisplacementField(lps_to_ras(vectors.astype(np.float32, copy=False)), grid)
