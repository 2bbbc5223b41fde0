"""Steps of preparation that several backbones share.

One decision for the pair: both images are cut to what they show, and one window of intensities
holds for both where they measure the same. Padding, air around the patient, a reconstruction
circle, another unit or offset of the intensities change neither.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..geometry import Grid, Image
from ..geometry.image import mask_of
from .content import cropped_to_content, part, tissue_threshold
from .linear import COARSE_VOXELS, affine_alignment, rough_alignment, seen_through

PERCENTILES = (0.5, 99.5)  # of the content of a mask
OF_HALVES = (1, 99)  # of the dark and of the bright part of an image: as much, if they are halves
AIR_HU = -500.0  # Hounsfield units; the darkest percent of a CT with air or lung lies below
COMPARED = (25, 50, 75)  # percentiles of two images; the rim of a mask moves the outer ones
ALIKE = 0.035  # of the range of intensities: quartiles that differ by less are one scale,
SAME = 0.03  # of the range: unless aligned voxels differ by more at one of its ends
BEYOND = 0.25  # of the range of the content: how far from it the background may lie
RELATED = 0.9  # correlation of intensities above which a line relates those of two images
COMPARED_VOXELS = 200_000
MUCH_LARGER = 2.0  # times the volume of the fixed image: the moving one is cut
ROOM_TO_MOVE = 0.2  # of the fixed image's length, on every side of what can correspond
ENOUGH_VOXELS = 1000  # of an overlap, to compare the images there


def prepared(fixed: Image, moving: Image, voxels: int, affine: bool = True) -> tuple[Image, Image]:
    """Both images cut to their content, normalised, on grids of at most about ``voxels`` voxels.

    A moving image that shows much more than the fixed one is cut to what can correspond, so that
    its detail is spent there.

    Args:
        fixed, moving: as read (numpy), with masks where given.
        voxels: see ``Grid.at_most``.
        affine: the method finds an affine map first, so the images need not be aligned yet.

    Returns:
        Images with intensities in [0, 1] and their masks.
    """
    images, empty = zip(*(cropped_to_content(each) for each in (fixed, moving)))
    fixed, moving = _normalised(images, empty, affine)
    if moving.array.size > voxels and _volume(moving) > MUCH_LARGER * _volume(fixed):
        start = affine_alignment(fixed, moving) if affine else np.eye(4)
        moving = _corresponding(fixed.grid, moving, start)
    return tuple(image.resample(image.grid.at_most(voxels)) for image in (fixed, moving))


def _volume(image: Image) -> float:
    return image.array.size * image.grid.voxel_volume_ml


def _corresponding(fixed: Grid, moving: Image, start: np.ndarray) -> Image:
    """The part of the moving image where an affine map puts the fixed grid, and a margin."""
    corners = moving.grid.to_index(fixed.corners() @ start[:3, :3].T + start[:3, 3])
    low, high = corners.min(0), corners.max(0)
    margin = ROOM_TO_MOVE * (high - low)
    first = np.clip(np.floor(low - margin), 0, moving.grid.size - 1).astype(int)
    end = np.clip(np.ceil(high + margin) + 1, first + 1, moving.grid.size).astype(int)
    return part(moving, list(zip(first, end))[::-1])


def _normalised(images, empty, affine: bool) -> tuple[Image, Image]:
    """Both images with intensities in [0, 1].

    Where the two images have alike intensities (two CTs, two scans of one protocol) one window
    holds for both: windows fitted to each would differ by a little, which a method that compares
    intensities follows by millimetres in homogeneous organs. Intensities of another unit or offset
    are first brought to those of the fixed image (see `_matched`), also where only few voxels are
    bright and the two therefore look alike; those of another contrast, and masked organs that
    differ (a lung changes its density with every breath), have a window each.
    Two masks say which voxels are compared; one alone would compare an organ with a whole image.
    """
    shown = [~none for none in empty]
    whole = [image.array[here] for image, here in zip(images, shown)]
    windows = [
        _range(values, image.array[none]) for values, image, none in zip(whole, images, empty)
    ]
    masked = all(image.mask is not None for image in images)
    if masked:
        inside = [image.array[here & mask_of(image)] for image, here in zip(images, shown)]
        of_masks = [tuple(np.percentile(values, PERCENTILES)) for values in inside]
        alike = _alike(inside, of_masks)
    else:
        alike = _alike(whole, windows) or _alike(_overlap(images, shown), windows)
    if alike:
        windows = [(min(low for low, _ in windows), max(high for _, high in windows))] * 2
    elif masked:
        windows = of_masks
    if not masked:
        matched = _matched(images, shown, windows, affine)
        gap = np.abs(np.subtract(matched, windows[1])).max()
        if not alike or gap > SAME * np.ptp(windows[1]):
            windows[1] = matched
    return tuple(_scaled(*each) for each in zip(images, windows))


def are_ct(fixed: Image, moving: Image) -> tuple[bool, bool]:
    """Which of two images (numpy) hold Hounsfield units.

    Air and lung lie far below zero. A crop without them still shows fat, which is negative as well:
    beside a CT it is taken for one.
    """
    lowest = []
    for image in (fixed, moving):
        image, empty = cropped_to_content(Image(image.array, image.grid))
        lowest.append(
            float(np.percentile(image.array[~empty] if not empty.all() else image.array, 1))
        )
    return tuple(min(lowest) < AIR_HU and low < 0 for low in lowest)


def _range(values: np.ndarray, none: np.ndarray) -> tuple[float, float]:
    """Lowest and highest intensity of the content, without the most extreme ones.

    The percentiles are those of the dark and of the bright part: how much air an image shows does
    not move them, and an organ that fills little of the image is not lost. The value of the
    background lies in the range, or a quarter of its length from it.

    Args:
        values: of the content; none: of the background, all the same.
    """
    threshold = tissue_threshold(values)
    dark, bright = values[values <= threshold], values[values > threshold]
    low = float(np.percentile(dark if dark.size else values, OF_HALVES[0]))
    high = float(np.percentile(bright if bright.size else values, OF_HALVES[1]))
    room = BEYOND * (high - low) or np.inf
    level = np.clip(none[0], low - room, high + room) if none.size else low
    return float(min(low, level)), float(max(high, level))


def _alike(values, windows) -> bool:
    """Whether two images measure on one scale: their percentiles are the same."""
    if min(each.size for each in values) < ENOUGH_VOXELS:
        return False
    span = max(high for _, high in windows) - min(low for low, _ in windows)
    first, second = (np.percentile(each, COMPARED) for each in values)
    return bool(np.abs(first - second).max() <= ALIKE * span)


def _matched(images, shown, windows, affine: bool) -> tuple[float, float]:
    """The moving image's window for which its intensities, after affine alignment, are those of
    the fixed image in the fixed image's window; its own window where no line relates the two.

    The line is that of equal standard deviations, through the more homogeneous half of the voxels:
    there it matters little that the images do not lie over each other exactly. The background says
    nothing of the scale, whatever its value.
    """
    fixed, moving = (
        Image(np.where(here, _scaled(image, window).array, 0.0), image.grid, image.mask)
        for image, here, window in zip(images, shown, windows)
    )
    fixed = fixed.resample(fixed.grid.at_most(COARSE_VOXELS))
    low, high = windows[1]
    try:
        start = rough_alignment(fixed, moving) if affine else np.eye(4)
    except ValueError:  # the registration will say so, if it needs an affine map
        return low, high
    moved = seen_through(moving, start).resample(fixed.grid, outside=0.0)
    both = (fixed.array > 0) & (moved.array > 0)
    for image in (fixed, moved):
        change = ndimage.gaussian_gradient_magnitude(image.array, 1.0)
        both &= change <= np.median(change[image.array > 0], axis=None)
    first, second = fixed.array[both], moved.array[both]
    if (
        first.size < ENOUGH_VOXELS
        or first.std() == 0
        or second.std() == 0
        or np.corrcoef(first, second)[0, 1] < RELATED
    ):
        return low, high
    factor = second.std() / first.std()
    ends = second.mean() + factor * (np.array([0.0, 1.0]) - first.mean())
    return tuple(float(low + end * (high - low)) for end in ends)


def _overlap(images, shown) -> tuple[np.ndarray, np.ndarray]:
    """Intensities of both images at places that both show, as they lie."""
    fixed, moving = images
    chosen = np.flatnonzero(shown[0])
    chosen = chosen[:: max(1, chosen.size // COMPARED_VOXELS)]
    index = np.stack(np.unravel_index(chosen, fixed.grid.shape)[::-1], axis=-1)
    there = np.rint(moving.grid.to_index(fixed.grid.to_world(index))).astype(int)
    inside = np.all((there >= 0) & (there < moving.grid.size), axis=-1)
    i, j, k = there[inside].T
    both = shown[1][k, j, i]
    return fixed.array.ravel()[chosen][inside][both], moving.array[k, j, i][both]


def _scaled(image: Image, window: tuple[float, float]) -> Image:
    low, high = window
    scaled = np.clip((image.array - low) / (high - low or 1.0), 0.0, 1.0)
    return Image(scaled.astype(np.float32), image.grid, image.mask)
