"""Do the two images show the same contrast, as far as the registration can tell?

A method that compares intensities finds something between any two images. Three signs tell that it
should not have been asked: the moving image, once registered, explains little of the fixed one; the
two are unrelated inside the anatomy, where its outline does not count; or they have other shares of
dark and bright, which registration hides by squeezing tissue until the intensities agree (brains of
two contrasts agreed in 91 %, with half the overlap of structures).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ..contracts import Backbone
from ..geometry import DisplacementField, Image, inside_index, warp
from .registry import known

ENOUGH = 0.6  # explained variance; measured: same contrast 0.70 to 1.00, inverted below 0.47
# Between distributions; measured: same contrast up to 0.063, bias fields from 0.02.
FARTHEST = 0.075
# Correlation inside the anatomy; measured: same contrast 0.71 (whole heads of 50 tissues) to 1.00,
# other contrasts below 0.6 (whole heads) or 0.2 (brains), but 0.68 at 4 mm.
RELATED = 0.65
INSIDE = 0.1  # of the range of intensities: what is brighter in both images is anatomy
RIM_VOXELS = 2  # of the anatomy, left out
BACKGROUND = 0.02  # of the range of intensities: no anatomy below
FEWEST_VOXELS = 100  # of anatomy, to say anything at all
# The same correlation, where a gamma or a bias field alone lies between them; measured on
# hippocampi: 0.84 to 0.94, inverted ones below 0.
IN_ORDER = 0.8


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
    first, second = _smooth(fixed.array), _smooth(moved.array)
    where = where & ((first > _floor(fixed.array)) | (second > _floor(moved.array)))
    if where.sum() < FEWEST_VOXELS or first[where].var() <= 0:
        return float("nan")
    return float(1 - np.square(first[where] - second[where]).mean() / first[where].var())


def related(fixed: Image, moved: Image, where: np.ndarray) -> float:
    """Correlation of two prepared images (numpy, one grid) inside the anatomy, without its rim.

    Args:
        where: booleans on the grid: where both images are seen.

    Returns:
        NaN where there is too little anatomy, or it has one grey value only.
    """
    first, second = _smooth(fixed.array), _smooth(moved.array)
    inside = where & (first > INSIDE) & (second > INSIDE)
    inside = ndimage.binary_erosion(inside, iterations=RIM_VOXELS)
    first, second = first[inside], second[inside]
    if first.size < FEWEST_VOXELS or first.std() == 0 or second.std() == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def distance(fixed: np.ndarray, moving: np.ndarray) -> float:
    """How far the distributions of intensities lie apart, as a share of the fixed range.

    The mean distance of their quantiles (Wasserstein's) over the anatomy of each image.

    Args:
        fixed, moving: intensities of the parts that correspond, as volumes (Z, Y, X).

    Returns:
        NaN where there is too little anatomy.
    """
    found = []
    for array in (fixed, moving):
        values = _smooth(array)
        values = values[values > _floor(array)]
        if values.size < FEWEST_VOXELS:
            return float("nan")
        found.append(np.quantile(values, np.linspace(0.005, 0.995, 100)))
    return float(np.abs(found[0] - found[1]).mean() / np.ptp(fixed))


def warnings(backbone: Backbone, differ: str) -> tuple[str, ...]:
    """A sentence where a method for one contrast was given two, or went astray; else none.

    Args:
        backbone: the registration method; those for different contrasts are not judged.
        differ: what `difference` says of the registered pair.
    """
    if not (differ and backbone.one_contrast):
        return ()
    return (
        f"The registered images {differ}: either they are of different kinds, for which "
        f"{backbone.facts.title} is not made (choose one of {', '.join(for_any_contrast())}), or the "
        "registration failed. Look at both images.",
    )


class Signs(NamedTuple):
    """What tells whether two registered images show the same contrast; NaN tells nothing.

    Attributes:
        share: see `explained`; relation: see `related`; apart: see `distance`.
    """

    share: float
    relation: float
    apart: float

    @property
    def words(self) -> str:
        """What tells that they do not, in words that follow "the registered images"; else empty."""
        if self.share < ENOUGH:
            return f"agree in only {max(self.share, 0):.0%} of their contrast"
        if self.relation < RELATED:
            return f"are hardly related inside the anatomy (correlation {self.relation:.2f})"
        if self.apart > FARTHEST:
            return (
                f"have intensities that lie {self.apart:.0%} of their range apart, dark and bright "
                "alike"
            )
        return ""

    @property
    def only_brightness(self) -> bool:
        """What is darker in one is darker in the other, too: at most a curve or a bias field lies
        between them."""
        return self.relation >= IN_ORDER


def difference(fixed: Image, moving: Image, registration: DisplacementField) -> str:
    """The words of `signs`."""
    return signs(fixed, moving, registration).words


def signs(fixed: Image, moving: Image, registration: DisplacementField) -> Signs:
    """What tells whether two registered images show the same contrast.

    Args:
        fixed, moving: as returned by ``backbone.prepare``.
        registration: of the pair, mm LPS.
    """
    field = registration.to_numpy()
    fixed, moving = fixed.to_numpy().resample(field.grid), moving.to_numpy()
    index = field.mapped_index(moving.grid)
    seen = inside_index(moving.grid.shape, index)
    if fixed.mask is not None:
        seen &= fixed.mask > 0
    moved = warp(moving, field, outside=float(moving.array.min()))
    return Signs(
        explained(fixed, moved, seen),
        related(fixed, moved, seen),
        distance(*_corresponding(fixed.array, moving.array, seen, index)),
    )


def for_any_contrast() -> list[str]:
    """The backbones for images of different contrasts, of any anatomy and without weights; those
    that compare structure first."""
    found = [
        name
        for name, cls in known().items()
        if cls.listed
        and not cls.facts.one_contrast
        and (cls.facts.anatomy, cls.facts.weights) == ("any", None)
    ]
    return sorted(found, key=lambda name: not known()[name].facts.compares_structure)


def _corresponding(
    fixed: np.ndarray, moving: np.ndarray, seen: np.ndarray, index: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The boxes of the two volumes that the registration brings together."""
    if not seen.any():
        return fixed, moving
    places = np.argwhere(seen)
    low, high = places.min(axis=0), places.max(axis=0) + 1
    targets = index[seen][:, ::-1]  # as array axes
    first, last = np.floor(targets.min(axis=0)), np.ceil(targets.max(axis=0)) + 1
    first = np.maximum(first, 0).astype(int)
    return (fixed[tuple(map(slice, low, high))], moving[tuple(map(slice, first, last.astype(int)))])


def _smooth(array: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(np.asarray(array, np.float32), 1.0)


def _floor(array: np.ndarray) -> float:
    """What is darker is background: of this image alone, as one window for two images may leave the
    background of one of them above zero."""
    return float(array.min() + BACKGROUND * np.ptp(array))
