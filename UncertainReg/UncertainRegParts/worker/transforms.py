"""A transform node as a file for the worker: fixed to moving points, LPS mm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

SLAB = 250_000  # points at a time


def writeTransform(node: slicer.vtkMRMLTransformNode, grid, file: Path) -> str:
    """Write what a transform node does to the volumes under it, with all that is above it.

    In MRML a moving volume is put under its registration, so that the fixed point is mapped "from
    the parent". A grid transform that stands alone is written as it is; other deformable ones
    (B-splines, composites, inverses) are sampled at the voxels of the fixed image.

    Args:
        node: linear, B-spline, grid, thin-plate spline or composite.
        grid: of the fixed image (``UncertainRegLib.geometry.Grid``, LPS mm).
        file: where; it ends in .nrrd, and a linear transform gets .tfm instead.

    Returns:
        The file: an ITK transform where it is linear, else a displacement field.
    """
    from UncertainRegLib.geometry import DisplacementField, write_field
    from UncertainRegLib.scene.transform import field_of

    file.parent.mkdir(exist_ok=True)
    if node.IsTransformToWorldLinear():
        return _writeLinear(node, file.with_suffix(".tfm"))
    if node.GetParentTransformNode() is None and not _isInverse(node):
        try:
            write_field(field_of(node), file)
            return str(file)
        except ValueError:  # no grid transform alone
            pass
    write_field(DisplacementField(_sampled(node, grid), grid), file)
    return str(file)


def _isInverse(node: slicer.vtkMRMLTransformNode) -> bool:
    """Is what is stored the way to the parent, so that the other is computed?"""
    transform = node.GetTransformFromParentAs("vtkOrientedGridTransform", False)
    return transform is None or bool(transform.GetInverseFlag())


def _writeLinear(node: slicer.vtkMRMLTransformNode, file: Path) -> str:
    """The matrix from the world, RAS, as an ITK transform in LPS."""
    import SimpleITK as sitk

    matrix, flip = vtk.vtkMatrix4x4(), np.diag([-1.0, -1.0, 1.0, 1.0])
    node.GetMatrixTransformFromWorld(matrix)
    lps = flip @ slicer.util.arrayFromVTKMatrix(matrix) @ flip
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(lps[:3, :3].ravel().tolist())
    transform.SetTranslation(lps[:3, 3].tolist())
    sitk.WriteTransform(transform, str(file))
    return str(file)


def _sampled(node: slicer.vtkMRMLTransformNode, grid) -> np.ndarray:
    """(Z, Y, X, 3) displacement in mm LPS at the voxels of the fixed image."""
    from UncertainRegLib.scene.frames import lps_to_ras

    transform = vtk.vtkGeneralTransform()
    node.GetTransformFromWorld(transform)
    points = lps_to_ras(grid.points().reshape(-1, 3))
    moved = np.empty_like(points)
    for start in range(0, len(points), SLAB):
        part, found = vtk.vtkPoints(), vtk.vtkPoints()
        part.SetData(numpy_to_vtk(np.ascontiguousarray(points[start : start + SLAB])))
        transform.TransformPoints(part, found)
        moved[start : start + SLAB] = vtk_to_numpy(found.GetData())
    return lps_to_ras(moved - points).reshape(*grid.shape, 3)
