"""The sample nearest to the truth is found where there is a truth, and only there."""

import numpy as np

from UncertainRegLib.geometry import DisplacementField, Grid, Image, Segmentation
from UncertainRegLib.jobs.inputs import Inputs
from UncertainRegLib.jobs.summary import Summary
from UncertainRegLib.samplers import Sample

GRID = Grid.from_spacing((20, 22, 24))
TRUTH = 3.0  # mm along x
SHIFTS = (0.0, 2.5, 5.0, 3.5, 2.0)


def oracle(**truth):
    image = Image(np.zeros(GRID.shape, np.float32), GRID)
    fields = []
    for shift in (0.0, *SHIFTS):
        vectors = np.zeros((*GRID.shape, 3), np.float32)
        vectors[..., 0] = shift
        fields.append(DisplacementField(vectors, GRID))
    summary = Summary(Inputs(image, image, **truth), fields[0])
    for field in fields[1:]:
        summary.add(Sample(field))
    return summary.truth.nearest()


def box(first: int) -> Segmentation:
    array = np.zeros(GRID.shape, np.uint8)
    array[5:15, 5:15, first : first + 8] = 1
    return Segmentation((Image(array, GRID),))


def test_without_a_truth_there_is_none():
    assert oracle() is None
    assert oracle(moving_labels=box(8)) is None


def test_by_landmarks_and_by_segmentation():
    points = np.array([[8.0, 9.0, 10.0], [12.0, 9.0, 10.0]])
    moved = points + [TRUTH + 0.1, 0.0, 0.0]
    assert oracle(fixed_points=points, moving_points=moved, point_names=["a", "b"]) == 3
    assert oracle(fixed_labels=box(8), moving_labels=box(8 + 5)) == 2
