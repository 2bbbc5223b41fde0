"""Do the two images show the same contrast, as far as the registration can tell?

A method that compares intensities finds something between any two images. Where the moving image,
once registered, explains little of the fixed one, either the images are of different kinds, or the
registration failed; both are reasons to say so.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..geometry import DisplacementField, Image, inside_index, warp

ENOUGH = 0.7  # explained variance; measured: same contrast 0.78 to 1.00, inverted below 0.46
BACKGROUND = 0.02  # of the range of intensities: no anatomy below
FEWEST_VOXELS = 100  # of anatomy, to say anything at all
ANY_CONTRAST = "bspline, elastix, convexadam"


def explained(fixed: Image, moved: Image, where: np.ndarray) -> float:
    """Share of the variance of the fixed image that the registered one explains as it is.

    1 − mean (f − m)² / var f over the anatomy, after a Gaussian of one voxel against noise: 1 for
    equal images, 0 for one no better than a constant grey, negative for an inverted one.

    Args:
        fixed, moved: prepared images (numpy) on one grid, in the same range of intensities.
        where: booleans on it: where both images are seen.

    Returns:
        NaN where there is too little anatomy, or it has one grey value only.
    """
    low, high = float(fixed.array.min()), float(fixed.array.max())
    first, second = (ndimage.gaussian_filter(np.asarray(image.array, np.float32), 1.0)
                     for image in (fixed, moved))
    floor = low + BACKGROUND * (high - low)
    where = where & ((first > floor) | (second > floor))
    if where.sum() < FEWEST_VOXELS or first[where].var() <= 0:
        return float("nan")
    return float(1 - np.square(first[where] - second[where]).mean() / first[where].var())


def warnings(backbone, fixed: Image, moving: Image,
             registration: DisplacementField) -> tuple[str, ...]:
    """A sentence where a method for one contrast was given two, or went astray; else none.

    Args:
        backbone: the registration method; those for different contrasts are not judged.
        fixed, moving: as returned by ``backbone.prepare``.
        registration: of the pair, mm LPS.
    """
    if not backbone.facts.one_contrast or getattr(backbone, "metric", "") == "mattes":
        return ()
    field = registration.to_numpy()
    fixed, moving = fixed.to_numpy().resample(field.grid), moving.to_numpy()
    seen = inside_index(moving.grid.shape, field.mapped_index(moving.grid))
    if fixed.mask is not None:
        seen &= fixed.mask > 0
    share = explained(fixed, warp(moving, field), seen)
    if not share < ENOUGH:
        return ()
    return (f"The registered images agree in only {max(share, 0):.0%} of their contrast: either "
            f"they are of different kinds, for which {backbone.facts.title} is not made (choose "
            f"one of {ANY_CONTRAST}), or the registration failed. Look at both images.",)
