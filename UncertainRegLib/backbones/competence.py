"""Does a backbone follow a shift, and no more? Otherwise its disagreement is no warning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..contracts import Backbone
from ..geometry import DisplacementField, Image, warp
from ..geometry.arrays import as_like, to_numpy
from ..geometry.foreground import above_mean
from .failures import FAILURES, check_finite, out_of_memory

DISTANCES_MM = (1.0, 4.0, 10.0)
ENOUGH = 0.5  # of a shift followed; less means that the backbone cannot see it
TOO_MUCH = 1.25  # of a shift followed; more means that the search runs away
DIRECTION = np.ones(3) / np.sqrt(3)  # along all axes at once: one registration a distance


@dataclass(frozen=True)
class Competence:
    """What fraction of known shifts a backbone follows.

    Attributes:
        followed: distance in mm -> fraction of the shift in the answer; 1 is perfect. A distance
            at which the registration failed is missing.
        warnings: sentences for a reader of the result; empty when all is well.
    """

    followed: dict[float, float]
    warnings: tuple[str, ...]


def probe(
    backbone: Backbone,
    fixed: Image,
    moving: Image,
    distances_mm: tuple[float, ...] = DISTANCES_MM,
    registration: DisplacementField | None = None,
) -> Competence:
    """Shift the moving image by known distances and compare the results.

    A network far outside its range returns nearly the same small field whatever it sees. Its
    samples then agree, wrongly: 25 mm of error were seen under 2 mm of disagreement.

    Args:
        fixed, moving: as returned by ``backbone.prepare``; costs one registration a distance.
        registration: of the pair as it is, where it is known; one more registration otherwise.
    """
    registration = backbone.register(fixed, moving) if registration is None else registration
    before = to_numpy(registration.vectors)
    inside = above_mean(fixed)
    followed, failed = {}, []
    for distance in distances_mm:
        shift = distance * DIRECTION
        vectors = as_like(np.broadcast_to(shift, (*moving.grid.shape, 3)).copy(), moving.array)
        shifted = warp(
            moving, DisplacementField(vectors, moving.grid), outside=backbone.facts.outside
        )
        try:
            after = backbone.register(fixed, shifted)
            check_finite(after)
        except FAILURES as error:
            if out_of_memory(error):
                raise
            failed.append(
                f"The registration of the moving image shifted by {distance:g} mm failed: {error}"
            )
            continue
        change = (before - to_numpy(after.vectors))[_on(inside, fixed, after)]
        followed[distance] = float((change @ DIRECTION).mean() / distance)
    return Competence(followed, (*_warnings(backbone.facts.title, followed), *failed))


def _on(inside: np.ndarray, image: Image, field: DisplacementField) -> np.ndarray:
    """The foreground on the grid of a field, which may differ from that of the image."""
    if field.grid == image.grid:
        return inside
    moved = Image(inside.astype(np.float32), image.grid).resample(field.grid, "nearest", 0.0)
    return moved.array > 0


def _warnings(title: str, followed: dict[float, float]) -> tuple[str, ...]:
    weak = _in_words(followed, lambda part: part < ENOUGH)
    wild = _in_words(followed, lambda part: part > TOO_MUCH)
    found = []
    if weak:
        found.append(
            f"{title} follows only {weak} when the moving image is shifted by that much: "
            "where it cannot follow, small disagreement does not mean small error."
        )
    if wild:
        found.append(
            f"{title} follows {wild} when the moving image is shifted by that much: a "
            "search that overshoots has found no stable answer, and the registration "
            "may be far off. Look at the registered image."
        )
    return tuple(found)


def _in_words(followed: dict[float, float], chosen: Callable[[float], bool]) -> str:
    return ", ".join(
        f"{max(part, 0):.0%} of {distance:g} mm"
        for distance, part in followed.items()
        if chosen(part)
    )
