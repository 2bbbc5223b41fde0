"""What may be wrong with the file of a transform: the usual mistakes, undone and tried on the pair.

Nothing is corrected: what was given is judged as it is, and a sentence names what fits better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..geometry import DisplacementField, Grid, Image, invert_at, warp
from ..geometry.field import affine_part
from ..geometry.foreground import above_mean
from ..geometry.image import mask_of
from ..geometry.interpolate import inside_index
from ..geometry.transform_file import FLIP, GivenTransform
from ..metrics.landmarks import distances
from ..metrics.similarity import local_ncc
from .comparison import WINDOW, dice_of_structures, scaled
from .inputs import Inputs

TRIAL_VOXELS = 150_000  # of the images in a trial
# Of what the backbone's registration gains in similarity over the images as they lie:
CLEARLY = 0.1  # a reading that fits better by that much is the likelier one
ENOUGH = 0.5  # and it must gain that much itself
FITS = 0.15  # a transform that gains less does nothing for this pair
SEEN = 0.02  # similarity that the backbone must gain, to be a measure of anything

Points = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Reading:
    """Another way to read the same file.

    Attributes:
        said: what is then wrong with the file, and the remedy; ends a sentence.
        points: maps (..., 3) LPS mm points of the fixed space to the moving space.
        adds: it adds what was found here, which gains something whatever the file is.
    """

    said: str
    points: Points
    adds: bool = False


@dataclass(frozen=True)
class Fit:
    """How well a map fits the pair; None where there is nothing to tell by.

    Attributes:
        similarity: mean squared local correlation in the anatomy, 0 to 1; what leaves the moving
            image counts as 0.
        tre_mm: mean landmark error. dice: mean over the structures.
    """

    similarity: float
    tre_mm: float | None
    dice: float | None

    def __str__(self) -> str:
        parts = [f"similarity {self.similarity:.2f}"]
        parts += [f"landmarks {self.tre_mm:.1f} mm off"] if self.tre_mm is not None else []
        parts += [f"Dice {self.dice:.2f}"] if self.dice is not None else []
        return ", ".join(parts)


def suspicions(inputs: Inputs, own: DisplacementField) -> list[str]:
    """Sentences on what may be wrong with the given transform; none where nothing is found.

    Args:
        inputs: with the given transform.
        own: the backbone's registration of the pair, numpy: how well the images can be made to fit.
    """
    trial = Trial(inputs)
    given = inputs.given
    transform, names = given.transform, ", ".join(given.titles)
    without, best = trial.fit(lambda points: points), trial.fit(own.map)
    found = trial.fit(lambda points: transform.map(points)[0])
    gain = best.similarity - without.similarity
    others = [(trial.fit(reading.points), reading) for reading in readings(inputs, transform, own)]

    def best_gaining(share: float) -> tuple[Fit, Reading] | None:
        """The reading that fits best of those that gain so much, and clearly more than as given."""
        fits = [
            (other, reading)
            for other, reading in others
            if trial.is_better(other, found, CLEARLY * max(gain, SEEN))
            and trial.is_better(other, without, share * max(gain, SEEN))
            and not (reading.adds and share < ENOUGH)
        ]
        return max(fits, key=lambda one: one[0].similarity, default=None)

    if likely := best_gaining(ENOUGH):
        other, reading = likely
        return [
            f"{names}: does not fit the pair as it is ({found}; without it {without}), but fits "
            f"({other}) {reading.said} It was judged as it is."
        ]
    nothing = found.similarity < without.similarity + FITS * gain
    if gain <= SEEN or not nothing or trial.truth_prefers(found, without):
        return []
    numbers = f"({found}; without it {without}; {SEEN_AS.format(best)})"
    if possible := best_gaining(FITS):
        other, reading = possible
        return [
            f"{names}: does not fit this pair {numbers}. It fits a little better ({other}) "
            f"{reading.said} If that is not the reason, it probably belongs to other images."
        ]
    return [
        f"{names}: does not fit this pair {numbers}, nor does its inverse or any other usual reading "
        "of it: it probably belongs to other images. Give the transform from this fixed to this "
        "moving image."
    ]


SEEN_AS = "the registration that was made here: {}"


def readings(inputs: Inputs, transform: GivenTransform, own: DisplacementField) -> list[Reading]:
    """What else the file may mean."""
    fixed, moving = inputs.fixed.grid, inputs.moving.grid
    flip = FLIP[:3, :3]

    def vectors(change: Callable[[np.ndarray], np.ndarray]) -> Points:
        return lambda points: points + change(transform.map(points)[0] - points)

    def along(grid: Grid, reverse: bool = False, scale: bool = True) -> Points:
        turn = grid.affine[:3, :3] if scale else grid.direction
        return vectors(lambda d: (d[..., ::-1] if reverse else d) @ turn.T.astype(d.dtype))

    found = [
        Reading(
            "as its inverse: it maps moving to fixed points. Give the inverse (of ANTs the forward "
            "transforms, of 3D Slicer the transform of the moving volume).",
            _inverse(transform, fixed, moving),
        ),
        Reading(
            "with its vectors the other way round: their sign is reversed. Multiply them by -1.",
            vectors(lambda d: -d),
        ),
        Reading(
            "with its vectors turned from RAS to LPS: they are in RAS although the file says LPS. "
            "Change the sign of x and y, or state RAS in the header (NIfTI intent 1006).",
            vectors(lambda d: d @ flip.T.astype(d.dtype)),
        ),
        Reading(
            "if it is in RAS as a whole. Write it in LPS, or as ITK files.",
            lambda points: transform.map(points @ flip)[0] @ flip,
        ),
        Reading(
            "with its vectors reversed and turned from RAS to LPS: it maps moving to fixed points, in "
            "RAS. Give the inverse in LPS.",
            vectors(lambda d: -d @ flip.T.astype(d.dtype)),
        ),
    ]
    found += [
        Reading(
            f"with its vectors times {factor:g}: they are in {unit} instead of mm. Multiply them "
            f"by {factor:g}.",
            vectors(lambda d, factor=factor: factor * d),
        )
        for factor, unit in (
            (10.0, "cm"),
            (1000.0, "metres"),
            (2.0, "voxels of an image of half the resolution, or another unit"),
            (0.5, "voxels of an image of twice the resolution, or another unit"),
            (0.1, "tenths of a mm"),
        )
    ]
    field = transform.field
    grids = [fixed] if field is None or field.grid == fixed else [field.grid, fixed]
    for grid in grids:
        found += [
            Reading(
                "with its vectors in voxels along the axes of the image instead of mm. Multiply them "
                "by the voxel size and turn them by the direction of the axes.",
                along(grid),
            ),
            Reading(
                "with its vectors in voxels, in the order z, y, x. Reverse the order, multiply by "
                "the voxel size and turn them by the direction of the axes.",
                along(grid, reverse=True),
            ),
            Reading(
                "with its vectors along the axes of the image instead of along L, P and S. Turn them "
                "by the direction of the axes.",
                along(grid, scale=False),
            ),
        ]
    if field is not None:
        placed = fixed.resized(field.grid.shape)
        if placed != field.grid:
            found.append(
                Reading(
                    "if its voxels fill the fixed image: its header places it elsewhere. Give it the "
                    "geometry of the fixed image.",
                    DisplacementField(field.vectors, placed).map,
                )
            )
        placed = moving.resized(field.grid.shape)
        if placed != field.grid:
            found.append(
                Reading(
                    "if its voxels fill the moving image: its header places it elsewhere, and it maps "
                    "moving to fixed points. Give the field on the fixed image.",
                    _inverse(
                        GivenTransform((DisplacementField(field.vectors, placed),)), fixed, moving
                    ),
                )
            )
    if len(transform.parts) > 1:
        turned = GivenTransform(transform.parts[::-1])
        found.append(
            Reading(
                "in the other order. Name the files in the order of antsApplyTransforms, the warp "
                "first.",
                lambda points: turned.map(points)[0],
            )
        )
    if not any(isinstance(part, np.ndarray) for part in transform.parts):
        matrix = affine_part(own)
        completed = GivenTransform((*transform.parts, matrix))
        found.append(
            Reading(
                "with a linear transform after it, like the one that was found here: its affine file "
                "is missing. Give both files, the warp first.",
                lambda points: completed.map(points)[0],
                adds=True,
            )
        )
    return found


class Trial:
    """The pair on a coarse grid, to try maps on."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.grid = inputs.fixed.grid.at_most(TRIAL_VOXELS)
        fixed = inputs.fixed.resample(self.grid)
        self.moving = inputs.moving.resample(inputs.moving.grid.at_most(TRIAL_VOXELS))
        self._window = np.percentile(self.moving.array, (0.5, 99.5))
        self._reference = scaled(fixed.array)
        self._anatomy = above_mean(fixed) & mask_of(fixed)
        labels = inputs.fixed_labels
        self._labels = None if labels is None else labels.resample(self.grid)
        self._points = self.grid.points()

    def fit(self, points: Points) -> Fit:
        """How well a map fits."""
        vectors = (points(self._points) - self._points).astype(np.float32)
        vectors = np.nan_to_num(vectors, nan=1e6, posinf=1e6, neginf=-1e6)
        field = DisplacementField(vectors, self.grid)
        inside = inside_index(self.moving.grid.shape, field.mapped_index(self.moving.grid))
        here = self._anatomy & inside
        similarity = 0.0
        if here.any():
            image = Image(self.moving.array, self.moving.grid)
            warped = scaled(warp(image, field, outside=None).array, self._window)
            similarity = local_ncc(self._reference, warped, here, WINDOW)
            similarity *= float(here.sum() / self._anatomy.sum())
        return Fit(similarity, self._tre(points), self._dice(field))

    def is_better(self, one: Fit, other: Fit, clearly: float) -> bool:
        """By the similarity, and no worse where landmarks or structures tell."""
        better = one.similarity > other.similarity + clearly
        if one.tre_mm is not None and other.tre_mm is not None:
            better &= one.tre_mm < other.tre_mm
        if one.dice is not None and other.dice is not None:
            better &= one.dice >= other.dice  # both are 0 where nothing meets
        return better

    def truth_prefers(self, one: Fit, other: Fit) -> bool:
        """Do landmarks or structures, where there are any, fit better?"""
        return (one.tre_mm is not None and one.tre_mm < other.tre_mm) or (
            one.dice is not None and one.dice > other.dice
        )

    def _tre(self, points: Points) -> float | None:
        """In the moving space, where no inverse is needed."""
        inputs = self.inputs
        if inputs.fixed_points is None or not inputs.known_points.any():
            return None
        known = inputs.known_points
        return float(
            distances(points(inputs.fixed_points[known]), inputs.moving_points[known]).mean()
        )

    def _dice(self, field: DisplacementField) -> float | None:
        if self._labels is None:
            return None
        true, moving = self._labels, self.inputs.moving_labels
        found = dice_of_structures(moving.warp(field.resample(true.grid)), true, moving).values()
        return float(np.mean(list(found))) if found else None


def _inverse(transform: GivenTransform, fixed: Grid, moving: Grid) -> Points:
    """The map of fixed points by the inverse of what was given (of its displacements on the moving
    image)."""
    if transform.is_linear:
        whole = np.eye(4)
        for part in transform.parts:
            whole = part @ whole
        back = GivenTransform((np.linalg.inv(whole),))
        return lambda points: back.map(points)[0]
    field, _ = transform.on(moving.at_most(TRIAL_VOXELS))
    return lambda points: invert_at(field, points)[0]
