"""The surfaces of a cube that the samples shift."""

import numpy as np
import pytest

from UncertainRegLib.geometry import DisplacementField, Grid, Image
from UncertainRegLib.posterior.labels import LabelProbabilities
from UncertainRegLib.posterior.surfaces import LEVELS, probability_volume


@pytest.fixture
def probabilities():
    grid = Grid.from_spacing((20, 20, 30), (1.0, 1.5, 2.0), (3.0, -4.0, 5.0))
    labels = np.zeros(grid.shape, np.int32)
    labels[6:14, 6:14, 10:20] = 2
    result = LabelProbabilities(Image(labels, grid), grid)
    for shift in (-2.0, 0.0, 2.0):  # two voxels each
        vectors = np.zeros((*grid.shape, 3), np.float32)
        vectors[..., 0] = shift
        result.add(DisplacementField(vectors, grid))
    return result


def test_surfaces_are_nested_and_placed(probabilities):
    volume = probability_volume(probabilities, 2)
    masks = [volume.array >= level for level in LEVELS]
    widths = [np.flatnonzero(mask.any(axis=(0, 1))).size for mask in masks]
    assert widths == [14, 10, 6]
    first = volume.grid.to_world(np.argwhere(masks[1]).min(axis=0)[::-1])
    assert first == pytest.approx(probabilities.grid.to_world([10, 6, 6]))


def test_surfaces_are_closed(probabilities):
    array = probability_volume(probabilities, 2).array
    for axis in range(3):
        ends = np.take(array, (0, -1), axis=axis)
        assert (ends == 0).all()
    assert array.max() == pytest.approx(1.0)
