"""The chosen nodes as files for the worker: NRRD images and CSV points, in LPS mm.

A linear transform above a node is folded into what is written; the nodes are not changed.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

LABELMAP = "Binary labelmap"
NODES = {  # entry of the job -> argument of `writeInputs`
    "fixed": "fixed",
    "moving": "moving",
    "moving_labels": "segmentation",
    "moving_points": "landmarks",
    "fixed_labels": "fixedSegmentation",
    "fixed_points": "fixedLandmarks",
    "fixed_mask": "fixedMask",
    "moving_mask": "movingMask",
    "transform": "transform",
}


class InputsError(ValueError):
    """A node cannot be used; the message names it and says what to do."""


def writeInputs(
    fixed,
    moving,
    segmentation,
    landmarks,
    folder: Path,
    fixedSegmentation=None,
    fixedLandmarks=None,
    fixedMask=None,
    movingMask=None,
    transform=None,
) -> dict:
    """Write the input nodes to ``folder``; all but the volumes may be None.

    ``segmentation`` and ``landmarks`` are on the moving volume. Those on the fixed one only judge,
    and are left out where there is nothing on the moving one to compare them with. ``transform`` is
    a registration to be judged; moving nodes under it are written as they lie without it.

    Returns:
        The entries of the job: fixed, moving, moving_labels, moving_points, fixed_labels,
        fixed_points, fixed_mask, moving_mask, transform.

    Raises:
        InputsError: a node is empty or under a transform that is not linear.
    """
    from UncertainRegLib.geometry import write_image

    folder.mkdir(parents=True, exist_ok=True)
    job = {}
    for name, node in (("fixed", fixed), ("moving", moving)):
        job[name] = str(folder / fileName(node, name))  # reports and errors name the file
        image = volumeImage(node, transform)
        Path(job[name]).parent.mkdir(exist_ok=True)
        write_image(image, job[name], compress=False)
    if segmentation is not None:
        job |= _writeSegmentations(
            (segmentation, moving), (fixedSegmentation, fixed), folder, transform
        )
    if landmarks is not None:
        job |= _writeLandmarks(landmarks, fixedLandmarks, folder, transform)
    for name, node, volume in (
        ("fixed_mask", fixedMask, fixed),
        ("moving_mask", movingMask, moving),
    ):
        if node is not None:
            job[name] = str(folder / f"{name}.nrrd")
            write_image(maskImage(node, volume, transform), job[name])
    if transform is not None:
        from .transforms import writeTransform

        file = folder / fileName(transform, "transform")
        grid = volumeImage(fixed, transform).grid
        job |= {"transform": [writeTransform(transform, grid, file)]}
    return job


def writeDose(dose, segmentation, volume, folder: Path) -> dict[str, str]:
    """Write a dose volume, and a segmentation on ``volume`` or None, for ``evaluate dose``.

    Returns:
        Its options "dose" and "structures", the latter only with a segmentation.

    Raises:
        InputsError: a node is empty or under a transform that is not linear.
    """
    from UncertainRegLib.geometry import write_image, write_segmentation

    folder.mkdir(exist_ok=True)
    files = {"dose": str(folder / fileName(dose, "dose"))}
    Path(files["dose"]).parent.mkdir(exist_ok=True)
    write_image(volumeImage(dose), files["dose"], compress=False)
    if segmentation is not None:
        files["structures"] = str(folder / "structures.seg.nrrd")
        write_segmentation(segmentationOf(segmentation, volume), files["structures"])
    return files


def namesOf(job: dict, nodes: dict) -> dict[str, str]:
    """What people call the inputs of a job: the names of the nodes (arguments of `writeInputs`)."""
    return {role: nodes[node].GetName() for role, node in NODES.items() if role in job}


def fileName(node: slicer.vtkMRMLVolumeNode, role: str) -> str:
    """A file name by which people know the volume, plain enough for every system.

    Two volumes of the same name are told apart by their folder, which is named by ``role``.
    """
    plain = re.sub(r"[^\w .-]", "_", node.GetName(), flags=re.ASCII).strip(" .")[:60] or role
    return f"{role}/{plain}.nrrd"


def maskImage(node, volume: slicer.vtkMRMLVolumeNode, without=None):
    """A segmentation (all its segments) or a label map as a mask ``Image`` of 0 and 1."""
    from UncertainRegLib.geometry import Image

    if node.IsA("vtkMRMLSegmentationNode"):
        image = segmentationOf(node, volume, without).foreground()
    else:
        image = volumeImage(node, without)
    mask = (image.array != 0).astype(np.uint8)
    if not mask.any():
        raise InputsError(
            _("The mask “{name}” is empty; choose none or another one.").format(name=node.GetName())
        )
    return Image(mask, image.grid)


def volumeImage(node: slicer.vtkMRMLScalarVolumeNode, without=None):
    """A volume node as an ``Image`` where it is seen in the world, or would be ``without`` a
    transform."""
    if node.GetImageData() is None or node.GetImageData().GetNumberOfPoints() == 0:
        raise InputsError(
            _("The volume “{name}” is empty; load or choose another one.").format(
                name=node.GetName()
            )
        )
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    array = slicer.util.arrayFromVolume(node)
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8:  # not every file format has them
        array = array.astype(np.float64)
    return _worldImage(array, matrix, node, without)


def segmentationOf(
    node: slicer.vtkMRMLSegmentationNode, volume: slicer.vtkMRMLVolumeNode, without=None
):
    """All segments, overlapping or not, as a ``Segmentation`` with the labels 1, 2, ...

    It has the segmentation's own voxels; surfaces get the voxels of ``volume``. Segments are
    called as in ``UncertainRegLib.scene.segments.names_of``.
    """
    from UncertainRegLib.geometry import Segmentation
    from UncertainRegLib.geometry.segmentation import packed
    from UncertainRegLib.scene.segments import names_of

    names = names_of(node)
    if not names:
        raise InputsError(
            _("The segmentation “{name}” has no segments; choose none.").format(name=node.GetName())
        )
    labels = {identifier: number for number, identifier in enumerate(names, 1)}
    source = _withLabelmaps(node, volume, without)
    if source.GetSegmentation().GetNumberOfLayers(LABELMAP) == 1:
        layers = [_onlyLayer(source, labels, node, without)]
    else:
        layers = packed(_mergedLayers(source, labels, node, without))
    colors = {
        labels[identifier]: list(node.GetSegmentation().GetSegment(identifier).GetColor())
        for identifier in labels
    }
    return Segmentation(tuple(layers), dict(enumerate(names.values(), 1)), colors)


def _onlyLayer(source: slicer.vtkMRMLSegmentationNode, labels: dict[str, int], node, without=None):
    """The label map that all segments share, cropped to them: merging them anew takes long."""
    from UncertainRegLib.geometry import Image

    segmentation, extent = source.GetSegmentation(), [0] * 6
    shared = segmentation.GetLayerDataObject(0, LABELMAP)
    if not slicer.vtkOrientedImageDataResample.CalculateEffectiveExtent(shared, extent):
        raise InputsError(_empty(node))
    whole = _labelImage(shared, node, without)
    first = np.subtract(extent[::2], shared.GetExtent()[::2])
    size = np.subtract(extent[1::2], extent[::2]) + 1
    part = whole.array[tuple(slice(a, a + n) for a, n in zip(first[::-1], size[::-1]))]
    numbers = np.zeros(int(part.max()) + 1, np.int32)
    for identifier, label in labels.items():
        value = segmentation.GetSegment(identifier).GetLabelValue()
        if value < len(numbers):  # else the segment is empty
            numbers[value] = label
    # Padded: a voxel of background all around, so that nothing grows beyond the edge.
    array = np.pad(numbers.take(part), 1)
    return Image(array, whole.grid.part(first - 1, array.shape))


def _empty(node: slicer.vtkMRMLSegmentationNode) -> str:
    return _("The segmentation “{name}” is empty; draw in it or choose none.").format(
        name=node.GetName()
    )


def _mergedLayers(
    source: slicer.vtkMRMLSegmentationNode, labels: dict[str, int], node, without=None
) -> list:
    """Each layer as an image on a grid for all."""
    # Padded: a voxel of background all around, so that nothing grows beyond the edge.
    extent = slicer.vtkSegmentation.EXTENT_UNION_OF_SEGMENTS_PADDED
    geometry = _merged(source, labels, extent)
    if geometry.GetPointData().GetScalars() is None:
        raise InputsError(_empty(node))
    layers, extent = [], slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    for layer in range(source.GetSegmentation().GetNumberOfLayers(LABELMAP)):
        inLayer = {
            identifier: labels[identifier]
            for identifier in source.GetSegmentation().GetSegmentIDsForLayer(layer, LABELMAP)
        }
        layers.append(_labelImage(_merged(source, inLayer, extent, geometry), node, without))
    return layers


def _withLabelmaps(
    node: slicer.vtkMRMLSegmentationNode, volume: slicer.vtkMRMLVolumeNode, without=None
):
    """The node itself, or where it has surfaces only a copy with the voxels of ``volume``.

    Left to itself Slicer chooses voxels as small as the triangles.
    """
    if node.GetSegmentation().ContainsRepresentation(LABELMAP):
        return node
    matrix, toSegmentation = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    vtk.vtkMatrix4x4.Multiply4x4(_linearToWorld(volume, without), matrix, matrix)
    vtk.vtkMatrix4x4.Invert(_linearToWorld(node, without), toSegmentation)
    vtk.vtkMatrix4x4.Multiply4x4(toSegmentation, matrix, matrix)
    copy, converter = slicer.vtkMRMLSegmentationNode(), slicer.vtkSegmentationConverter
    segmentation = copy.GetSegmentation()
    segmentation.DeepCopy(node.GetSegmentation())
    segmentation.SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(),
        converter.SerializeImageGeometry(matrix, volume.GetImageData()),
    )
    try:
        isMade = segmentation.CreateRepresentation(LABELMAP)
    except (RuntimeError, TypeError):  # a surface that is open, or no rule for it
        isMade = False
    if not isMade:
        raise InputsError(
            _("The segmentation “{name}” cannot be made into a label map.").format(
                name=node.GetName()
            )
        )
    return copy


def _merged(
    node: slicer.vtkMRMLSegmentationNode,
    labels: dict[str, int],
    extent: int,
    geometry: slicer.vtkOrientedImageData | None = None,
) -> slicer.vtkOrientedImageData:
    """Some segments in one label map; where they overlap the later one wins."""
    merged, identifiers, values = (
        slicer.vtkOrientedImageData(),
        vtk.vtkStringArray(),
        vtk.vtkIntArray(),
    )
    for identifier, label in labels.items():
        identifiers.InsertNextValue(identifier)
        values.InsertNextValue(label)
    if not node.GenerateMergedLabelmapForAllSegments(merged, extent, geometry, identifiers, values):
        raise InputsError(
            _("The segmentation “{name}” cannot be made into a label map.").format(
                name=node.GetName()
            )
        )
    return merged


def _labelImage(labels: slicer.vtkOrientedImageData, node, without=None):
    """A label map of a segmentation node as an ``Image`` where it is seen in the world."""
    low = labels.GetExtent()[::2]
    shape = tuple(reversed(labels.GetDimensions()))
    array = vtk_to_numpy(labels.GetPointData().GetScalars()).reshape(shape)
    matrix, offset = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    labels.GetImageToWorldMatrix(matrix)
    for axis in range(3):
        offset.SetElement(axis, 3, low[axis])
    vtk.vtkMatrix4x4.Multiply4x4(matrix, offset, matrix)
    return _worldImage(array, matrix, node, without)


def _writeSegmentations(moving: tuple, fixed: tuple, folder: Path, without) -> dict[str, str]:
    """Write the segmentations of one or two (segmentation, volume); their segments pair by name."""
    from UncertainRegLib.geometry import write_segmentation
    from UncertainRegLib.scene.segments import names_of

    job, nodes = {}, [moving[0], fixed[0]]
    if nodes[1] and not set(names_of(nodes[1]).values()) & set(names_of(nodes[0]).values()):
        raise InputsError(
            _("No segment of “{name}” has the name of one of “{other}”.").format(
                name=nodes[1].GetName(), other=nodes[0].GetName()
            )
        )
    for name, (node, volume) in (("moving_labels", moving), ("fixed_labels", fixed)):
        if node is not None:
            job[name] = str(folder / f"{name}.seg.nrrd")
            write_segmentation(segmentationOf(node, volume, without), job[name], compress=False)
    return job


def _writeLandmarks(moving, fixed, folder: Path, without) -> dict[str, str]:
    """Write the points of one or two nodes; says in their names why they are not pairs."""
    from UncertainRegLib.geometry.files import InputError, unsaid
    from UncertainRegLib.geometry.landmarks import write_points

    job, points = {}, []
    for name, node in (("moving_points", moving), ("fixed_points", fixed)):
        if node is not None:
            points.append(landmarkPoints(node, without))
            job[name] = str(folder / f"{name}.csv")
            write_points(*points[-1], job[name])
    if fixed is not None:
        from UncertainRegLib.jobs.pairs import pair_points  # takes a second

        try:  # the worker says the rest
            pair_points(*points, (f"“{moving.GetName()}”", f"“{fixed.GetName()}”"), unsaid)
        except InputError as error:
            raise InputsError(str(error)) from None
    return job


def landmarkPoints(
    node: slicer.vtkMRMLMarkupsFiducialNode, without=None
) -> tuple[list[str], np.ndarray]:
    """Labels and positions, (P, 3) LPS mm, NaN for a point that is not placed."""
    count = node.GetNumberOfControlPoints()
    placed = [
        node.GetNthControlPointPositionStatus(i) == node.PositionDefined for i in range(count)
    ]
    if not any(placed):
        raise InputsError(
            _("“{name}” has no points; choose no landmarks or place some.").format(
                name=node.GetName()
            )
        )
    labels = [node.GetNthControlPointLabel(i) for i in range(count)]
    points = slicer.util.arrayFromMarkupsControlPoints(node)
    matrix = slicer.util.arrayFromVTKMatrix(_linearToWorld(node, without))
    points = (points @ matrix[:3, :3].T + matrix[:3, 3]) * (-1.0, -1.0, 1.0)
    return labels, np.where(np.array(placed)[:, None], points, np.nan)


def _linearToWorld(node: slicer.vtkMRMLTransformableNode, without=None) -> vtk.vtkMatrix4x4:
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


def _worldImage(array: np.ndarray, ijkToRas: vtk.vtkMatrix4x4, node, without=None):
    from UncertainRegLib.geometry import Grid, Image

    matrix = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Multiply4x4(_linearToWorld(node, without), ijkToRas, matrix)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ slicer.util.arrayFromVTKMatrix(matrix)
    if array.ndim != 3:
        raise InputsError(
            _("“{name}” has {count} values per voxel; choose a volume with one.").format(
                name=node.GetName(), count=array.shape[-1]
            )
        )
    return Image(array, Grid(array.shape, affine))  # sheared ones are resampled when read
