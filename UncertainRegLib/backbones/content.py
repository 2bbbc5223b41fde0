"""Where an image has content: padding, background and air are distinguished from anatomy."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..geometry import Grid, Image

SHARE_OF_FACES = 0.005  # of the outermost voxels with one and the same value: perhaps background,
LARGE = 0.0005  # if so much of the image hangs together with that value (noise never does)
AIR_FACE = 0.95  # a face with that share of air shows where the anatomy ends
AIR_NOISE = 0.12  # standard deviation of air, at most, as a share of its distance from tissue
PART = 0.1  # of the largest connected piece of anatomy; smaller ones are noise, or a table
MARGIN = 0.1  # around the anatomy, as a share of its length along an axis
MASK_MARGIN = 0.25  # around a mask: what surrounds an organ says where it ends
LEAST_MARGIN = 4  # voxels


def background(array: np.ndarray) -> np.ndarray:
    """Booleans (Z, Y, X): the constant that fills the rim of an image (padding, a reconstruction
    circle, what lies outside of an extracted brain), as far as it is connected to the rim."""
    values, counts = np.unique(_faces(array), return_counts=True)
    found = np.zeros(array.shape, bool)
    for value in values[counts >= SHARE_OF_FACES * counts.sum()]:
        parts, _ = ndimage.label(array == value)
        large = np.bincount(parts.ravel()) >= LARGE * array.size
        touching = np.unique(_faces(parts))
        found |= np.isin(parts, touching[(touching > 0) & large[touching]])
    return found


def tissue_threshold(values: np.ndarray) -> float:
    """Otsu's threshold between air and tissue; a few extreme values do not move it."""
    low, high = np.percentile(values, (0.5, 99.5))
    if low == high:
        return float(low)
    clipped = np.clip(values, low, high).astype(np.float32).reshape(1, -1)
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.SetNumberOfHistogramBins(256)
    otsu.Execute(sitk.GetImageFromArray(clipped))
    return float(otsu.GetThreshold())


def cropped_to_content(image: Image) -> tuple[Image, np.ndarray]:
    """The image on its own voxels around its content, and where that is background.

    Constant slabs at the rim are taken away. Where air surrounds the anatomy the box ends a margin
    beyond it, also outside of the field of view: so that one anatomy gets one box, whether it was
    padded, cropped or scanned with more air. With a mask the box lies around the mask.

    Returns:
        The image (numpy; its grid may reach beyond the old one, where the mask is 0), with one
        value for all background: that of air, or the constant that was there. And booleans
        (Z, Y, X): background, things beside the anatomy (a table), or beyond the old grid.
    """
    image = part(image, _without_constant_slabs(image.array))
    empty = background(image.array)
    if empty.all():  # one grey value alone
        return image, np.zeros(image.grid.shape, bool)
    threshold = tissue_threshold(image.array[~empty])
    air = _air_level(image.array, threshold, ~empty)
    tissue = ~empty if air is None else (image.array > threshold) & ~empty
    level = np.median(image.array[empty]) if air is None and empty.any() else air
    box, beside = _around_anatomy(tissue, empty if air is None else ~tissue)
    empty |= beside
    if image.mask is not None:
        around = _with_margin(_bounds(image.mask > 0), MASK_MARGIN)
        box = [(max(0, first), min(n, end)) for (first, end), n in zip(around, image.grid.shape)]
    image = Image(
        np.where(empty, level, image.array).astype(np.float32) if empty.any() else image.array,
        image.grid,
        image.mask,
    )
    inside = [(max(0, first), min(n, end)) for (first, end), n in zip(box, image.grid.shape)]
    beyond = [(here[0] - want[0], want[1] - here[1]) for here, want in zip(inside, box)]
    image, empty = part(image, inside), empty[tuple(slice(*ends) for ends in inside)]
    return _padded(image, beyond, level), np.pad(empty, beyond, constant_values=True)


