"""Where an image shows the patient: maps say nothing about the air around."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from ..geometry.foreground import not_air


def foreground_mask(node: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray | None:
    """(Z, Y, X) boolean, False in the air around the patient; None if there is none."""
    return not_air(slicer.util.arrayFromVolume(node), _long_axis(node))


def _long_axis(node: slicer.vtkMRMLScalarVolumeNode) -> int:
    """Array axis (0 = Z) that runs most nearly from feet to head."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASDirectionMatrix(matrix)
    return 2 - int(np.argmax([abs(matrix.GetElement(2, column)) for column in range(3)]))
