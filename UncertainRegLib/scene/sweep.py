"""The movement that the samples disagree about most, and where two of them differ."""

from __future__ import annotations

import numpy as np
import slicer

from ..geometry import DisplacementField, Image
from . import maps, nodes
from .legend import legend_of
from .result_nodes import ResultNodes
from .samples import add_browser, sample_weights
from .transform import field_of, grid_transform

REACH = 2.0  # standard deviations to both sides
FRAMES = 16  # of one swing there and back
FRAMES_PER_SECOND = 8.0
SD = "UncertainReg.StandardDeviations"
EXPLAINED = "UncertainReg.Explained"
DIFFERENCE = "mode_difference_mm"
DIRECTION = "UncertainReg.Direction"  # along which A and B differ most: a key of DIRECTIONS
DIRECTIONS = {  # in the order of LPS: what a positive and a negative difference say of A
    "left": ("further left", "further right"),
    "posterior": ("further back", "further forward"),
    "superior": ("higher up", "lower down"),
}
DIFFERENCE_VOXELS = 1_000_000
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
    sequence, _ = nodes.find_or_add(
        result.scene, result.run, "sweep_sequence", "vtkMRMLSequenceNode", "Main movement"
    )
    sequence.SetIndexName("frame")
    sequence.SetIndexUnit("")
    sequence.SetAttribute(_MADE_OF, _made_of(result))
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
    result.sweep_browser = add_browser(
        result.scene,
        result.run,
        sequence,
        "sweep_browser",
        "Main movement browser",
        FRAMES_PER_SECOND,
    )
    result.sweep_sequence = sequence
    result.sweep_transform = result.sweep_browser.GetProxyNode(sequence)


def add_difference(result: ResultNodes, first: int, second: int) -> str:
    """Where two samples differ, in two colours, as the map ``mode_difference_mm``.

    The value is their distance in mm, positive (orange) where the first one puts the anatomy
    further along the returned direction, negative (blue) where the second one does. The smaller
    half is left out, so that the anatomy shows.

    Args:
        first, second: numbers of the samples.

    Returns:
        The anatomical direction along which they differ most: "left", "posterior" or "superior".

    Raises:
        ValueError: the scene does not have these samples.
    """
    source = result.sample_sequence
    items = [source.GetNthDataNode(n) if source is not None else None for n in (first, second)]
    if None in items:
        raise ValueError("The samples that stand for the modes are not in the scene.")
    a, b = (field_of(item) for item in items)
    # A field maps fixed to moving points: where it is larger, the anatomy is put less far.
    difference = DisplacementField(b.vectors - a.vectors, a.grid)
    grid, inside = a.grid, np.ones(a.grid.shape, bool)
    if "uncertainty_mm" in result.maps:  # as bare as the other maps
        area = maps.area_of(result.maps["uncertainty_mm"])
        grid = area.grid.at_most(DIFFERENCE_VOXELS)
        inside = area.resample(grid, "nearest", 0).array > 0
    shift = difference.resample(grid).vectors
    axis = int(np.argmax(np.square(shift[inside]).sum(0))) if inside.any() else 0
    length = np.linalg.norm(shift, axis=-1)
    values = np.where(shift[..., axis] < 0, -length, length).astype(np.float32)
    if inside.any():
        inside &= length >= np.median(length[inside])
    values[~inside] = np.nan
    direction = tuple(DIRECTIONS)[axis]
    further = DIRECTIONS[direction][0]
    node, _ = nodes.find_or_add(
        result.scene,
        result.run,
        f"map:{DIFFERENCE}",
        "vtkMRMLScalarVolumeNode",
        "Modes A and B differ by (mm)",
    )
    maps.set_values(node, Image(values, grid), DIFFERENCE, "mm")
    legend_of(node).SetTitleText(f"A and B apart (mm)\n+ A {further}\n- B {further}")
    node.SetAttribute("UncertainReg.Unit", "mm")
    node.SetAttribute(DIRECTION, direction)
    node.SetDescription(
        f"How far samples {first + 1} (A) and {second + 1} (B) lie apart: orange where A puts the "
        f"anatomy {further}, blue where B does"
    )
    nodes.put_in_folder(result.scene, result.run, "UncertainReg", result.fixed)
    return direction


def is_current(result: ResultNodes) -> bool:
    """Was the main movement made of all samples that are there now?"""
    return result.sweep_sequence.GetAttribute(_MADE_OF) == _made_of(result)


def _made_of(result: ResultNodes) -> str:
    """Which samples count: how many there are, and the numbers of those left out."""
    left_out = np.flatnonzero(sample_weights(result.sample_sequence) == 0).tolist()
    count = result.sample_sequence.GetNumberOfDataNodes()
    return " without ".join([str(count), *map(str, left_out)])


def remove_sweep(result: ResultNodes) -> None:
    """Take it out of the scene: the samples it was made from are no longer all."""
    for node in (result.sweep_browser, result.sweep_transform, result.sweep_sequence):
        if node is not None:
            result.scene.RemoveNode(node)
    result.sweep_browser = result.sweep_transform = result.sweep_sequence = None
