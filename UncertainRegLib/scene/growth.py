"""The registration as a film, from no displacement to the whole of it."""

from __future__ import annotations

import slicer

from . import nodes
from .result_nodes import ResultNodes
from .samples import add_browser

STEPS = 10
FRAMES_PER_SECOND = 4.0
PERCENT = "UncertainReg.Percent"


def add_growth(result: ResultNodes) -> None:
    """Make it unless it is there: 0, 10, …, 100 % of the displacement.

    Found as ``growth_sequence``, ``growth_browser`` and ``growth_transform`` of the result.

    Raises:
        ValueError: the result has no registration.
    """
    if result.growth_browser is not None:
        return
    whole = (
        result.transform.GetTransformFromParentAs("vtkOrientedGridTransform", False)
        if result.transform is not None
        else None
    )
    if whole is None:
        raise ValueError("The result has no registration to play.")
    sequence, _ = nodes.find_or_add(
        result.scene, result.run, "growth_sequence", "vtkMRMLSequenceNode", "Registration in steps"
    )
    sequence.SetIndexName("step")
    sequence.SetIndexUnit("")
    for step in range(STEPS + 1):
        item = slicer.vtkMRMLTransformNode()
        item.SetName("Registration in steps")
        nodes.tag(item, result.run, "growth_transform")
        item.SetAttribute(PERCENT, str(100 * step // STEPS))
        part = slicer.vtkOrientedGridTransform()
        part.SetGridDirectionMatrix(whole.GetGridDirectionMatrix())
        part.SetDisplacementGridData(whole.GetDisplacementGrid())  # the same vectors for all
        part.SetDisplacementScale(step / STEPS)
        part.SetInterpolationModeToLinear()
        item.SetAndObserveTransformFromParent(part)
        sequence.SetDataNodeAtValue(item, str(step))
    result.growth_browser = add_browser(
        result.scene,
        result.run,
        sequence,
        "growth_browser",
        "Browser of the registration",
        FRAMES_PER_SECOND,
    )
    result.growth_sequence = sequence
    result.growth_transform = result.growth_browser.GetProxyNode(sequence)
