"""Where an image shows the patient: maps say nothing about the air around."""

from __future__ import annotations

import numpy as np
import slicer

from ..geometry import Image
from ..geometry.foreground import not_air
from .frames import grid_of


def foreground_mask(node: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray | None:
    """(Z, Y, X) boolean, False in the air around the patient; None if there is none."""
    return not_air(Image(slicer.util.arrayFromVolume(node), grid_of(node)))
