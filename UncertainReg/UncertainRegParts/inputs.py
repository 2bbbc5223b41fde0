"""The chosen nodes as files for the worker: NRRD images and CSV points, in LPS mm.

A linear transform above a node is folded into what is written; the nodes are not changed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy


class InputsError(ValueError):
    """A node cannot be used; the message names it and says what to do."""


def writeInputs(fixed, moving, segmentation, landmarks, folder: Path, fixedSegmentation=None,
                fixedLandmarks=None, fixedMask=None, movingMask=None) -> dict:
    """Write the input nodes to ``folder``; all but the volumes may be None.

    ``segmentation`` and ``landmarks`` are on the moving volume. Those on the fixed one only judge,
    and are left out where there is nothing on the moving one to compare them with.

    Returns:
        The entries of the job: fixed, moving, moving_labels, moving_points, label_names,
        fixed_labels, fixed_points, fixed_mask, moving_mask.

    Raises:
        InputsError: a node is empty or under a transform that is not linear.
    """
    from UncertainRegLib.geometry import write_image

    folder.mkdir(parents=True, exist_ok=True)
    job = {}
    for name, node in (("fixed", fixed), ("moving", moving)):
        job[name] = str(folder / f"{name}.nrrd")
        write_image(volumeImage(node), job[name], compress=False)
    if segmentation is not None:
        job["moving_labels"] = str(folder / "moving_labels.seg.nrrd")
        job["label_names"] = _writeSegmentation(segmentation, job["moving_labels"])
    if landmarks is not None:
        job |= _writeLandmarks(landmarks, fixedLandmarks, folder)
    if segmentation is not None and fixedSegmentation is not None:
        job["fixed_labels"] = str(folder / "fixed_labels.nrrd")
        write_image(matchingImage(fixedSegmentation, segmentation), job["fixed_labels"])
    for name, node in (("fixed_mask", fixedMask), ("moving_mask", movingMask)):
        if node is not None:
            job[name] = str(folder / f"{name}.nrrd")
            write_image(maskImage(node), job[name])
    return job


def maskImage(node):
    """A segmentation (all its segments) or a label map as a mask ``Image`` of 0 and 1."""
    from UncertainRegLib.geometry import Image

    if node.IsA("vtkMRMLSegmentationNode"):
        image = segmentationImage(node)
    else:
        image = volumeImage(node)
    mask = (image.array != 0).astype(np.uint8)
    if not mask.any():
        raise InputsError(_("The mask “{name}” is empty; choose none or another one.").format(
            name=node.GetName()))
    return Image(mask, image.grid)


def volumeImage(node: slicer.vtkMRMLScalarVolumeNode):
    """A volume node as an ``Image`` where it is seen in the world."""
    if node.GetImageData() is None or node.GetImageData().GetNumberOfPoints() == 0:
        raise InputsError(_("The volume “{name}” is empty; load or choose another one.").format(
            name=node.GetName()))
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return _worldImage(slicer.util.arrayFromVolume(node), matrix, node)


def _writeSegmentation(node: slicer.vtkMRMLSegmentationNode, path: str) -> dict[str, str]:
    """Write a label map with the colours of the segments. Returns {label: segment name}."""
    import SimpleITK as sitk

    from UncertainRegLib.geometry.image import to_sitk

    image = to_sitk(segmentationImage(node))
    names = {str(index): name for index, name in enumerate(_names(node), 1)}
    for index in range(len(names)):
        segment = node.GetSegmentation().GetNthSegment(index)
        # The keys of Slicer's .seg.nrrd; names go into the job, where any letter is allowed.
        color = " ".join(f"{value:.4f}" for value in segment.GetColor())
        image.SetMetaData(f"Segment{index}_LabelValue", str(index + 1))
        image.SetMetaData(f"Segment{index}_Color", color)
    sitk.WriteImage(image, path, False)
    return names


def matchingImage(node: slicer.vtkMRMLSegmentationNode, other: slicer.vtkMRMLSegmentationNode):
    """A segmentation as a label ``Image`` with the labels that ``other`` gets, matched by name.

    Segments that ``other`` does not have become background.
    """
    from UncertainRegLib.geometry import Image

    image, wanted = segmentationImage(node), _names(other)
    if not set(_names(node)) & set(wanted):
        raise InputsError(_("No segment of “{name}” has the name of one of “{other}”.").format(
            name=node.GetName(), other=other.GetName()))
    labels = [0] + [wanted.index(name) + 1 if name in wanted else 0 for name in _names(node)]
    return Image(np.array(labels, dtype=image.array.dtype)[image.array], image.grid)


def _names(node: slicer.vtkMRMLSegmentationNode) -> list[str]:
    segmentation = node.GetSegmentation()
    count = segmentation.GetNumberOfSegments()
    return [segmentation.GetNthSegment(index).GetName() for index in range(count)]


def segmentationImage(node: slicer.vtkMRMLSegmentationNode):
    """All segments as one label ``Image`` in the segmentation's own geometry.

    Labels are 1, 2, ... in the order of the segments; where segments overlap the later one wins.
    """
    segmentation = node.GetSegmentation()
    count = segmentation.GetNumberOfSegments()
    if count == 0:
        raise InputsError(_("The segmentation “{name}” has no segments; choose none.").format(
            name=node.GetName()))
    segmentation.CreateRepresentation("Binary labelmap")
    merged, ids = slicer.vtkOrientedImageData(), vtk.vtkStringArray()
    for index in range(count):
        ids.InsertNextValue(segmentation.GetNthSegmentID(index))
    # Padded: a voxel of background all around, so that nothing grows beyond the edge.
    mode = slicer.vtkSegmentation.EXTENT_UNION_OF_SEGMENTS_PADDED
    if not node.GenerateMergedLabelmapForAllSegments(merged, mode, None, ids):
        raise InputsError(_("The segmentation “{name}” cannot be made into a label map.").format(
            name=node.GetName()))
    scalars = merged.GetPointData().GetScalars()
    if scalars is None:
        raise InputsError(_("The segmentation “{name}” is empty; draw in it or choose none.")
                          .format(name=node.GetName()))
    low = merged.GetExtent()[::2]
    shape = tuple(reversed(merged.GetDimensions()))
    array = vtk_to_numpy(scalars).reshape(shape)
    matrix, offset = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    merged.GetImageToWorldMatrix(matrix)
    for axis in range(3):
        offset.SetElement(axis, 3, low[axis])
    vtk.vtkMatrix4x4.Multiply4x4(matrix, offset, matrix)
    return _worldImage(array, matrix, node)


def _writeLandmarks(moving, fixed, folder: Path) -> dict[str, str]:
    """Write the points of one or two nodes; says in their names why they are not pairs."""
    from UncertainRegLib.geometry.files import InputError, unsaid
    from UncertainRegLib.geometry.landmarks import write_points
    from UncertainRegLib.jobs.pairs import pair_points

    job, points = {}, []
    for name, node in (("moving_points", moving), ("fixed_points", fixed)):
        if node is not None:
            points.append(landmarkPoints(node))
            job[name] = str(folder / f"{name}.csv")
            write_points(*points[-1], job[name])
    if fixed is not None:
        try:  # the worker says the rest
            pair_points(*points, (f"“{moving.GetName()}”", f"“{fixed.GetName()}”"), unsaid)
        except InputError as error:
            raise InputsError(str(error)) from None
    return job


def landmarkPoints(node: slicer.vtkMRMLMarkupsFiducialNode) -> tuple[list[str], np.ndarray]:
    """Labels and positions, (P, 3) LPS mm, NaN for a point that is not placed."""
    count = node.GetNumberOfControlPoints()
    placed = [node.GetNthControlPointPositionStatus(i) == node.PositionDefined
              for i in range(count)]
    if not any(placed):
        raise InputsError(_("“{name}” has no points; choose no landmarks or place some.").format(
            name=node.GetName()))
    labels = [node.GetNthControlPointLabel(i) for i in range(count)]
    points = slicer.util.arrayFromMarkupsControlPoints(node)
    matrix = slicer.util.arrayFromVTKMatrix(_linearToWorld(node))
    points = (points @ matrix[:3, :3].T + matrix[:3, 3]) * (-1.0, -1.0, 1.0)
    return labels, np.where(np.array(placed)[:, None], points, np.nan)


def _linearToWorld(node: slicer.vtkMRMLTransformableNode) -> vtk.vtkMatrix4x4:
    """The 4x4 matrix (RAS mm) of the transforms above a node.

    Transforms that an earlier run put there do not count: every run starts from the same place.
    """
    from UncertainRegLib.scene.parents import users_parents

    matrix = vtk.vtkMatrix4x4()
    for parent in users_parents(node):
        if not parent.IsLinear():
            raise InputsError(_("“{name}” is under the deformable transform “{transform}”; "
                                "harden it or take it out of it.").format(
                                    name=node.GetName(), transform=parent.GetName()))
        step = vtk.vtkMatrix4x4()
        parent.GetMatrixTransformToParent(step)
        vtk.vtkMatrix4x4.Multiply4x4(step, matrix, matrix)
    return matrix


def _worldImage(array: np.ndarray, ijkToRas: vtk.vtkMatrix4x4, node):
    from UncertainRegLib.geometry import Grid, Image

    matrix = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Multiply4x4(_linearToWorld(node), ijkToRas, matrix)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ slicer.util.arrayFromVTKMatrix(matrix)
    if array.ndim != 3:
        raise InputsError(_("“{name}” has {count} values per voxel; choose a volume with one.")
                          .format(name=node.GetName(), count=array.shape[-1]))
    return Image(array, Grid(array.shape, affine))  # sheared ones are resampled when read
