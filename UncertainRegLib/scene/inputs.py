"""The images, segmentation and points that were registered, linked to the run's transform."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import slicer

from . import landmarks, nodes
from .folder import ResultFolder
from .maps import set_scalars

# name -> node reference role on the transform; the first two are Slicer's own
_ROLES = {
    "fixed": slicer.vtkMRMLTransformNode.GetFixedNodeReferenceRole(),
    "moving": slicer.vtkMRMLTransformNode.GetMovingNodeReferenceRole(),
    "moving_segmentation": "UncertainReg.movingSegmentation",
    "moving_points": "UncertainReg.movingPoints",
}
# Okabe and Ito's colours for the colour-blind, without the black
_COLORS = ("56b4e9", "009e73", "f0e442", "cc79a7", "e69f00", "0072b2", "d55e00")


def link(scene: slicer.vtkMRMLScene, run: str, source: ResultFolder, given: dict) -> None:
    """Make the run's transform node and let it refer to the inputs.

    ``given`` maps the four names to nodes, or to None: then the files named in result.json are
    read into new nodes of the run.
    """
    transform, _ = nodes.find_or_add(
        scene, run, "transform", "vtkMRMLGridTransformNode", "Registration")
    for name, node in given.items():
        node = node or _read(scene, run, source, name)
        if node is not None:
            transform.SetNodeReferenceID(_ROLES[name], node.GetID())


def linked(transform: slicer.vtkMRMLTransformNode | None) -> dict[str, slicer.vtkMRMLNode | None]:
    """The inputs a run's transform refers to, by name."""
    return {name: transform.GetNodeReference(role) if transform else None
            for name, role in _ROLES.items()}


def body_mask(fixed: slicer.vtkMRMLScalarVolumeNode | None, source: ResultFolder):
    """Where a map matters: boolean at every second voxel of the fixed image, or None.

    The mask of the run, else body against background by Otsu's threshold.
    """
    path = source.input_file("fixed_mask")
    if path is not None:
        return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[::2, ::2, ::2] > 0
    if fixed is None:
        return None
    array = slicer.util.arrayFromVolume(fixed)[::2, ::2, ::2].astype(np.float32)
    return sitk.GetArrayFromImage(sitk.OtsuThreshold(sitk.GetImageFromArray(array), 0, 1)) > 0


def _read(scene, run: str, source: ResultFolder, name: str) -> slicer.vtkMRMLNode | None:
    if name == "moving_points":
        rows = [row for row in source.record.get("landmarks") or [] if row.get("moving_lps")]
        if not rows:
            return None
        node, _ = nodes.find_or_add(
            scene, run, name, "vtkMRMLMarkupsFiducialNode", "Moving landmarks")
        landmarks.set_points(node, rows, "moving_lps")
        landmarks.style_points(node, len(rows))
        node.GetDisplayNode().SetVisibility(False)  # the mean points say it better
        return node
    path = source.input_file("moving_labels" if name == "moving_segmentation" else name)
    if path is None:
        return None
    title = path.name.split(".")[0]
    if name == "moving_segmentation":
        node, _ = nodes.find_or_add(scene, run, name, "vtkMRMLSegmentationNode", title)
        _set_segments(node, path, source.record.get("labels") or [])
        return node
    node, _ = nodes.find_or_add(scene, run, name, "vtkMRMLScalarVolumeNode", title)
    set_scalars(node, path)
    node.CreateDefaultDisplayNodes()
    return node


def _set_segments(node: slicer.vtkMRMLSegmentationNode, path, rows: list[dict]) -> None:
    """Fill a segmentation node from a label map file; names and colours from the label rows."""
    scene = node.GetScene()
    labelmap = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    set_scalars(labelmap, path, np.int16)
    slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(labelmap, node)
    scene.RemoveNode(labelmap)
    known = {row["label"]: row for row in rows}
    segmentation = node.GetSegmentation()
    for index in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(index)
        row = known.get(segment.GetLabelValue(), {})
        segment.SetName(row.get("name") or f"Label {segment.GetLabelValue()}")
        code = bytes.fromhex(_COLORS[index % len(_COLORS)])
        segment.SetColor(*(row.get("color") or [value / 255.0 for value in code]))
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetVisibility2DFill(False)
    display.SetSliceIntersectionThickness(2)
