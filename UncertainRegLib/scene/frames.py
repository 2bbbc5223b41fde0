"""The one place where LPS (files, the library) and RAS (MRML) meet; both in mm."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from ..geometry import Grid
from .parents import native_matrix

_FLIP = np.array([-1.0, -1.0, 1.0])


def lps_to_ras(vectors) -> np.ndarray:
    """Points, directions or displacements (..., 3) from LPS to RAS; the same call goes back."""
    vectors = np.asarray(vectors)
    return vectors * _FLIP.astype(vectors.dtype if vectors.dtype.kind == "f" else np.float64)


def ijk_to_ras(grid: Grid) -> vtk.vtkMatrix4x4:
    """Voxel index (i, j, k) to RAS mm, as volume nodes want it."""
    return vtk_matrix(np.diag([*_FLIP, 1.0]) @ grid.affine)


def grid_of(node: slicer.vtkMRMLVolumeNode) -> Grid:
    """Grid (LPS mm) of a volume node."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    shape = node.GetImageData().GetDimensions()[::-1]
    return Grid(shape, np.diag([*_FLIP, 1.0]) @ slicer.util.arrayFromVTKMatrix(matrix))


def world_grid(node: slicer.vtkMRMLVolumeNode) -> Grid:
    """Grid (LPS mm) of a volume node where the user had it: maps and samples lie there.

    Raises:
        ValueError: it is under a deformable transform of the user.
    """
    flip, grid = np.diag([*_FLIP, 1.0]), grid_of(node)
    return Grid(grid.shape, flip @ native_matrix(node) @ flip @ grid.affine)


def vtk_matrix(matrix: np.ndarray) -> vtk.vtkMatrix4x4:
    """A 4x4 numpy matrix as a VTK matrix."""
    result = vtk.vtkMatrix4x4()
    result.DeepCopy(np.asarray(matrix, dtype=np.float64).ravel().tolist())
    return result
