"""The movement that the samples disagree about most, as a sequence to play."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import slicer

from ..geometry import DisplacementField
from . import nodes
from .samples import add_browser
from .transform import field_of, grid_transform

if TYPE_CHECKING:
    from .result import ResultNodes

REACH = 2.0  # standard deviations to both sides
FRAMES = 16  # of one swing there and back
FRAMES_PER_SECOND = 8.0
SD = "UncertainReg.StandardDeviations"
EXPLAINED = "UncertainReg.Explained"
_MADE_OF = "UncertainReg.MadeOfSamples"


def add_sweep(result: ResultNodes) -> None:
    """Make the principal movement (mean - 2 sd to mean + 2 sd and back) unless it is there.

    It is the first principal component of the samples. Sequence, browser and proxy transform are
    found as ``sweep_sequence``, ``sweep_browser`` and ``sweep_transform`` of the result.

    Raises:
        ValueError: the scene has fewer than two samples.
    """
    from ..posterior.modes import principal_components

    if result.sweep_browser is not None:
        return
    source = result.sample_sequence
    count = source.GetNumberOfDataNodes() if source is not None else 0
    if count < 2:
        raise ValueError("The main movement needs two samples or more.")
    items = [source.GetNthDataNode(index) for index in range(count)]
    fields = [field_of(item) for item in items]
    weights = [float(item.GetAttribute("UncertainReg.LogWeight") or 0.0) for item in items]
    components = principal_components([field.vectors for field in fields], weights, 1)
    mean, step = components.mean, components.field(0, 1.0) - components.mean
    sequence, _ = nodes.find_or_add(result.scene, result.run, "sweep_sequence",
                                    "vtkMRMLSequenceNode", "Main movement")
    sequence.SetIndexName("frame")
    sequence.SetIndexUnit("")
    sequence.SetAttribute(_MADE_OF, str(count))
    sequence.SetAttribute(EXPLAINED, f"{components.explained[0]:.3f}")
    for frame in range(FRAMES):
        sd = -REACH * float(np.cos(2.0 * np.pi * frame / FRAMES))
        item = slicer.vtkMRMLTransformNode()
        item.SetName("Main movement")
        nodes.tag(item, result.run, "sweep_transform")
        item.SetAttribute(SD, f"{sd:.2f}")
        field = DisplacementField((mean + sd * step).astype(np.float32), fields[0].grid)
        item.SetAndObserveTransformFromParent(grid_transform(field))
        sequence.SetDataNodeAtValue(item, str(frame))
    add_browser(result.scene, result.run, sequence, "sweep_browser", "Main movement browser",
                FRAMES_PER_SECOND)
    result.sweep_sequence = sequence
    result.sweep_browser = nodes.find(result.scene, result.run, "sweep_browser")
    result.sweep_transform = result.sweep_browser.GetProxyNode(sequence)


def is_current(result: ResultNodes) -> bool:
    """Was the main movement made of all samples that are there now?"""
    count = result.sample_sequence.GetNumberOfDataNodes()
    return result.sweep_sequence.GetAttribute(_MADE_OF) == str(count)


def remove_sweep(result: ResultNodes) -> None:
    """Take it out of the scene: the samples it was made from are no longer all."""
    for node in (result.sweep_browser, result.sweep_transform, result.sweep_sequence):
        if node is not None:
            result.scene.RemoveNode(node)
    result.sweep_browser = result.sweep_transform = result.sweep_sequence = None
