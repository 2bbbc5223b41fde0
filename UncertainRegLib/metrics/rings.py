"""Where labels are; the shell and the ring around their boundaries, where they are uncertain."""

import numpy as np
from scipy import ndimage

from ..geometry.arrays import labels_in


def boundary_shell(labels: np.ndarray) -> np.ndarray:
    """Foreground voxels with a face neighbour of another label (or of the background).

    The edge of the image is not a boundary: anatomy goes on there.

    Args:
        labels: integers or booleans (Z, Y, X), 0 = background.

    Returns:
        Booleans of the same shape.
    """
    labels = np.asarray(labels)
    foreground = labels != 0
    shell = np.zeros(labels.shape, dtype=bool)
    for axis in range(labels.ndim):
        low = tuple(slice(None, -1) if a == axis else slice(None) for a in range(labels.ndim))
        high = tuple(slice(1, None) if a == axis else slice(None) for a in range(labels.ndim))
        step = labels[low] != labels[high]
        shell[low] |= step
        shell[high] |= step
    return shell & foreground


def boundary_ring(labels: np.ndarray, radius: int = 3) -> np.ndarray:
    """The 3-voxel dilated boundary: all voxels within ``radius`` face steps of the shell.

    Simpson and Campbell (Structured SIR, 5.2) judge label calibration there. They do not say which
    dilation: this is the 6-neighbourhood one, repeated.

    Args:
        labels: integers or booleans (Z, Y, X), 0 = background.
        radius: dilation in voxels.

    Returns:
        Booleans of the same shape, inside and outside the labels.
    """
    shell = boundary_shell(labels)
    return ndimage.binary_dilation(shell, iterations=radius) if radius > 0 else shell


def boxes_of(labels: np.ndarray) -> dict[int, tuple[slice, slice, slice]]:
    """Bounding box of each label of an integer array (Z, Y, X), 0 = background.

    Labels may be large: the annotation of an atlas has some of hundreds of millions.
    """
    values = labels_in(labels)
    values = values[values > 0]
    place = np.searchsorted(values, labels) + 1
    place[labels <= 0] = 0
    return dict(zip(values.tolist(), ndimage.find_objects(place)))
