"""The usual mistakes with the file of a transform are named, and a right one is left alone."""

import numpy as np
import pytest

from support.phantoms import smooth_field, textured
from UncertainRegLib.geometry import DisplacementField, Grid, invert, warp
from UncertainRegLib.geometry.errors import InputError
from UncertainRegLib.geometry.transform_file import FLIP, GivenTransform
from UncertainRegLib.jobs.given import on_fixed
from UncertainRegLib.jobs.inputs import Inputs
from UncertainRegLib.jobs.misreadings import suspicions

FRAME = np.array([[0, 0, -1.0], [-1.0, 0, 0], [0, 1.0, 0]])  # axes along P, S and R: none in place
GRID = Grid.from_spacing((36, 40, 44), (1.4, 1.8, 2.2), (10, 20, -5), FRAME)
TRUTH = smooth_field(GRID, 3.0)
MOVING = textured(GRID, seed=1)
FIXED = warp(MOVING, TRUTH, None)
MATRIX = np.array(
    [[1.02, 0.05, 0, 22.0], [-0.05, 0.99, 0, -18.0], [0, 0.02, 1.01, 14.0], [0, 0, 0, 1.0]]
)


def said_of(*parts, truth=TRUTH, fixed=FIXED, moving=MOVING, points=(None, None)):
    inputs = Inputs(fixed, moving, fixed_points=points[0], moving_points=points[1])
    transform = GivenTransform(tuple(parts), ("t.nii.gz",))
    inputs.given = on_fixed(transform, GRID, "fixed.nii.gz", lambda sentence: None)
    return suspicions(inputs, truth)


def field(vectors, grid=GRID):
    return DisplacementField(np.ascontiguousarray(vectors, np.float32), grid)


def test_a_right_one_is_left_alone():
    assert said_of(TRUTH) == []


def test_so_is_one_that_is_half_as_good_and_one_that_is_a_millimetre_off():
    assert said_of(field(0.9 * TRUTH.vectors)) == []
    assert said_of(field(TRUTH.vectors + np.array([0.6, -0.6, 0.5]))) == []


INVERSE = invert(TRUTH, iterations=60)[0]
VOXELS = TRUTH.vectors @ np.linalg.inv(GRID.affine[:3, :3]).T
MISTAKES = {
    "the inverse": (INVERSE, "as its inverse"),
    "vectors in RAS": (field(TRUTH.vectors * (-1, -1, 1)), "turned from RAS to LPS"),
    "the inverse in RAS": (field(-TRUTH.vectors * (-1, -1, 1)), "moving to fixed points, in RAS"),
    "voxels": (field(VOXELS), "in voxels along the axes"),
    "voxels, z first": (field(VOXELS[..., ::-1]), "in voxels, in the order z, y, x"),
    "mm along the axes": (field(TRUTH.vectors @ GRID.direction), "instead of along L, P and S"),
    "cm": (field(TRUTH.vectors / 10), "in cm"),
    "metres": (field(TRUTH.vectors / 1000), "in metres"),
    "half the resolution": (field(TRUTH.vectors / 2), "half the resolution"),
    "a header of nothing": (
        field(TRUTH.vectors, Grid.from_spacing(GRID.shape, GRID.spacing, GRID.origin + 25, FRAME)),
        "if its voxels fill the fixed image",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_what_to_do(mistake):
    given, words = MISTAKES[mistake]
    (sentence,) = said_of(given)
    assert words in sentence and "t.nii.gz" in sentence
    assert "It was judged as it is." in sentence


def test_a_reversed_sign_is_its_inverse_or_a_sign():
    """The two differ by a slope times a displacement only."""
    (sentence,) = said_of(field(-TRUTH.vectors))
    assert "as its inverse" in sentence or "their sign is reversed" in sentence


@pytest.fixture(scope="module")
def apart():
    """A moving image that lies elsewhere: its registration has a linear part."""
    moving_grid = Grid(GRID.shape, MATRIX @ GRID.affine)
    moving = type(MOVING)(MOVING.array, moving_grid)
    whole = GivenTransform((TRUTH, MATRIX)).on(GRID)[0]
    return moving, whole


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((TRUTH, MATRIX), None),
        ((TRUTH,), "its affine file is missing"),
        ((np.linalg.inv(MATRIX), INVERSE), "as its inverse"),
        ((FLIP @ MATRIX @ FLIP,), "in RAS as a whole"),
        ((MATRIX, TRUTH), "in the other order"),
    ],
)
def test_files_with_a_matrix(apart, parts, words):
    moving, whole = apart
    found = said_of(*parts, truth=whole, moving=moving)
    assert (found == []) if words is None else words in found[0]


def test_the_transform_of_another_patient_fits_in_no_way():
    other = smooth_field(GRID, 3.0).vectors[::-1, :, ::-1] * (0.4, 1, -1) + (5, -4, 3)
    (sentence,) = said_of(field(other))
    assert "probably belongs to other images" in sentence


TURNED = np.array([[1.0, 0.06, 0, 6.0], [-0.06, 1.0, 0, -4.5], [0, 0.0, 1.0, 3.75], [0, 0, 0, 1.0]])


@pytest.fixture(scope="module")
def turned():
    """A registration that turns and shifts the image a little, and the fixed image by it."""
    truth = GivenTransform((TRUTH, TURNED)).on(GRID)[0]
    return {"truth": truth, "fixed": warp(MOVING, truth, None)}


def test_a_mistake_that_gains_a_little_is_not_denied(turned):
    """The affine part of a deformation gains too little to be sure of its inverse."""
    (sentence,) = said_of(np.linalg.inv(TURNED), **turned)
    assert "It fits a little better" in sentence and "any other usual reading" not in sentence
    assert "the other way round" in sentence or "as its inverse" in sentence  # here nearly the same


def test_what_was_found_here_is_no_merit_of_the_file(turned):
    """Another patient's warp fits a little better with the affine map of this pair after it."""
    (sentence,) = said_of(field(1.5 * TRUTH.vectors[::-1, :, ::-1] * (0.4, 1, -1)), **turned)
    assert "nor does its inverse or any other usual reading" in sentence


def test_landmarks_that_fit_are_believed_more_than_intensities():
    """Images of two contrasts may not show what fits."""
    other = field(smooth_field(GRID, 3.0).vectors[::-1, :, ::-1] * (0.4, 1, -1) + (5, -4, 3))
    points = GRID.to_world(np.array([[20.0, 18, 16], [26, 22, 20]]))
    (sentence,) = said_of(other, points=(points, points))
    assert "other images" in sentence
    assert said_of(other, points=(points, other.map(points))) == []


def test_one_that_lies_elsewhere_altogether_is_refused():
    elsewhere = Grid.from_spacing(GRID.shape, GRID.spacing, GRID.origin + 500)
    with pytest.raises(InputError, match="its header may be wrong"):
        said_of(field(TRUTH.vectors, elsewhere))
    with pytest.raises(InputError, match="on the moving image"):
        said_of(field(TRUTH.vectors[1:], Grid(TRUTH.vectors[1:].shape[:3], elsewhere.affine)))


def test_a_backbone_that_gains_nothing_accuses_nobody():
    assert said_of(field(0 * TRUTH.vectors), truth=field(0 * TRUTH.vectors)) == []