def _around_anatomy(
    tissue: np.ndarray, no_tissue: np.ndarray
) -> tuple[list[tuple[int, int]], np.ndarray]:
    """First and end index along each axis of a box around the anatomy, and booleans (Z, Y, X):
    large bright things beside the anatomy."""
    parts, count = ndimage.label(tissue)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    anatomy = np.isin(parts, np.flatnonzero(sizes >= PART * sizes.max()) + 1)
    bounds = _bounds(anatomy)
    large = np.flatnonzero((sizes >= LARGE * tissue.size) & (sizes < PART * sizes.max())) + 1
    places = ndimage.find_objects(parts)
    beside = np.isin(parts, [n for n in large if _apart(places[n - 1], bounds)])
    box = []
    for axis, ((first, end), n) in enumerate(zip(_with_margin(bounds, MARGIN), tissue.shape)):
        outer = [np.take(no_tissue | beside, face, axis).mean() >= AIR_FACE for face in (0, -1)]
        box.append((first if outer[0] else 0, end if outer[1] else n))
    return box, beside


def _apart(place: tuple[slice, ...], bounds: list[tuple[int, int]]) -> bool:
    """Whether a place lies wholly on one side of a box."""
    return any(here.stop <= first or here.start >= end for here, (first, end) in zip(place, bounds))


def _air_level(array: np.ndarray, threshold: float, where: np.ndarray) -> float | None:
    """The intensity of air: of what is darker than the threshold, if it is as uniform as air on the
    faces; None if there is none."""
    rim = _faces(array)[_faces(where)]
    dark = rim[rim <= threshold]
    bright = array[where & (array > threshold)]
    if not dark.size or not bright.size:
        return None
    is_air = dark.std() < AIR_NOISE * (bright.mean() - dark.mean())
    return float(np.median(dark)) if is_air else None


def _faces(array: np.ndarray) -> np.ndarray:
    """The outermost voxels, in one row."""
    return np.concatenate(
        [np.take(array, end, axis).ravel() for axis in range(3) for end in (0, -1)]
    )


def _without_constant_slabs(array: np.ndarray) -> list[tuple[int, int]]:
    """First and end index along each axis, without outer slices of one constant value."""
    box = [(0, n) for n in array.shape]
    changed = True
    while changed:
        changed = False
        part = array[tuple(slice(*ends) for ends in box)]
        for axis, (first, end) in enumerate(box):
            others = tuple(a for a in range(3) if a != axis)
            low, high = part.min(others), part.max(others)
            first_differing = _run(low, high)
            last_differing = _run(low[::-1], high[::-1])
            if first_differing + last_differing >= len(low):  # constant all through
                return [(0, n) for n in array.shape]
            if first_differing or last_differing:
                box[axis] = (first + first_differing, end - last_differing)
                changed = True
                break
    return box


def _run(low: np.ndarray, high: np.ndarray) -> int:
    """How many slices at the start have one value, the same in all of them."""
    same = (low == high) & (low == low[0])
    return len(same) if same.all() else int(np.argmin(same))


def _bounds(region: np.ndarray) -> list[tuple[int, int]]:
    """First and end index of what is true along each axis."""
    found = []
    for axis in range(3):
        here = np.flatnonzero(region.any(tuple(a for a in range(3) if a != axis)))
        found.append((int(here[0]), int(here[-1]) + 1))
    return found


def _with_margin(box: list[tuple[int, int]], share: float) -> list[tuple[int, int]]:
    margins = [max(LEAST_MARGIN, round(share * (end - first))) for first, end in box]
    return [(first - margin, end + margin) for (first, end), margin in zip(box, margins)]


def part(image: Image, box: list[tuple[int, int]]) -> Image:
    """The voxels of a box (first and end index along each array axis)."""
    cut = tuple(slice(*ends) for ends in box)
    mask = None if image.mask is None else image.mask[cut]
    return Image(image.array[cut], _moved(image.grid, box), mask)


def _padded(image: Image, beyond: list[tuple[int, int]], value: float | None) -> Image:
    """The image with so many voxels of a value more before and after along each array axis."""
    if not any(map(any, beyond)):
        return image
    box = [(-before, n + after) for (before, after), n in zip(beyond, image.grid.shape)]
    mask = None if image.mask is None else np.pad(image.mask, beyond)
    array = np.pad(image.array, beyond, constant_values=np.float32(value))
    return Image(array, _moved(image.grid, box), mask)


def _moved(grid: Grid, box: list[tuple[int, int]]) -> Grid:
    return grid.part([first for first, _ in box][::-1], [end - first for first, end in box])
