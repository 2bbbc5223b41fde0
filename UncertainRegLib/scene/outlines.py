"""The outlines of a structure in all samples together, in the slices."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from ..geometry import Image, warp
from . import nodes
from .result_nodes import ResultNodes
from .samples import sample_weights
from .steps import Steps
from .surfaces import VOXELS, grid_around, surface_at

ROLE = "outlines"
_COLOR = (0.35, 0.8, 1.0)  # cool: the map under it is yellow to red


def outlining(result: ResultNodes, structure: str) -> Steps[slicer.vtkMRMLModelNode]:
    """Draw them instead of those drawn before, in two steps a sample; samples without weight are left
    out.

    Args:
        structure: name of a segment of the moving segmentation.

    Raises:
        ValueError: the scene lacks samples, segmentation or that structure.
    """
    mask, fields, grid = grid_around(result, structure)
    moving = Image(mask.array.astype(np.float32), mask.grid)
    together = vtk.vtkAppendPolyData()
    for field, weight in zip(fields, sample_weights(result.sample_sequence)):
        if weight > 0:
            moved = warp(moving, field.resample(grid.at_most(VOXELS)), outside=0.0)
            yield
            together.AddInputData(surface_at(moved, 0.5))
            yield
    together.Update()
    node, is_new = nodes.find_or_add(
        result.scene, result.run, ROLE, "vtkMRMLModelNode", "Outlines of the samples"
    )
    node.SetAndObservePolyData(together.GetOutput())
    node.SetDescription(f"{structure} in each of the samples")
    if is_new or node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetScalarVisibility(False)
        node.GetDisplayNode().SetColor(*_COLOR)
        node.GetDisplayNode().SetVisibility3D(False)  # one inside the other
    node.GetDisplayNode().SetVisibility(True)
    node.GetDisplayNode().SetVisibility2D(True)
    nodes.put_in_folder(result.scene, result.run, "UncertainReg", result.fixed)
    return node


def hide_outlines(result: ResultNodes) -> None:
    """They stay in the scene."""
    if has_outlines(result):
        nodes.find(result.scene, result.run, ROLE).GetDisplayNode().SetVisibility(False)


def has_outlines(result: ResultNodes) -> bool:
    """Are they shown?"""
    node = nodes.find(result.scene, result.run, ROLE)
    display = node.GetDisplayNode() if node is not None else None
    return display is not None and bool(display.GetVisibility())
