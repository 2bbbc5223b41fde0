"""Where a run says nothing about the patient, hatched in the slice views.

Bare anatomy then means that a value is hidden because it is low.
"""

from __future__ import annotations

import numpy as np
import slicer

from ..geometry import Grid, Image
from . import nodes
from .colors import hatch_table
from .maps import set_image

ROLE = "unknown"
OPACITY = 0.6
_LINES = 30  # across the longest side of the image
_THICK = 1.5  # voxels: thinner ones fall apart into dots
_APART = 6  # times as far from each other as they are thick, or more


def fill_unknown(
    scene: slicer.vtkMRMLScene, run: str, unknown: np.ndarray, grid: Grid
) -> slicer.vtkMRMLLabelMapVolumeNode | None:
    """Keep where nothing is known as a label map of diagonal lines; none where all is known.

    Args:
        unknown: (Z, Y, X) booleans on ``grid``; the air around the patient does not count.
    """
    node = nodes.find(scene, run, ROLE)
    if not unknown.any():
        if node is not None:
            scene.RemoveNode(node)
        return None
    node, is_new = nodes.find_or_add(
        scene, run, ROLE, "vtkMRMLLabelMapVolumeNode", "Nothing known here"
    )
    if is_new:
        node.SetDescription("Hatched: the map says nothing here")
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetAndObserveColorNodeID(hatch_table(scene).GetID())
    set_image(node, Image((unknown & _lines(grid)).astype(np.uint8), grid))
    return node


def _lines(grid: Grid) -> np.ndarray:
    """(Z, Y, X) booleans: planes through the volume that are diagonal lines in every slice."""
    thick = _THICK * grid.spacing.max()
    distance = max(grid.extent_mm.max() / _LINES, _APART * thick)
    i, j, k = (np.arange(n) * step for n, step in zip(grid.size, grid.spacing))
    along = k[:, None, None] + j[:, None] + i
    return along % distance < thick
