"""A pair of images with a known field between them, and what else may surround its anatomy."""

from __future__ import annotations

import numpy as np

from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import DisplacementField, Grid, Image, warp

from .phantoms import smooth_field, textured

AIR, TISSUE = -1000.0, 40.0
FACE_VOXELS = 3  # of a crop without air that are not judged: less is seen there
NO_AIR = "a crop without air"


def scan(seed: int = 4, spacing_mm: float = 2.0) -> Image:
    """A body of textured tissue, in Hounsfield units, with noisy air around it."""
    grid = Grid.from_spacing((44, 52, 52), (spacing_mm,) * 3)
    tissue = textured(grid, seed=seed)
    shown = tissue.array / 60  # 0 outside, about 1 inside
    noise = np.random.default_rng(seed).normal(0, 8, grid.shape)
    values = AIR + (TISSUE - AIR + 2 * (tissue.array - 60)) * np.clip(shown, 0, 1)
    return Image((values + noise).astype(np.float32), grid)


def known_pair(seed: int = 4, spacing_mm: float = 2.0) -> tuple[Image, Image, DisplacementField]:
    """Fixed image, moving image, and the displacement (mm LPS) between them."""
    moving = scan(seed, spacing_mm)
    truth = smooth_field(moving.grid, 1.5 * spacing_mm)
    return warp(moving, truth, outside=None), moving, truth


def padded(image: Image, voxels: int, value: float) -> Image:
    """So many voxels of a value more on every side."""
    grid = image.grid
    affine = grid.affine.copy()
    affine[:3, 3] = grid.to_world([-float(voxels)] * 3)
    array = np.pad(image.array, voxels, constant_values=np.float32(value))
    return Image(array, Grid(array.shape, affine))


def cropped(image: Image, voxels: tuple[int, int, int]) -> Image:
    """So many voxels less at both ends of each array axis."""
    cut = tuple(slice(n, -n) for n in voxels)
    affine = image.grid.affine.copy()
    affine[:3, 3] = image.grid.to_world([float(n) for n in voxels[::-1]])
    return Image(image.array[cut], Grid(image.array[cut].shape, affine))


def without_air(image: Image) -> Image:
    """A crop that shows tissue alone."""
    return cropped(image, (12, 14, 14))


def in_a_circle(image: Image) -> Image:
    """What a scanner reconstructs: beyond the circle a value that is no measurement."""
    index = np.indices(image.array.shape)[1:]
    middle = (np.array(image.array.shape[1:]) - 1)[:, None, None, None] / 2
    outside = ((index - middle) ** 2).sum(0) > (image.array.shape[2] / 2) ** 2
    return Image(np.where(outside, np.float32(-3024), image.array), image.grid)


def with_air(image: Image) -> Image:
    """Twelve voxels of noisy air more on every side."""
    more = padded(image, 12, AIR)
    noise = np.random.default_rng(9).normal(0, 8, more.array.shape).astype(np.float32)
    array = np.where(more.array == AIR, AIR + noise, more.array)
    return Image(array.astype(np.float32), more.grid)


def with_table(image: Image) -> Image:
    """A bright board beneath the body."""
    array = image.array.copy()
    array[:, -2, 8:-8] = 150.0
    return Image(array, image.grid)


def changed(image: Image, factor: float = 1.0, offset: float = 0.0) -> Image:
    """Intensities of another unit."""
    return Image((image.array * np.float32(factor) + np.float32(offset)), image.grid)


def surroundings(fixed: Image, moving: Image) -> dict[str, tuple[Image, Image]]:
    """The same pair of anatomies, in images that show more, less or other things beside it."""
    return {
        "padded with 0": (padded(fixed, 10, 0.0), moving),
        "padded with 0, much": (padded(fixed, 30, 0.0), moving),
        "padded with air": (fixed, padded(moving, 20, AIR)),
        "padded with a large value": (padded(fixed, 10, 30000.0), moving),
        "both padded": (padded(fixed, 10, 0.0), padded(moving, 20, 0.0)),
        "background cropped": (cropped(fixed, (2, 2, 2)), moving),
        "more air": (with_air(fixed), moving),
        "a reconstruction circle": (in_a_circle(fixed), moving),
        "a table": (with_table(fixed), moving),
        "another unit": (changed(fixed, 3.0), moving),
        "tiny values": (changed(fixed, 1e-9), changed(moving, 1e-9)),
        "an offset": (changed(fixed, offset=1024.0), moving),
        NO_AIR: (without_air(fixed), moving),
    }


def error_mm(
    backbone: Backbone, pair: tuple[Image, Image], truth: DisplacementField, places: np.ndarray
) -> float:
    """Mean error of a registration at places, those of `body_points` or `crop_points`."""
    field = backbone.register(*backbone.prepare(*pair)).to_numpy()
    return float(np.linalg.norm(field.at(places) - truth.at(places), axis=-1).mean())


def body_points(fixed: Image) -> np.ndarray:
    """(P, 3) LPS mm of the voxels in the body."""
    return fixed.grid.points(np.zeros(0))[fixed.array > -200]


def crop_points(fixed: Image) -> np.ndarray:
    """(P, 3) LPS mm of the voxels of a crop without air, away from its faces."""
    inner = slice(FACE_VOXELS, -FACE_VOXELS)
    return without_air(fixed).grid.points(np.zeros(0))[inner, inner, inner].reshape(-1, 3)
