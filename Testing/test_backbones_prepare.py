"""One anatomy is one registration, whatever surrounds it and in whatever unit it was stored."""

import importlib.util

import numpy as np
import pytest
from phantoms import GRID_PAIRS, smooth_field, textured

from UncertainRegLib.backbones import create
from UncertainRegLib.backbones.content import background, cropped_to_content
from UncertainRegLib.backbones.prepare import normalise, prepared
from UncertainRegLib.geometry import Grid, Image, warp

AIR, TISSUE = -1000.0, 40.0
ENGINES = {"demons": "SimpleITK", "bspline": "SimpleITK", "elastix": "itk", "ants": "ants",
           "convexadam": "convexAdam"}
SETTINGS = {"bspline": {"iterations": 15, "control_mm": 24.0}, "elastix": {"iterations": 100}}
# The stochastic or coarse ones answer a shift of their grid with a little of their own.
WITHIN_MM = {"demons": 0.05, "bspline": 0.1, "elastix": 0.1, "ants": 0.05, "convexadam": 0.1}


def scan(seed: int = 4) -> Image:
    """A body of textured tissue, in Hounsfield units, with noisy air around it."""
    grid = Grid.from_spacing((44, 52, 52), (2, 2, 2))
    tissue = textured(grid, seed=seed)
    shown = tissue.array / 60  # 0 outside, about 1 inside
    noise = np.random.default_rng(seed).normal(0, 8, grid.shape)
    values = AIR + (TISSUE - AIR + 2 * (tissue.array - 60)) * np.clip(shown, 0, 1)
    return Image((values + noise).astype(np.float32), grid)


MOVING = scan()
TRUTH = smooth_field(MOVING.grid, 3.0)
FIXED = warp(MOVING, TRUTH, outside=None)


def padded(image: Image, voxels: int, value: float) -> Image:
    grid = image.grid
    affine = grid.affine.copy()
    affine[:3, 3] = grid.to_world([-float(voxels)] * 3)
    array = np.pad(image.array, voxels, constant_values=np.float32(value))
    return Image(array, Grid(array.shape, affine))


def cropped(image: Image, voxels: int) -> Image:
    cut = (slice(voxels, -voxels),) * 3
    affine = image.grid.affine.copy()
    affine[:3, 3] = image.grid.to_world([float(voxels)] * 3)
    return Image(image.array[cut], Grid(image.array[cut].shape, affine))


def in_a_circle(image: Image) -> Image:
    """What a scanner reconstructs: beyond the circle a value that is no measurement."""
    index = np.indices(image.array.shape)[1:]
    middle = (np.array(image.array.shape[1:]) - 1)[:, None, None, None] / 2
    outside = ((index - middle) ** 2).sum(0) > (image.array.shape[2] / 2) ** 2
    return Image(np.where(outside, np.float32(-3024), image.array), image.grid)


def with_air(image: Image) -> Image:
    more = padded(image, 12, AIR)
    noise = np.random.default_rng(9).normal(0, 8, more.array.shape).astype(np.float32)
    array = np.where(more.array == AIR, AIR + noise, more.array)
    return Image(array.astype(np.float32), more.grid)


def with_table(image: Image) -> Image:
    array = image.array.copy()
    array[:, -2, 8:-8] = 150.0
    return Image(array, image.grid)


def changed(image: Image, factor: float = 1.0, offset: float = 0.0) -> Image:
    return Image((image.array * np.float32(factor) + np.float32(offset)), image.grid)


CASES = {
    "padded with 0": (padded(FIXED, 10, 0.0), MOVING),
    "padded with 0, much": (padded(FIXED, 30, 0.0), MOVING),
    "padded with air": (FIXED, padded(MOVING, 20, AIR)),
    "padded with a large value": (padded(FIXED, 10, 30000.0), MOVING),
    "both padded": (padded(FIXED, 10, 0.0), padded(MOVING, 20, 0.0)),
    "background cropped": (cropped(FIXED, 2), MOVING),
    "more air": (with_air(FIXED), MOVING),
    "a reconstruction circle": (in_a_circle(FIXED), MOVING),
    "a table": (with_table(FIXED), MOVING),
    "another unit": (changed(FIXED, 3.0), MOVING),
    "tiny values": (changed(FIXED, 1e-9), changed(MOVING, 1e-9)),
    "an offset": (changed(FIXED, offset=1024.0), MOVING),
}


def error_mm(name: str, fixed: Image, moving: Image) -> float:
    """Mean error of the registration in the body, away from its rim."""
    backbone = create(name, **SETTINGS.get(name, {}))
    field = backbone.register(*backbone.prepare(fixed, moving)).to_numpy().resample(TRUTH.grid)
    inside = FIXED.array > -200
    return float(np.linalg.norm(field.vectors - TRUTH.vectors, axis=-1)[inside].mean())


@pytest.fixture(scope="module")
def plain() -> dict[str, float]:
    """Errors of the pair as it is, by engine; filled when asked for."""
    return {}


def engine_cases():
    for name, package in ENGINES.items():
        for case in CASES:
            marks = [] if name == "demons" else [pytest.mark.slow]
            if importlib.util.find_spec(package) is None:
                marks.append(pytest.mark.skip(f"{package} is an optional extra"))
            yield pytest.param(name, case, marks=marks, id=f"{name}, {case}")


@pytest.mark.parametrize(("name", "case"), engine_cases())
def test_what_surrounds_the_anatomy_does_not_move_the_registration(name, case, plain):
    if name not in plain:
        plain[name] = error_mm(name, FIXED, MOVING)
    assert abs(error_mm(name, *CASES[case]) - plain[name]) < WITHIN_MM[name]
