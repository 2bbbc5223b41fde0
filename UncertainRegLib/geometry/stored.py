"""A volume in a file: the header has been read, the voxels have not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LPS = np.eye(3)
UNKNOWN_UNIT = (
    "its header is not in millimetres, so the unit of its vectors is not known; write "
    "both in millimetres"
)
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Stored:
    """What the header of a volume file says.

    Attributes:
        size: number of voxels along i, j, k and, in series, further axes.
        components: values per voxel.
        affine: (4, 4) voxel index (i, j, k) to LPS mm; it may be sheared.
        read: gives the voxels, (Z, Y, X) or (Z, Y, X, components); may raise RuntimeError,
            ValueError, OSError, EOFError or zlib.error when they are damaged.
        frame: (3, 3) that turns the components of a vector to LPS, or why that is not known.
    """

    size: tuple[int, ...]
    components: int
    affine: np.ndarray
    read: Callable[[], np.ndarray]
    frame: np.ndarray | str
