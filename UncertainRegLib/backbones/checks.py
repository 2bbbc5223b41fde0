"""What every backbone is checked for, and in words what is wrong where one does not pass.

Known shifts of an image's content must come back as the same vectors in mm, on straight and on
oblique grids and at another resolution; a deformation of a few places must come back at these
places. Each kind of wrong convention (axes, signs, units) leaves its own pattern in the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..contracts import Backbone
from ..geometry import DisplacementField, Grid, Image
from ..geometry.arrays import to_numpy
from .competence import DISTANCES_MM, ENOUGH, probe
from .diagnosis import (
    AXES,
    SHIFT_MM,
    Answers,
    diagnose,
    diagnose_pair_of_one,
    diagnose_places,
    doubtful_units,
    uneven,
)
from .known_content import (
    Content,
    Places,
    content_image,
    content_of,
    phantom,
    places_of,
    shifted,
    tilted,
)
from .manifest import Manifest
from .torchscript import TorchScript
from .trained import TrainedModel

COARSER = 0.7  # of the voxels along each axis
PHANTOM_GRID = Grid.from_spacing((40, 56, 48), (2.2, 1.6, 3.0), (-52, -44, -60))
AT_MOST = 14  # registrations, without those of the competence
CANNOT_SHOW = (
    "whether 'axes' is the orientation of the images in training cannot be seen here: a "
    "network answers an image that is turned consistently, only less well. Compare the "
    "Dice of a known pair with other 'axes' (`run --fixed-labels --moving-labels`)"
)


@dataclass(frozen=True)
class Check:
    """One check; ``passed`` None means that it is only reported."""

    name: str
    passed: bool | None
    text: str


class _Failure(Exception):
    """The backbone gave no field; the message says why."""


class _Trial:
    """A backbone whose registrations are checked and counted."""

    def __init__(
        self, backbone: Backbone, progress: Callable[[int, int], None], at_most: int
    ) -> None:
        self.backbone, self.facts = backbone, backbone.facts
        manifest = _manifest(backbone)
        self.units = None if manifest is None else manifest.units
        self.progress, self.done, self.at_most = progress, 0, at_most

    def pair(self, fixed: Content, moving: Content, grid: Grid) -> tuple[Image, Image]:
        """The prepared images of two contents."""
        image = content_image(fixed, grid)
        return self.backbone.prepare(
            image, image if moving is fixed else content_image(moving, grid)
        )

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """The field (numpy) of a prepared pair."""
        try:
            field = self.backbone.register(fixed, moving).to_numpy()
        except (ValueError, RuntimeError) as error:
            raise _Failure(str(error)) from error
        self.done += 1
        self.progress(self.done, self.at_most)
        if field.vectors.shape != (*field.grid.shape, 3) or not np.isfinite(field.vectors).all():
            raise _Failure("the field has the wrong shape or values that are not finite")
        return field


def verify(
    backbone: Backbone,
    image: Image | None = None,
    competence: bool = True,
    progress: Callable[[int, int], None] = lambda done, at_most: None,
) -> Iterator[Check]:
    """Run the checks; each comes as soon as it is known.

    What is judged is the answer of the method itself: an affine start before a network is switched
    off, which would follow the shifts on its own, whatever the network answers.

    Args:
        backbone: as made by ``create``.
        image: an image it was made for, best with background around the anatomy; without one, a
            phantom of soft blobs is used, which a network trained on brains may not follow.
        competence: also probe which shifts are followed.
        progress: hears the number of registrations so far, and how many there are at most.
    """
    if backbone.affine and backbone.learned:
        backbone.affine = False
    content = phantom(_window(backbone)) if image is None else content_of(image)
    grid = PHANTOM_GRID if image is None else image.grid
    trial = _Trial(backbone, progress, AT_MOST + competence * len(DISTANCES_MM))
    try:
        yield from _checks(trial, content, grid, competence)
    except _Failure as failure:
        yield Check("field", False, str(failure))


def _checks(trial: _Trial, content: Content, grid: Grid, competence: bool) -> Iterator[Check]:
    straight = _answers(trial, content, grid)
    yield Check("field", True, "finite, on a grid of the fixed space")
    for text in trial.backbone.notes:
        yield Check("intensity", None, text)
    words = diagnose_pair_of_one(straight)
    yield Check(
        "same image twice",
        not words,
        words or f"an image and itself are {np.median(straight.base_mm):.2g} mm apart (median)",
    )
    words = diagnose(straight, trial.units)
    yield Check("shift", not words, words or _in_words(straight.matrix))
    if not words:
        doubt = doubtful_units(straight, trial.units) if trial.units else ""
        if doubt:
            yield Check("units", None, doubt)
        doubt = uneven(straight)
        if doubt:
            yield Check("shift", None, doubt)
        yield _places(trial, content, grid, straight.base.grid)
        yield _oblique(trial, content, grid, straight.matrix)
        yield _resolution(trial, content, grid, straight.matrix)
    yield _repeatability(trial, content, grid, straight)
    if competence and not words:
        yield _competence(trial, content, grid, straight.base)
    if isinstance(trial.backbone, (TorchScript, TrainedModel)) and not words:
        yield Check("axes", None, CANNOT_SHOW)


def _manifest(backbone: Backbone) -> Manifest | None:
    """What a person said of a network of their own."""
    return backbone.manifest if isinstance(backbone, TorchScript) else None


def _window(backbone: Backbone) -> tuple[float, float]:
    """The intensities that a network of one's own is made for, where its manifest names them."""
    manifest = _manifest(backbone)
    named = manifest is not None and isinstance(manifest.intensity, tuple)
    return manifest.intensity if named else (0.0, 1.0)


