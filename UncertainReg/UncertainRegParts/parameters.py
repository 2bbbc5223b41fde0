"""The settings of the panel, as they are saved with the scene."""

from typing import Annotated, Union

from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTransformNode,
)
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper


@parameterNodeWrapper
class UncertainRegParameterNode:
    """Everything the user sets before a run, and how to show it; saved with the scene.

    Names of methods are kept as plain text, so that a scene from a computer with other methods
    opens here; the Apply button says what is wrong then.
    """

    fixedVolume: vtkMRMLScalarVolumeNode
    movingVolume: vtkMRMLScalarVolumeNode
    movingSegmentation: vtkMRMLSegmentationNode
    movingLandmarks: vtkMRMLMarkupsFiducialNode
    fixedSegmentation: vtkMRMLSegmentationNode
    fixedLandmarks: vtkMRMLMarkupsFiducialNode
    fixedMask: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    movingMask: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    transform: vtkMRMLTransformNode
    inverseConsistency: bool = False
    backbone: str = "demons"
    method: str = "equivariance"
    perturbation: str = "deform"
    sirSource: str = "trained"
    sirProposals: Annotated[int, WithinRange(10, 10000)] = 1200
    sirWeights: str = ""
    competence: bool = False
    samples: Annotated[int, WithinRange(2, 256)] = 16
    endEarly: bool = False
    seed: Annotated[int, WithinRange(0, 999999)] = 1
    device: str = "auto"
    resultsFolder: str = ""
    leaveOutStrays: bool = False
    tolerances: str = "tg132"
    tolerancesFile: str = ""


NODES = (
    "fixedVolume",
    "movingVolume",
    "movingSegmentation",
    "movingLandmarks",
    "fixedSegmentation",
    "fixedLandmarks",
    "fixedMask",
    "movingMask",
    "transform",
)  # the parameters that are nodes


def methodSettings(parameters) -> dict:
    """Settings of the chosen method, as the job wants them; only "sir" has any here."""
    if parameters.method != "sir":
        return {}
    settings = {"source": parameters.sirSource, "proposals": parameters.sirProposals}
    if parameters.sirSource == "trained" and parameters.sirWeights:
        settings["weights"] = parameters.sirWeights
    return settings
