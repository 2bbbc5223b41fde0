"""Where an image shows a body: maps say nothing about the air around it."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import slicer
import vtk


def body_mask(node: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray | None:
    """(Z, Y, X) boolean, False in the background around the body; None if there is none.

    Background is darker than half-way between the rim of the field of view and Otsu's threshold,
    and connected to the rim. The ends along the body do not count as rim: there the field of view
    cuts it, and the air inside (lungs, airways) must not leak out.
    """
    array = slicer.util.arrayFromVolume(node)
    rim = _rim(array.shape, _body_axis(node))
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(sitk.GetImageFromArray(array[::2, ::2, ::2].astype(np.float32)))
    air = float(np.median(array[rim]))
    if air > (float(array.min()) + otsu.GetThreshold()) / 2:
        return None  # the body fills the field of view
    dark = array < (air + otsu.GetThreshold()) / 2
    parts = sitk.GetArrayFromImage(sitk.ConnectedComponent(
        sitk.GetImageFromArray(dark.astype(np.uint8))))
    inside = np.ones(parts.max() + 1, bool)
    inside[parts[rim & dark]] = False
    return inside[parts]


def _body_axis(node: slicer.vtkMRMLScalarVolumeNode) -> int:
    """Array axis (0 = Z) that runs most nearly from feet to head."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASDirectionMatrix(matrix)
    return 2 - int(np.argmax([abs(matrix.GetElement(2, column)) for column in range(3)]))


def _rim(shape: tuple[int, ...], axis: int) -> np.ndarray:
    rim = np.zeros(shape, bool)
    for side in set(range(3)) - {axis}:
        for end in (0, -1):
            face = [slice(None)] * 3
            face[side] = end
            rim[tuple(face)] = True
    return rim
