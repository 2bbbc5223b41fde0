"""Where an image shows the patient: three questions, and an answer to each.

`above_mean` needs no more than most of the anatomy, at any intensities. `patient` is one piece
without holes, to measure in. `not_air` keeps whatever is not surely air, to hide the rest.
(`backbones.content` tells padding from air, to crop by.)
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from .arrays import to_numpy
from .image import Image, to_sitk

SPECK = 1e-3  # of the size of the largest piece: smaller ones in the air are noise


def above_mean(image: Image) -> np.ndarray:
    """(Z, Y, X) booleans: the mask, or intensities above the mean."""
    if image.mask is not None:
        return to_numpy(image.mask) > 0
    array = to_numpy(image.array)
    return array > array.mean()


def patient(image: Image) -> np.ndarray:
    """(Z, Y, X) booleans: the largest component above Otsu's threshold, holes filled."""
    above = sitk.OtsuThreshold(to_sitk(Image(image.array.astype(np.float32), image.grid)), 0, 1)
    largest = sitk.RelabelComponent(sitk.ConnectedComponent(above), sortByObjectSize=True) == 1
    return ndimage.binary_fill_holes(sitk.GetArrayFromImage(largest) > 0)


def not_air(image: Image) -> np.ndarray | None:
    """(Z, Y, X) booleans, False in the air around the patient; None if there is none.

    Air is darker than half-way between the rim of the field of view and Otsu's threshold, and
    connected to the rim. The ends along the patient do not count as rim: there the field of view
    cuts the patient, and the air inside (lungs, airways) must not leak out. Islands of less than a
    thousandth of the patient are noise.
    """
    array = to_numpy(image.array)
    feet_to_head = 2 - int(np.abs(image.grid.direction[2]).argmax())  # axis of the array
    rim = _rim(array.shape, feet_to_head)
    part = array[::2, ::2, ::2].astype(np.float32)
    threshold, air = _threshold(part), float(np.median(array[rim]))
    if air > (float(np.percentile(part, 1)) + threshold) / 2:  # the least may be noise
        return None  # the patient fills the field of view
    dark = array < (air + threshold) / 2
    parts = _components(dark)
    is_air = np.zeros(parts.max() + 1, bool)
    is_air[parts[rim & dark]] = True
    islands = _components(~is_air.take(parts))
    sizes = np.bincount(islands.ravel())
    sizes[0] = 0
    is_patient = sizes >= SPECK * sizes.max()
    is_patient[0] = False
    return is_patient.take(islands)


def _threshold(values: np.ndarray) -> float:
    """Otsu's threshold, in the middle where it lies in a gap of the histogram: any value in there is
    as good to him, and the filter takes the lowest."""
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(sitk.GetImageFromArray(values))
    below = values < otsu.GetThreshold()
    if below.all() or not below.any():
        return otsu.GetThreshold()
    return (float(values[below].max()) + float(values[~below].min())) / 2


def _components(mask: np.ndarray) -> np.ndarray:
    """(Z, Y, X) number of the piece that each voxel of a mask belongs to, 0 outside."""
    pieces = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)))
    return sitk.GetArrayFromImage(pieces)


def _rim(shape: tuple[int, ...], axis: int) -> np.ndarray:
    rim = np.zeros(shape, bool)
    for side in set(range(3)) - {axis}:
        for end in (0, -1):
            face: list[slice | int] = [slice(None)] * 3
            face[side] = end
            rim[tuple(face)] = True
    return rim
