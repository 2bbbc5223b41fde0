"""Reading and writing images and label maps; bad files get one clear sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .arrays import labels_in
from .errors import InputError, Say, unsaid
from .grid import Grid
from .image import Image, to_sitk
from .volume import read_volume
from .written import write_sitk

MAX_LABELS_IN_AN_IMAGE = 12  # an intensity image has more distinct values than that
FEWEST_STEPS = 256  # of float32 between the darkest and the brightest voxel


def read_image(
    path: str | Path, say: Say = unsaid, *, frame: int | None = None, flat: bool = False
) -> Image:
    """Read a scalar intensity volume as float32; ``say`` hears what had to be decided.

    ``frame`` and ``flat`` are those of `read_volume`: one volume of a series, and 2-D images.

    Raises:
        InputError: missing, unreadable, truncated, 2D/4D, vector, huge, empty, non-finite,
            constant, label-like, with values that float32 cannot tell apart, or with impossible
            voxel sizes.
    """
    image = read_volume(path, say, frame=frame, flat=flat)
    array = image.array
    if array.min() == array.max():
        raise InputError(f"{path}: every voxel has the value {array.flat[0]}; the image is empty.")
    if _looks_like_labels(array):
        raise InputError(
            f"{path}: only {len(np.unique(array))} distinct whole values; this looks "
            "like a segmentation. Give the intensity image instead."
        )
    if not _fits_float32(array):
        raise InputError(
            f"{path}: its values, {array.min():.9g} to {array.max():.9g}, lose their differences "
            "as 32-bit numbers; subtract an offset or scale them first."
        )
    return Image(array.astype(np.float32), image.grid)


def _fits_float32(array: np.ndarray) -> bool:
    """Are the values still different ones as float32: neither beyond its range nor too near to
    each other for their size?"""
    if array.dtype.itemsize < 4 or array.dtype == np.float32:
        return True
    low, high = float(array.min()), float(array.max())
    largest = max(abs(low), abs(high))
    if largest > float(np.finfo(np.float32).max):
        return False
    step = float(np.spacing(np.float32(largest)))
    return high - low >= FEWEST_STEPS * step or (array.dtype.kind in "iu" and step <= 1)


def _looks_like_labels(array: np.ndarray) -> bool:
    """Whole values, of any type, and few different ones (sorting a whole image takes seconds)."""
    return (
        len(np.unique(array[::8, ::8, ::8])) <= MAX_LABELS_IN_AN_IMAGE
        and np.array_equal(array, np.round(array))
        and len(np.unique(array)) <= MAX_LABELS_IN_AN_IMAGE
    )


def read_labels(
    path: str | Path, say: Say = unsaid, *, frame: int | None = None, flat: bool = False
) -> Image:
    """Read a segmentation or mask as an integer volume (int32).

    ``frame`` and ``flat`` are those of `read_volume`.

    Raises:
        InputError: as for images, or when the values are not whole non-negative numbers.
    """
    image = check_labels(read_volume(path, say, "nearest", frame=frame, flat=flat), path)
    if not image.array.any():
        raise InputError(f"{path}: has no labelled voxel; the segmentation is empty.")
    return image


def check_labels(image: Image, path: str | Path) -> Image:
    """An image of a file as int32, if it can be a label map.

    Raises:
        InputError: it cannot.
    """
    array = image.array
    if not np.array_equal(array, np.round(array)):
        raise InputError(f"{path}: has fractional values; give a segmentation (label map).")
    if array.min() < 0:
        raise InputError(f"{path}: has negative labels; labels are whole numbers from 0.")
    if array.max() > np.iinfo(np.int32).max:
        raise InputError(
            f"{path}: has the label {array.max():.0f}; labels go up to "
            f"{np.iinfo(np.int32).max}, so number the structures anew."
        )
    array = array.astype(np.int32)
    count = len(labels_in(array))
    if count > 2000:
        raise InputError(
            f"{path}: has {count} distinct values; this looks like an intensity image. Give a "
            "segmentation instead."
        )
    return Image(array, image.grid)


def write_image(image: Image, path: str | Path, compress: bool = True) -> None:
    """Write a scalar volume (any SimpleITK format); float arrays as float32.

    Raises:
        OSError: it cannot be written.
    """
    array = image.to_numpy().array
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    elif array.dtype == bool:
        array = array.astype(np.uint8)
    write_sitk(to_sitk(Image(array, image.grid)), path, compress)


def check_overlap(fixed: Grid, moving: Grid, fixed_name: str, moving_name: str) -> None:
    """Refuse two images whose fields of view do not meet in physical space.

    Raises:
        InputError: the bounding boxes (LPS mm) are disjoint.
    """
    a, b = fixed.corners(), moving.corners()
    gap = np.maximum(a.min(0) - b.max(0), b.min(0) - a.max(0)).max()
    if gap > 0:
        raise InputError(
            f"{fixed_name} and {moving_name} do not overlap in space (they are "
            f"{gap:.0f} mm apart); align them roughly first."
        )