def _answers(trial: _Trial, content: Content, grid: Grid) -> Answers:
    """The answers to shifts along the three axes of the field's grid."""
    prepared = trial.pair(content, content, grid)
    base = trial.register(*prepared)
    inside = to_numpy(prepared[0].resample(base.grid).array)
    inside = inside > inside.mean()
    fields = []
    for direction in base.grid.direction.T:
        moved = shifted(content, SHIFT_MM * direction)
        fields.append(trial.register(*trial.pair(content, moved, grid)))
    return Answers.of(base, inside, fields)


def _in_words(matrix: np.ndarray) -> str:
    parts = ", ".join(f"{value:.0%} along {axis}" for value, axis in zip(np.diag(matrix), AXES))
    text = f"a shift of {SHIFT_MM:g} mm comes back in its own direction ({parts})"
    return text if np.diag(matrix).min() >= ENOUGH else f"{text}, though weakly"


def _places(trial: _Trial, content: Content, grid: Grid, of_field: Grid) -> Check:
    """A deformation that differs from place to place and from axis to axis, and its answer."""
    truth = places_of(content_image(content, grid), of_field)
    deformed = partial(_deformed, content, truth)
    answer = trial.register(*trial.pair(deformed, content, grid))
    return Check("places", *diagnose_places(truth, answer))


def _deformed(content: Content, truth: Places, points: np.ndarray) -> np.ndarray:
    return content(points + truth(points))


def _oblique(trial: _Trial, content: Content, grid: Grid, straight: np.ndarray) -> Check:
    """The same content on a tilted grid must give the same vectors in space."""
    answers = _answers(trial, *tilted(content, grid))
    words = diagnose(answers, trial.units)
    worst = float(np.abs(answers.matrix - straight).max())
    return Check(
        "oblique grid",
        not words and worst < 0.15,
        words
        or f"answers differ by at most {worst:.0%} of the shift from those on a straight grid",
    )


def _resolution(trial: _Trial, content: Content, grid: Grid, straight: np.ndarray) -> Check:
    """Images of another resolution must give the same millimetres."""
    coarser = grid.resized(tuple(max(8, round(COARSER * n)) for n in grid.shape))
    answers = _answers(trial, content, coarser)
    words = diagnose(answers, trial.units)
    worst = float(np.abs(answers.matrix - straight).max())
    return Check(
        "resolution",
        not words and worst < 0.25,
        words
        or f"answers for images of {COARSER:g} times the resolution differ by at most "
        f"{worst:.0%} of the shift",
    )


def _repeatability(trial: _Trial, content: Content, grid: Grid, straight: Answers) -> Check:
    """A second call for a shifted pair: noise in proportion to the answer shows only there."""
    moved = shifted(content, SHIFT_MM * straight.base.grid.direction.T[0])
    again = trial.register(*trial.pair(content, moved, grid))
    difference = float(np.abs(again.vectors - straight.moved.vectors).max())
    stochastic = trial.facts.stochastic
    said = "stochastic" if stochastic else "deterministic"
    return Check(
        "repeatability",
        (difference > 1e-4) == stochastic,
        f"two calls differ by {difference:.2g} mm; it says it is {said}",
    )


def _competence(trial: _Trial, content: Content, grid: Grid, base: DisplacementField) -> Check:
    found = probe(trial, *trial.pair(content, content, grid), registration=base)
    parts = ", ".join(f"{part:.0%} of {mm:g} mm" for mm, part in found.followed.items())
    return Check(
        "competence",
        None if found.warnings else True,
        f"follows {parts}" + "".join(f". {w}" for w in found.warnings),
    )
