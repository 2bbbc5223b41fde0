"""The sample nearest to the truth is found where there is a truth, and only there."""

import numpy as np

from support.phantoms import whirl
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


def test_by_segmentation_it_is_the_best_mean_dice_and_not_the_fewest_wrong_voxels():
    """A large structure outweighs a small one in voxels, not in the mean over structures."""
    grid = Grid.from_spacing((40, 40, 40))
    labels = np.zeros(grid.shape, np.uint8)
    labels[4:36, 4:36, 2:20], labels[18:22, 18:22, 30:33] = 1, 2
    image, fields = Image(np.zeros(grid.shape, np.float32), grid), []
    for of_large, of_small in ((1.0, 0.0), (0.0, 3.0)):  # mm along x: the one is off, or the other
        vectors = np.zeros((*grid.shape, 3), np.float32)
        vectors[..., :25, 0], vectors[..., 25:, 0] = of_large, of_small
        fields.append(DisplacementField(vectors, grid))
    segmentation = Segmentation((Image(labels, grid),))
    summary = Summary(
        Inputs(image, image, moving_labels=segmentation, fixed_labels=segmentation), fields[0]
    )
    for field in fields:
        summary.add(Sample(field))
    found = [segmentation.warp(field).layers[0].array != labels for field in fields]
    assert found[0].sum() > found[1].sum()  # fewer voxels are wrong in the second sample
    assert summary.truth.nearest() == 0  # and it has lost the small structure


def test_by_landmarks_it_is_measured_in_the_fixed_space_and_needs_an_answer():
    """2.4 mm off in a space three times as large are 0.8 mm in the fixed one."""
    image = Image(np.zeros(GRID.shape, np.float32), GRID)
    point = np.array([[10.0, 9.0, 10.0]])
    shifted, larger = np.zeros((2, *GRID.shape, 3), np.float32)
    shifted[..., 0] = 1.2
    larger[..., 0] = 2.0 * (GRID.points()[..., 0] - point[0, 0]) + 2.4
    fields = [
        whirl(GRID, point[0] + [0.0, 1.5, 0.0]),
        DisplacementField(larger, GRID),
        DisplacementField(shifted, GRID),
    ]
    summary = Summary(
        Inputs(image, image, fixed_points=point, moving_points=point, point_names=["a"]), fields[2]
    )
    for field in fields:
        summary.add(Sample(field))
    assert np.isnan(summary.stream.positions[0]).all()
    assert summary.truth.nearest() == 1
