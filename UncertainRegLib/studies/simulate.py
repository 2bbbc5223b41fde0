"""Real images with a known deformation between them, and where to judge it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from .. import backbones
from ..backbones.linear import after
from ..geometry import DisplacementField, Grid, Image, compose, inside_index, read_field, warp
from ..geometry.errors import Say, unsaid
from ..geometry.field_file import check_cover
from ..geometry.foreground import patient
from ..perturbations import Affine, Deform, Translation

ELASTIC = Deform(10, 0.35)  # below the bound of injectivity, about 0.40 of the spacing
ELASTIC_PAPER = Deform(10, 0.5)  # drawn again where it folds, and then made smaller


def _twice(family) -> Callable[[Grid, np.random.Generator], DisplacementField]:
    def drawn(grid: Grid, generator: np.random.Generator) -> DisplacementField:
        first, second = (family.draw(grid, generator).field(grid) for _ in range(2))
        return compose(first, second)

    return drawn


def _drawn(family) -> Callable[[Grid, np.random.Generator], DisplacementField]:
    return lambda grid, generator: family.draw(grid, generator).field(grid)


# Tian et al., App. C.3: translation +-10 %; translation, shear +-0.1 and scale 0.8 ... 1.2
# together; two elastic deformations, of at most half the spacing of the control points an axis in
# "elastic2-paper". "elastic" and "elastic2" are milder.
TRUTHS = {
    "translation": _drawn(Translation(0.1)),
    "affine": _drawn(Affine(degrees=0.0, shear=0.1, low=0.8, high=1.2, fraction=0.1)),
    "elastic": _drawn(ELASTIC),
    "elastic2": _twice(ELASTIC),
    "elastic-paper": _drawn(ELASTIC_PAPER),
    "elastic2-paper": _twice(ELASTIC_PAPER),
}


def draw_truth(
    name: str, grid: Grid, generator: np.random.Generator, say: Say = unsaid
) -> DisplacementField:
    """A known deformation phi, fixed to moving, mm LPS on ``grid``.

    Args:
        name: one of TRUTHS, or the file of a displacement field (see `registration_truth`).
        grid: grid of the image to deform.
        generator: source of the draw; a file is always the same.
        say: hears what is odd about the file. Beyond its grid the vectors of its border go on.

    Raises:
        ValueError: unknown name, or the file cannot be read or does not reach the image.
    """
    if name in TRUTHS:
        return TRUTHS[name](grid, generator)
    if not Path(name).suffix:
        raise ValueError(
            f"Unknown truth {name!r}; choose one of {', '.join(TRUTHS)}, or the file "
            "of a displacement field."
        )
    field = read_field(name, say)
    check_cover(field.grid, grid, name, "the image", say)
    return field.resample(grid)


def registration_truth(
    image: Image, moving: Image, maker: str = "demons", keeps_affine: bool = False
) -> DisplacementField:
    """What a registration finds between two real images: "real" in the paper, which takes ANTs and
    keeps its affine part.

    The affine part is a truth of its own, and may move the anatomy out of the field of view, so
    that it is left out unless told otherwise. A method that is judged should not be its own maker.

    Args:
        image: the image that the study will deform (numpy); the grid of the field is its grid.
        moving: another real image of the same anatomy.
        maker: name of a backbone.
        keeps_affine: with the affine part.

    Raises:
        ValueError: no such backbone, or it is not installed; the images cannot be registered.
    """
    backbone = backbones.create(maker)
    field = backbone.register(*backbone.prepare(image, moving)).to_numpy()
    if keeps_affine:
        return field.resample(image.grid)
    affine = affine_part(field, patient(image.resample(field.grid)))
    return after(np.linalg.inv(affine), field).resample(image.grid)


def affine_part(field: DisplacementField, region: np.ndarray, most: int = 50_000) -> np.ndarray:
    """The affine map (4x4, LPS mm) nearest to x + d(x) inside ``region``, by least squares.

    Args:
        field: numpy, mm LPS.
        region: booleans on its grid.
        most: voxels used, evenly spread.

    Raises:
        ValueError: the region has fewer than eight voxels.
    """
    chosen = np.flatnonzero(region)
    if chosen.size < 8:
        raise ValueError("The region of interest is empty: give a mask that marks the anatomy.")
    chosen = chosen[:: max(1, chosen.size // most)]
    index = np.stack(np.unravel_index(chosen, field.grid.shape)[::-1], axis=-1)
    center = field.grid.center
    away = field.grid.to_world(index) - center
    moved = away + field.vectors.reshape(-1, 3)[chosen]
    found = np.linalg.lstsq(np.column_stack([away, np.ones(len(away))]), moved, rcond=None)[0]
    affine = np.eye(4)
    affine[:3, :3] = found[:3].T
    affine[:3, 3] = found[3] + center - affine[:3, :3] @ center
    return affine


def deformed(image: Image, truth: DisplacementField) -> Image:
    """The fixed image B = A∘phi of a simulated pair: the moving image A is ``image`` itself.

    Beyond the field of view the border is repeated: an edge to air there would be one more
    thing to register.
    """
    return warp(image, truth, outside=None)


def seen(truth: DisplacementField, moving: Grid) -> np.ndarray:
    """Booleans (Z, Y, X): where the true point lies in the moving field of view."""
    return inside_index(moving.shape, truth.mapped_index(moving))


def error_mm(field: DisplacementField, truth: DisplacementField) -> np.ndarray:
    """‖phi_hat(y) − phi(y)‖ in mm on the grid of ``field`` (Tian et al., App. C.3)."""
    gap = field.to_numpy().vectors - truth.resample(field.grid).to_numpy().vectors
    return np.linalg.norm(gap, axis=-1)
