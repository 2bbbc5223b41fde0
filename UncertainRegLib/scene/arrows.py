"""Arrows of the displacement, fixed to moving, over the fixed image.

They have a transform node of their own, which is zero beyond the field: the registration itself
goes on with the vectors of its border, and arrows would stand where there is no image.
"""

from __future__ import annotations

import numpy as np
import slicer

from ..geometry import DisplacementField
from . import nodes
from .result_nodes import ResultNodes
from .transform import field_of, grid_transform

ACROSS = 30  # arrows along the longest side of the fixed image
SHORTEST_MM = 0.1  # shorter ones are dots
_ROLE = "arrows"


def show_arrows(result: ResultNodes) -> float:
    """Draw them in the slices, true to scale.

    Returns:
        The length of the longest displacement in mm.

    Raises:
        ValueError: the result has no registration.
    """
    if result.transform is None:
        raise ValueError("The result has no registration to draw.")
    field = field_of(result.transform)
    longest = float(np.linalg.norm(field.vectors, axis=-1).max())
    node, is_new = nodes.find_or_add(
        result.scene, result.run, _ROLE, "vtkMRMLGridTransformNode", "Arrows"
    )
    if is_new:
        node.SetAndObserveTransformFromParent(grid_transform(_ending(field)))
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetVisualizationMode(display.VIS_MODE_GLYPH)
        display.SetVisibility3D(False)  # arrows all over hide the rest
        display.SetGlyphDisplayRangeMinMm(SHORTEST_MM)
        display.SetGlyphDisplayRangeMaxMm(max(longest, 2 * SHORTEST_MM))  # longer ones would go
        display.SetGlyphScalePercent(100.0)
        if result.fixed is not None:
            display.SetAndObserveRegionNode(result.fixed)
            display.SetGlyphSpacingMm(_spacing(result.fixed))
    display = node.GetDisplayNode()
    display.SetVisibility(True)
    display.SetVisibility2D(True)
    nodes.put_in_folder(result.scene, result.run, "UncertainReg", result.fixed)
    return longest


def hide_arrows(result: ResultNodes) -> None:
    """They stay in the scene."""
    if has_arrows(result):
        display = nodes.find(result.scene, result.run, _ROLE).GetDisplayNode()
        display.SetVisibility(False)
        display.SetVisibility2D(False)


def has_arrows(result: ResultNodes) -> bool:
    """Are they shown?"""
    node = nodes.find(result.scene, result.run, _ROLE)
    display = node.GetDisplayNode() if node is not None else None
    return display is not None and bool(display.GetVisibility())


def _ending(field: DisplacementField) -> DisplacementField:
    """The field with a border of zeros, one voxel wide, which goes on beyond it."""
    vectors = np.pad(field.vectors, ((1, 1), (1, 1), (1, 1), (0, 0)))
    return DisplacementField(vectors, field.grid.part([-1, -1, -1], vectors.shape[:3]))


def _spacing(volume: slicer.vtkMRMLScalarVolumeNode) -> float:
    """From arrow to arrow, in mm."""
    bounds = np.zeros(6)
    volume.GetRASBounds(bounds)
    return float(max(bounds[1::2] - bounds[::2]) / ACROSS)
