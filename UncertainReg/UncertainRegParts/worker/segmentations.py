"""A segmentation node as label arrays for the worker, overlapping segments and surfaces included."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from .world import InputsError, linearToWorld, worldImage

LABELMAP = "Binary labelmap"


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
    vtk.vtkMatrix4x4.Multiply4x4(linearToWorld(volume, without), matrix, matrix)
    vtk.vtkMatrix4x4.Invert(linearToWorld(node, without), toSegmentation)
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
    return worldImage(array, matrix, node, without)
