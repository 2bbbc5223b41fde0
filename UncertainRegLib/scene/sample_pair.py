"""The sample pair as nodes of a scene, made where they are needed."""

from __future__ import annotations

import slicer

from ..sample_pair import LANDMARKS, STRUCTURES, sample_pair
from .frames import lps_to_ras
from .maps import set_image


def add_sample_pair(scene: slicer.vtkMRMLScene) -> dict[str, slicer.vtkMRMLNode]:
    """Add the pair with its structures and landmarks.

    Returns:
        The nodes "fixed", "moving", "moving_segmentation", "moving_points" and "fixed_points".
    """
    pair, nodes = sample_pair(), {}
    for name, image in (("fixed", pair.fixed), ("moving", pair.moving)):
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"UncertainReg{name.title()}")
        set_image(node, image)
        node.CreateDefaultDisplayNodes()
        nodes[name] = node
    segmentation = scene.AddNewNodeByClass(
        "vtkMRMLSegmentationNode", "UncertainRegMovingStructures"
    )
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    set_image(labels, pair.labels)
    slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(labels, segmentation)
    scene.RemoveNode(labels)
    for number, (name, (_center, _radius, color)) in enumerate(STRUCTURES.items()):
        segment = segmentation.GetSegmentation().GetNthSegment(number)
        segment.SetName(name)
        segment.SetColor(*color)
    segmentation.CreateDefaultDisplayNodes()
    segmentation.GetDisplayNode().SetVisibility2DFill(False)
    nodes["moving_segmentation"] = segmentation
    for name, title, points in (
        ("moving_points", "UncertainRegMovingLandmarks", pair.moving_points),
        ("fixed_points", "UncertainRegTrueLandmarks", pair.fixed_points),
    ):
        node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", title)
        slicer.util.updateMarkupsControlPointsFromArray(node, lps_to_ras(points))
        for number, label in enumerate(LANDMARKS):
            node.SetNthControlPointLabel(number, label)
        node.CreateDefaultDisplayNodes()
        nodes[name] = node
    return nodes
