"""The battery that every backbone passes, and that says in words what is wrong when one does not.

Known shifts of an image's content must come back as the same vectors in mm, on straight and on
oblique grids and at another resolution. Each kind of wrong convention (axes, signs, units) leaves
its own pattern in the answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..geometry import Grid, Image, interpolate
from ..geometry.arrays import to_numpy
from .competence import ENOUGH, probe

SHIFT_MM = 4.0
SILENT = 0.1  # a smaller response means that the shift is not followed at all
AXES = ("i", "j", "k")
# a rotation about an oblique axis by 25 degrees (Rodrigues)
_AXIS = np.array([0.36, -0.48, 0.8])
_CROSS = np.cross(np.eye(3), _AXIS)
TILT = np.eye(3) + np.sin(0.436) * _CROSS + (1 - np.cos(0.436)) * _CROSS @ _CROSS


@dataclass(frozen=True)
class Check:
    """One result of the battery; ``passed`` None means that it is only reported."""

    name: str
    passed: bool | None
    text: str


def verify(backbone, image: Image | None = None, competence: bool = True) -> list[Check]:
    """Run the battery.

    Args:
        backbone: as made by ``create`` (an affine start is switched off where it has one).
        image: an image it was made for, best with background around the anatomy; without one, a
            phantom of soft blobs is used, which a network trained on brains may not follow.
        competence: also probe which shifts are followed.
    """
    if getattr(backbone, "affine", False) and hasattr(backbone, "network"):
        backbone.affine = False  # it would hide what the network answers
    content = _phantom if image is None else _content_of(image)
    grid = Grid.from_spacing((40, 56, 48), (2.2, 1.6, 3.0), (-52, -44, -60)) \
        if image is None else image.grid
    straight, base, problem = _response(backbone, content, grid)
    if problem:
        return [Check("field", False, problem)]
    checks = [Check("field", True, "finite, on a grid of the fixed space")]
    words = diagnose(straight, base.grid)
    checks.append(Check("shift", not words, words or _in_words(straight, base.grid)))
    if not words:
        checks.append(_oblique(backbone, content, grid, straight))
        checks.append(_resolution(backbone, content, grid, straight))
    checks.append(_repeatability(backbone, content, grid))
    if competence and not words:
        found = probe(backbone, *backbone.prepare(content_image(content, grid),
                                                  content_image(content, grid)))
        parts = ", ".join(f"{part:.0%} of {mm:g} mm" for mm, part in found.followed.items())
        checks.append(Check("competence", None if found.warnings else True,
                            f"follows {parts}" + "".join(f". {w}" for w in found.warnings)))
    return checks


def content_image(content: Callable, grid: Grid, shift=(0, 0, 0)) -> Image:
    """The content, moved by ``shift`` (mm LPS), sampled on a grid."""
    points = grid.points().astype(np.float64) - np.asarray(shift, float)
    return Image(content(points).astype(np.float32), grid)


def diagnose(response: np.ndarray, grid: Grid) -> str:
    """What is wrong with the answers to shifts along the axes of a grid; empty if nothing is.

    Args:
        response: (3, 3): row a is the answer, along (i, j, k), to a unit shift along axis a.
        grid: the grid of the field.
    """
    size = np.abs(response)
    if size.max() < SILENT / (grid.size.max() - 1) * 2:
        return "the field does not change when the moving image is shifted"
    partner = size.argmax(axis=1)
    if sorted(partner) == [0, 1, 2] and list(partner) != [0, 1, 2]:
        swaps = ", ".join(f"a shift along {AXES[a]} is answered along {AXES[b]}"
                          for a, b in enumerate(partner) if a != b)
        return f"axes swapped: {swaps} (see 'channels' and 'axes')"
    scale = np.diag(response)
    if np.any(scale < 0) and list(partner) == [0, 1, 2]:
        wrong = " and ".join(AXES[a] for a in range(3) if scale[a] < 0)
        if np.all(scale < 0):
            return ("sign reversed: the field maps moving to fixed points, or the two inputs are "
                    "exchanged (see 'inputs')")
        return f"sign reversed along {wrong} (see 'axes')"
    return _wrong_units(np.abs(scale), grid)


def _wrong_units(scale: np.ndarray, grid: Grid) -> str:
    """A unit other than the stated one multiplies the answers by known numbers of the grid."""
    half = (grid.size - 1) / 2.0
    readings = {
        "": np.ones(3),
        "voxels given as mm": 1 / grid.spacing,
        "mm given as voxels": grid.spacing,
        "half-extents given as voxels": 1 / half,
        "voxels given as half-extents": half,
        "half-extents given as mm": 1 / (half * grid.spacing),
        "mm given as half-extents": half * grid.spacing,
    }
    # A network follows a part of a shift, much the same along every axis: the right reading
    # leaves factors that are equal, and not far from 1.
    misfit = {}
    for name, factor in readings.items():
        logs = np.log(scale / factor)
        misfit[name] = logs.std() + 0.25 * abs(logs.mean())
    best = min(misfit, key=misfit.get)
    if best and misfit[best] < 0.5 * misfit[""] and misfit[""] > 0.15:
        return f"{best} (see 'units')"
    if scale.max() < SILENT:
        return ("shifts are hardly followed; give an image of the kind it was made for, or it "
                "was not trained")
    return ""


def _response(backbone, content, grid):
    """(3, 3) answers in grid axes, the field of the unshifted pair, and a problem in words."""
    fixed = content_image(content, grid)
    prepared = backbone.prepare(fixed, fixed)
    base = backbone.register(*prepared)
    vectors = to_numpy(base.vectors)
    if vectors.shape != (*base.grid.shape, 3) or not np.isfinite(vectors).all():
        return None, base, "the field has the wrong shape or values that are not finite"
    inside = to_numpy(prepared[0].resample(base.grid).array)
    inside = inside > inside.mean()
    rows = []
    for direction in base.grid.direction.T:
        moved = content_image(content, grid, SHIFT_MM * direction)
        answer = to_numpy(backbone.register(*backbone.prepare(fixed, moved)).vectors) - vectors
        rows.append(base.grid.direction.T @ answer[inside].mean(axis=0) / SHIFT_MM)
    return np.array(rows), base, ""


def _in_words(response: np.ndarray, grid: Grid) -> str:
    parts = ", ".join(f"{value:.0%} along {axis}" for value, axis in zip(np.diag(response), AXES))
    text = f"a shift of {SHIFT_MM:g} mm comes back in its own direction ({parts})"
    return text if np.diag(response).min() >= ENOUGH else f"{text}, though weakly"


def _oblique(backbone, content, grid: Grid, straight: np.ndarray) -> Check:
    """The same content on a tilted grid must give the same vectors in space."""
    affine = grid.affine.copy()
    affine[:3, :3] = TILT @ affine[:3, :3]
    affine[:3, 3] = grid.center - affine[:3, :3] @ ((grid.size - 1) / 2.0)
    tilted, base, problem = _response(backbone, _tilted(content, grid.center),
                                      Grid(grid.shape, affine))
    if problem:
        return Check("oblique grid", False, problem)
    words = diagnose(tilted, base.grid)
    worst = float(np.abs(tilted - straight).max())
    good = not words and worst < 0.15
    return Check("oblique grid", good, words or
                 f"answers differ by at most {worst:.0%} of the shift from those on a straight "
                 "grid")


def _tilted(content, center):
    """The content turned about a centre along with the grid."""
    return lambda points: content((points - center) @ TILT + center)


def _resolution(backbone, content, grid: Grid, straight: np.ndarray) -> Check:
    """Images of another resolution must give the same millimetres."""
    coarse = grid.resized(tuple(max(8, round(0.7 * n)) for n in grid.shape))
    other, base, problem = _response(backbone, content, coarse)
    words = problem or diagnose(other, base.grid)
    worst = float("inf") if problem else float(np.abs(other - straight).max())
    return Check("resolution", not words and worst < 0.25, words or
                 f"answers for images of 0.7 times the resolution differ by at most {worst:.0%} of "
                 "the shift")


def _repeatability(backbone, content, grid: Grid) -> Check:
    image = content_image(content, grid)
    moved = content_image(content, grid, (SHIFT_MM, 0, 0))
    pair = backbone.prepare(image, moved)
    first, second = (to_numpy(backbone.register(*pair).vectors) for _ in range(2))
    difference = float(np.abs(first - second).max())
    stochastic = backbone.facts.stochastic
    good = (difference > 1e-4) == stochastic
    said = "stochastic" if stochastic else "deterministic"
    return Check("repeatability", good, f"two calls differ by {difference:.2g} mm; it says it is "
                                        f"{said}")


def _phantom(points: np.ndarray) -> np.ndarray:
    """Soft blobs within 35 mm of the origin, values 0 to about 1, at LPS mm points."""
    generator = np.random.default_rng(11)
    total = np.zeros(points.shape[:-1])
    for _ in range(14):
        center = generator.uniform(-26, 26, 3)
        width = generator.uniform(5, 12)
        distance = ((points - center) ** 2).sum(axis=-1)
        total += generator.uniform(0.2, 0.6) * np.exp(-distance / (2 * width**2))
    return total


def _content_of(image: Image) -> Callable:
    """A given image as a function of LPS mm points; outside its field of view its minimum."""
    array = image.array.astype(np.float32)
    return lambda points: interpolate(array, image.grid.to_index(points), "linear",
                                      float(array.min()))

