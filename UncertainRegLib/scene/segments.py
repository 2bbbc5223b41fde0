"""A segmentation node as label arrays, where the user had it before the registration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..geometry import Grid, Image
from ..geometry.segmentation import distinct
from .parents import native_matrix


@dataclass
class Layer:
    """Segments that do not overlap, in one label array.

    Attributes:
        image: integers; the node's own memory. Its grid (LPS mm) is where the user had the node.
        names: label in the array -> name of the segment.
    """

    image: Image
    names: dict[int, str]


def layers_of(node: slicer.vtkMRMLSegmentationNode) -> list[Layer]:
    """The binary label maps of a segmentation; empty segments are left out.

    Raises:
        ValueError: it is under a deformable transform of the user.
    """
    to_world = np.diag([-1.0, -1.0, 1.0, 1.0]) @ native_matrix(node)
    segmentation, layers = node.GetSegmentation(), {}
    for identifier, name in names_of(node).items():
        segment = segmentation.GetSegment(identifier)
        labels = segment.GetRepresentation("Binary labelmap")
        if labels is None or labels.GetNumberOfPoints() == 0:
            continue
        if labels not in layers:
            layers[labels] = Layer(_image(labels, to_world), {})
        layers[labels].names[segment.GetLabelValue()] = name
    return list(layers.values())


def names_of(node: slicer.vtkMRMLSegmentationNode) -> dict[str, str]:
    """Segment identifier -> what the structure is called in a result: no name occurs twice."""
    segmentation = node.GetSegmentation()
    identifiers = [
        segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())
    ]
    names = [
        segmentation.GetSegment(each).GetName().strip() or str(number)
        for number, each in enumerate(identifiers, 1)
    ]
    return dict(zip(identifiers, distinct(names)))


def mask_of(node: slicer.vtkMRMLSegmentationNode, name: str) -> Image:
    """The segment of that name as a uint8 mask, cropped to it with a border of one voxel.

    Raises:
        ValueError: there is no such segment, or it is empty.
    """
    for layer in layers_of(node):
        for label, found in layer.names.items():
            if found == name:
                return _cropped(layer.image.array == label, layer.image.grid, name)
    if name in names_of(node).values() and not node.GetSegmentation().ContainsRepresentation(
        "Binary labelmap"
    ):
        raise ValueError(
            f"{node.GetName()} has surfaces only; make a binary label map of it in the module "
            "Segmentations."
        )
    raise ValueError(f"{node.GetName()} has no segment {name!r}.")


def _image(labels: slicer.vtkOrientedImageData, to_world: np.ndarray) -> Image:
    matrix = vtk.vtkMatrix4x4()
    labels.GetImageToWorldMatrix(matrix)
    affine = slicer.util.arrayFromVTKMatrix(matrix)
    affine[:3, 3] += affine[:3, :3] @ labels.GetExtent()[::2]  # the array starts at the extent
    shape = labels.GetDimensions()[::-1]
    array = vtk_to_numpy(labels.GetPointData().GetScalars()).reshape(shape)
    return Image(array, Grid(shape, to_world @ affine))


def _cropped(mask: np.ndarray, grid: Grid, name: str) -> Image:
    box = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        used = np.flatnonzero(mask.any(axis=others))
        if used.size == 0:
            raise ValueError(f"The segment {name!r} is empty.")
        box.append(slice(used[0], used[-1] + 1))
    array = np.pad(mask[tuple(box)], 1).astype(np.uint8)
    return Image(array, grid.part([side.start - 1 for side in box[::-1]], array.shape))
