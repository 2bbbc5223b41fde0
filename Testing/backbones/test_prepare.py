"""One anatomy is one registration, whatever surrounds it and in whatever unit it was stored."""

import importlib.util

import numpy as np
import pytest

from support.phantoms import GRID_PAIRS, smooth_field, textured
from UncertainRegLib.backbones import create
from UncertainRegLib.backbones.prepare import are_ct, prepared
from UncertainRegLib.geometry import Grid, Image, warp

AIR, TISSUE = -1000.0, 40.0
ENGINES = {
    "demons": "SimpleITK",
    "bspline": "SimpleITK",
    "elastix": "itk",
    "ants": "ants",
    "convexadam": "convexAdam",
    "greedy": "picsl_greedy",
}
SETTINGS = {"bspline": {"iterations": 15, "control_mm": 24.0}, "elastix": {"iterations": 100}}
# The stochastic or coarse ones answer a shift of their grid with a little of their own.
WITHIN_MM = {
    "demons": 0.05,
    "bspline": 0.1,
    "elastix": 0.1,
    "ants": 0.05,
    "convexadam": 0.1,
    "greedy": 0.05,
}


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


def engine_cases() -> list:
    cases = []
    for name, package in ENGINES.items():
        for case in CASES:
            marks = [] if name == "demons" else [pytest.mark.slow]
            if importlib.util.find_spec(package) is None:
                marks.append(pytest.mark.skip(f"{package} is an optional extra"))
            cases.append(pytest.param(name, case, marks=marks, id=f"{name}, {case}"))
    return cases


@pytest.mark.parametrize(("name", "case"), engine_cases())
def test_what_surrounds_the_anatomy_does_not_move_the_registration(name, case, plain):
    if name not in plain:
        plain[name] = error_mm(name, FIXED, MOVING)
    assert abs(error_mm(name, *CASES[case]) - plain[name]) < WITHIN_MM[name]


def test_a_crop_without_air_is_the_same_registration():
    cut = (slice(12, 32), slice(14, 38), slice(14, 38))
    affine = FIXED.grid.affine.copy()
    affine[:3, 3] = FIXED.grid.to_world([14.0, 14.0, 12.0])
    inner = Image(FIXED.array[cut], Grid((20, 24, 24), affine))
    errors = []
    for fixed in (FIXED, inner):
        backbone = create("demons")
        field = backbone.register(*backbone.prepare(fixed, MOVING)).resample(inner.grid)
        gap = field.vectors - TRUTH.resample(inner.grid).vectors
        errors.append(float(np.linalg.norm(gap, axis=-1)[3:-3, 3:-3, 3:-3].mean()))
    assert abs(errors[1] - errors[0]) < 0.1


def test_two_images_of_one_scale_share_one_window():
    """Windows fitted to each image sent demons 7 mm astray in homogeneous organs."""
    grid = GRID_PAIRS["identity"][0]
    body = np.full(grid.shape, -1000.0, np.float32)
    body[8:32, 8:36, 8:40] = 50.0
    body += np.random.default_rng(1).normal(0, 5, grid.shape).astype(np.float32)
    other = body.copy()
    other[10:14, 10:14, 10:14] = 1500.0  # an implant moves the upper percentile
    fixed, moving = prepared(Image(body, grid), Image(other, grid), 10**6)
    same = tuple(slice(20, 30) for _ in range(3))
    assert np.array_equal(fixed.array[same], moving.array[same])


def test_a_crop_without_air_beside_a_ct_is_a_ct():
    grid = Grid.from_spacing((12, 16, 16))
    tissue = np.random.default_rng(3).normal(0, 60, grid.shape).astype(np.float32)
    inner, mr = Image(tissue, grid), Image(np.abs(tissue), grid)
    assert are_ct(inner, MOVING) == are_ct(padded(MOVING, 9, 0.0), inner) == (True, True)
    assert are_ct(mr, MOVING) == (False, True)
    assert are_ct(mr, inner) == (False, False)


def test_an_organ_of_one_grey_value_is_not_lost():
    """Below one voxel in a hundred its percentiles were those of the background."""
    grid = Grid.from_spacing((40, 40, 40))
    array = np.zeros(grid.shape, np.float32)
    array[18:24, 18:24, 18:24] = 80.0
    fixed, moving = prepared(Image(array, grid), Image(array, grid), 10**6)
    assert (fixed.array > 0.5).sum() == 6**3
    assert np.array_equal(fixed.array, moving.array)


def test_masks_decide_the_window_only_together():
    """An organ's own window against that of a whole image sent the affine 9 mm astray."""
    grid = GRID_PAIRS["identity"][0]
    image = textured(grid, seed=5)
    mask = (image.array > 30).astype(np.uint8)
    whole, bright = Image(image.array, grid), Image(image.array + 1000 * (mask == 0), grid, mask)
    fixed, moving = prepared(Image(image.array, grid, mask), whole, 10**6)
    place = moving.grid.to_index(fixed.grid.to_world([20.0, 20.0, 20.0])).round().astype(int)
    assert fixed.array[20, 20, 20] == moving.array[place[2], place[1], place[0]]
    first, second = prepared(bright, Image(image.array, grid, mask), 10**6)
    inside = second.mask > 0
    assert np.allclose(first.array[inside], second.array[inside], atol=1e-6)


@pytest.mark.parametrize("given", ["neither", "fixed", "moving", "both"])
def test_a_mask_does_not_make_the_masked_region_worse(given):
    mask = (MOVING.array > -200).astype(np.uint8)
    true_mask = (FIXED.array > -200).astype(np.uint8)
    fixed = Image(FIXED.array, FIXED.grid, true_mask if given in ("fixed", "both") else None)
    moving = Image(MOVING.array, MOVING.grid, mask if given in ("moving", "both") else None)
    assert error_mm("demons", fixed, moving) < 0.25  # 0.18 mm without masks, 2.1 to 9 before


def test_a_much_larger_moving_image_keeps_its_detail():
    """200 voxels against 64: the moving image was halved to fit the budget."""
    grid = Grid.from_spacing((96, 96, 96))
    moving = textured(grid, seed=7)
    affine = grid.affine.copy()
    affine[:3, 3] = 32.0
    fixed = moving.resample(Grid((32, 32, 32), affine))
    first, second = prepared(fixed, moving, 120_000)
    assert np.allclose(second.grid.spacing, 1.0)
    corners = second.grid.to_index(first.grid.corners())
    assert corners.min() > 0
    assert (corners < second.grid.size).all()
