"""The images, segmentation and points that were registered, linked to the run's transform."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import slicer

from ..geometry import Image, read_segmentation
from ..geometry.image import from_sitk
from ..results.reader import ResultFolder
from . import landmarks, nodes
from .foreground import foreground_mask
from .frames import world_grid
from .maps import set_image, set_scalars
from .steps import finished
from .unknown import fill_unknown

# name -> node reference role on the transform; the first two are Slicer's own
ROLES = {
    "fixed": slicer.vtkMRMLTransformNode.GetFixedNodeReferenceRole(),
    "moving": slicer.vtkMRMLTransformNode.GetMovingNodeReferenceRole(),
    "moving_segmentation": "UncertainReg.movingSegmentation",
    "moving_points": "UncertainReg.movingPoints",
}
# Cool colours only: the map under the outlines is yellow to red
_COLORS = ("4db8ff", "5ee08a", "2a6df4", "c79bff", "12b5a6", "8fd3ff", "0f9d58")


def link(scene: slicer.vtkMRMLScene, run: str, source: ResultFolder, given: dict) -> None:
    """Make the run's transform node and let it refer to the inputs.

    ``given`` maps names of ``ROLES`` to nodes. For those that are missing, None, or no longer in the
    scene, the files named in result.json are read into new nodes of the run.
    """
    transform, _ = nodes.find_or_add(
        scene, run, "transform", "vtkMRMLGridTransformNode", "Registration"
    )
    for name in ROLES:
        node = given.get(name)
        if node is None or node.GetScene() is None:
            node = _read(scene, run, source, name)
        if node is not None:
            transform.SetNodeReferenceID(ROLES[name], node.GetID())


def linked(transform: slicer.vtkMRMLTransformNode | None) -> dict[str, slicer.vtkMRMLNode | None]:
    """The inputs a run's transform refers to, by name."""
    return {
        name: transform.GetNodeReference(role) if transform else None
        for name, role in ROLES.items()
    }


def area_of_interest(scene: slicer.vtkMRMLScene, run: str, source: ResultFolder) -> Image | None:
    """Where maps mean something (1, else 0); None for everywhere.

    That is inside the mask of the fixed image (without one: outside the air, `foreground`), and
    where at least half of the samples stay in the moving image. The rest of the patient is hatched
    in the views (`unknown`).

    Raises:
        RuntimeError: the map of validity cannot be read.
        ValueError: the mask cannot be read, or the fixed image is under a deformable transform.
    """
    path = source.input_file("fixed_mask")
    fixed = linked(nodes.find(scene, run, "transform"))["fixed"]
    shown = None if fixed is None else foreground_mask(fixed)
    body = None if shown is None else Image(shown.astype(np.uint8), world_grid(fixed))
    area = body if path is None else read_segmentation(path).foreground()
    validity = source.record.maps.get("validity")
    path = source.file(validity.file) if validity else None
    if path is None:
        return area
    validity = from_sitk(sitk.ReadImage(str(path)))
    valid = validity.array >= 0.5
    if area is not None:
        valid &= area.resample(validity.grid, "nearest", 0).array > 0
    unknown = ~valid
    if body is not None:
        unknown &= body.resample(validity.grid, "nearest", 0).array > 0
    fill_unknown(scene, run, unknown, validity.grid)
    return Image(valid.astype(np.uint8), validity.grid)


def _read(scene, run: str, source: ResultFolder, name: str) -> slicer.vtkMRMLNode | None:
    if name == "moving_points":
        rows = [row for row in source.record.landmarks if row.get("moving_lps")]
        if not rows:
            return None
        node, _ = nodes.find_or_add(
            scene, run, name, "vtkMRMLMarkupsFiducialNode", "Moving landmarks"
        )
        landmarks.set_points(node, rows, "moving_lps")
        landmarks.style_points(node, len(rows))
        node.GetDisplayNode().SetVisibility(False)  # the mean points say it better
        return node
    key = "moving_labels" if name == "moving_segmentation" else name
    path = source.input_file(key)
    if path is None:
        return None
    if name == "moving_segmentation":
        class_name, show = (
            "vtkMRMLSegmentationNode",
            partial(_set_segments, rows=source.record.labels),
        )
    else:
        class_name, show = "vtkMRMLScalarVolumeNode", _set_image
    title = source.record.inputs[key].title
    return finished(
        nodes.fill(scene, run, name, class_name, title, path, Path, show, source.warnings)
    )


def _set_image(node: slicer.vtkMRMLScalarVolumeNode, path: Path) -> None:
    set_scalars(node, path)
    node.CreateDefaultDisplayNodes()


def _set_segments(node: slicer.vtkMRMLSegmentationNode, path: Path, rows: list[dict]) -> None:
    """Fill a segmentation node from a label map file; names and colours from the label rows."""
    scene, segmentation = node.GetScene(), node.GetSegmentation()
    known, found = {row["label"]: row for row in rows}, read_segmentation(path)
    for layer, labels in zip(found.layers, found.labels_of_layers):
        labelmap = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
        # The import counts up to the largest label, and there are atlases with huge ones.
        set_image(
            labelmap, Image(np.searchsorted([0, *labels], layer.array).astype(np.int32), layer.grid)
        )
        first = segmentation.GetNumberOfSegments()
        slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(labelmap, node)
        scene.RemoveNode(labelmap)
        for index, label in enumerate(labels, start=first):
            segment, row = segmentation.GetNthSegment(index), known.get(label, {})
            segment.SetName(row.get("name") or found.names.get(label) or f"Label {label}")
            code = bytes.fromhex(_COLORS[index % len(_COLORS)])
            segment.SetColor(
                *(row.get("color") or found.colors.get(label) or [value / 255.0 for value in code])
            )
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetVisibility2DFill(False)
    display.SetSliceIntersectionThickness(2)
