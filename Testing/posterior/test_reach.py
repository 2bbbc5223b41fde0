"""What of the fixed image can see a part of the moving one: nothing may be missed."""

import numpy as np
import pytest
from scipy import ndimage

from UncertainRegLib.geometry import DisplacementField, Grid, Image
from UncertainRegLib.posterior import labels as module
from UncertainRegLib.posterior.labels import LabelProbabilities
from UncertainRegLib.posterior.reach import reach

TURN = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1.0]])
MOVING = Grid.from_spacing((30, 32, 34), (1.2, 1.0, 1.1), (-17.0, -16.0, -15.0), TURN)
FIXED = Grid.from_spacing((33, 37, 35), (1.1, 1.0, 0.9), (-18.0, -17.0, -16.0))


def coarse_field(seed, convert=np.asarray, amplitude=60):
    """Smooth displacements of some voxels on a grid of a third of the resolution."""
    grid = FIXED.resized((11, 12, 12))
    noise = np.random.default_rng(seed).normal(size=(*grid.shape, 3))
    vectors = ndimage.gaussian_filter(noise, (2, 2, 2, 0)) * amplitude
    return DisplacementField(convert(vectors.astype(np.float32)), grid)


def torch_tensor(array):
    return pytest.importorskip("torch").as_tensor(array)


@pytest.mark.parametrize("convert", [np.asarray, torch_tensor], ids=["numpy", "torch"])
@pytest.mark.parametrize("seed", range(6))
def test_no_voxel_outside_is_mapped_into_the_box(seed, convert):
    low, high = np.array([4 + seed, 5, 20 - seed]), np.array([9 + seed, 11, 23])
    field = coarse_field(seed, convert)
    box = reach(field, MOVING, low, high, FIXED)
    index = field.to_numpy().resample(FIXED).mapped_index(MOVING)
    inside = ((index >= low) & (index <= high)).all(axis=-1)
    assert inside.any()
    inside[box] = False
    assert not inside.any()
    voxels = np.prod([one.stop - one.start for one in box])
    assert voxels < 0.7 * np.prod(FIXED.shape), "and it is worth the trouble"


def test_a_box_smaller_than_a_cell_is_not_missed():
    still = DisplacementField(np.zeros((11, 12, 12, 3), np.float32), FIXED.resized((11, 12, 12)))
    at = MOVING.to_index(FIXED.to_world(np.array([16.0, 17.0, 15.0])))  # between the field's nodes
    box = reach(still, MOVING, at - 0.1, at + 0.1, FIXED)
    assert all(one.start <= place <= one.stop - 1 for one, place in zip(box, (15, 17, 16)))


def test_nothing_is_seen_of_what_is_far_away():
    box = reach(coarse_field(0), MOVING, np.full(3, 500), np.full(3, 510), FIXED)
    assert box == (slice(0, 0),) * 3


def test_a_field_that_ends_early_or_is_as_fine_leaves_nothing_out():
    whole = tuple(slice(0, n) for n in FIXED.shape)
    fine = DisplacementField(np.zeros((*FIXED.shape, 3), np.float32), FIXED)
    part = FIXED.resized((11, 12, 12)).part((2, 2, 2), (6, 6, 6))
    early = DisplacementField(np.zeros((*part.shape, 3), np.float32), part)
    for field in (fine, early):
        assert reach(field, MOVING, np.full(3, 10), np.full(3, 12), FIXED) == whole


@pytest.mark.parametrize("convert", [np.asarray, torch_tensor], ids=["numpy", "torch"])
def test_labels_are_summed_as_on_the_whole_grid(convert, monkeypatch):
    values = np.zeros(MOVING.shape, np.int32)
    values[8:15, 10:19, 12:20], values[15:18, 12:16, 18:24] = 3, 7
    found = []
    for box in (
        reach,
        lambda field, moving, low, high, fixed: tuple(map(slice, (0,) * 3, fixed.shape)),
    ):
        monkeypatch.setattr(module, "reach", box)
        sums = LabelProbabilities(Image(values, MOVING), FIXED)
        for seed in range(3):
            sums.add(coarse_field(seed, convert), -0.3 * seed)
        found.append(sums)
    one, other = found
    assert np.allclose(one.volumes_ml, other.volumes_ml, rtol=1e-5) and one.volumes_ml.min() > 0.01
    assert np.allclose(one.centroids, other.centroids, atol=1e-4)
    assert np.allclose(one.pairwise_dice(), other.pairwise_dice())
    assert np.allclose(one.entropy(), other.entropy(), atol=1e-4)
    (labels, probability), (others, expected) = one.top_label(), other.top_label()
    assert np.allclose(probability, expected, atol=1e-5)
    assert np.array_equal(labels[expected > 0.51], others[expected > 0.51])  # elsewhere a tie
