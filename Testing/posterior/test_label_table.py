"""Rows of the label table on cubes that are shifted by known amounts."""

import json

import numpy as np
import pytest

from UncertainRegLib.geometry import DisplacementField, Grid, Image, read_labels
from UncertainRegLib.posterior.label_table import label_table
from UncertainRegLib.posterior.labels import LabelProbabilities

GRID = Grid.from_spacing((24, 24, 32), (2.0, 2.0, 2.0), (-30.0, 10.0, 5.0))


def cubes():
    labels = np.zeros(GRID.shape, np.int32)
    labels[8:16, 8:16, 6:14] = 4
    labels[9:15, 9:15, 20:26] = 9
    labels[0, 0, 0] = 12  # never met by the samples below
    return labels


@pytest.fixture
def probabilities():
    """Samples shifted by -4, 0 and 4 mm along x (two voxels)."""
    result = LabelProbabilities(Image(cubes(), GRID), GRID)
    for shift in (-4.0, 0.0, 4.0):
        vectors = np.zeros((*GRID.shape, 3), np.float32)
        vectors[..., 0] = shift
        vectors[0] = 100.0
        result.add(DisplacementField(vectors, GRID))
    return result


def test_labels_may_be_as_large_as_those_of_an_atlas(warped):
    large = np.where(warped == 9, 614454277, warped).astype(np.int32)
    rows = {}
    for labels in (warped, large):
        probabilities = LabelProbabilities(Image(labels, GRID), GRID)
        for shift in (-2.0, 2.0):
            probabilities.add(DisplacementField(np.full((*GRID.shape, 3), shift, np.float32), GRID))
        table = label_table(probabilities, np.ones(GRID.shape), labels, labels)
        rows[int(labels.max())] = {row.pop("label"): row | {"name": ""} for row in table}
    assert rows[9][9] == rows[614454277][614454277] and rows[9][4] == rows[614454277][4]


@pytest.fixture
def warped():
    labels = cubes()
    labels[0] = 0
    return labels


def test_numbers_by_hand(probabilities, warped):
    u = np.full(GRID.shape, 1.0)
    u[12, 12, 6] = 5.0  # on the shell of label 4
    u[12, 12, 10] = 50.0  # inside it, where nothing can be seen
    rows = label_table(probabilities, u, warped, names={4: "Cube"}, colors={4: [1.0, 0.0, 0.0]})
    assert [row["label"] for row in rows] == [4, 9, 12]
    row = rows[0]
    assert (row["name"], row["color"], rows[1]["name"]) == ("Cube", [1.0, 0.0, 0.0], "9")
    assert row["voxels"] == 512
    assert row["volume_ml"] == pytest.approx(512 * 0.008)
    assert row["volume_sd_ml"] == pytest.approx(0.0, abs=1e-9)
    assert row["centroid_sd_mm"] == pytest.approx(np.sqrt(32 / 3), rel=1e-6)
    # Cubes of 8 that lie 2, 2 and 4 voxels apart.
    assert row["pairwise_dice"] == pytest.approx((6 / 8 + 6 / 8 + 4 / 8) / 3)
    assert (row["u_p50_mm"], row["worst_u_mm"]) == (1.0, 5.0)
    assert row["worst_voxel_lps"] == pytest.approx([-30 + 2 * 6, 10 + 24, 5 + 24])
    assert 0 < row["mean_entropy"] < np.log(2)
    assert row["dice"] is row["ece"] is row["ause"] is None


def test_a_label_that_is_lost_has_empty_cells(probabilities, warped):
    row = label_table(probabilities, np.ones(GRID.shape), warped)[2]
    assert row["voxels"] == 0
    assert row["volume_ml"] == 0.0
    for name in ("mean_entropy", "u_p95_mm", "worst_voxel_lps", "centroid_sd_mm", "pairwise_dice"):
        assert row[name] is None


def test_truth_adds_dice_and_calibration(probabilities, warped):
    rows = label_table(probabilities, np.ones(GRID.shape), warped, fixed=warped)
    assert rows[0]["dice"] == 1.0
    assert rows[0]["ause"] == pytest.approx(0.0, abs=1e-9)  # the top label is right everywhere
    assert rows[0]["ece"] > 0.02  # and yet two thirds sure at the faces
    assert rows[2]["dice"] is None
    moved = np.roll(warped, 1, axis=2)
    shifted = {
        row["label"]: row
        for row in label_table(probabilities, np.ones(GRID.shape), warped, fixed=moved)
    }
    assert shifted[4]["dice"] == pytest.approx(7 / 8)
    assert shifted[4]["ause"] > 0.0


def test_voxels_without_uncertainty_are_not_judged(probabilities, warped):
    u = np.where(GRID.points()[..., 0] > -10, np.nan, 2.0)  # all of label 9, part of label 4
    rows = {row["label"]: row for row in label_table(probabilities, u, warped)}
    assert (rows[4]["u_p50_mm"], rows[4]["worst_u_mm"]) == (2.0, 2.0)
    assert rows[9]["u_p95_mm"] is rows[9]["worst_voxel_lps"] is None
    assert rows[9]["volume_ml"] > 0


def test_rows_are_sorted_and_fit_json(probabilities, warped):
    u = np.where(GRID.points()[..., 0] > 5, 3.0, 1.0)
    rows = label_table(probabilities, u, warped, warped)
    assert [row["label"] for row in rows] == [9, 4, 12]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_weighted_interval_covers_the_samples():
    labels = cubes()
    labels[0] = 0
    probabilities = LabelProbabilities(Image(labels, GRID), GRID)
    center = GRID.center
    for factor in (0.9, 1.0, 1.2):
        vectors = ((GRID.points() - center) * (factor - 1)).astype(np.float32)
        probabilities.add(DisplacementField(vectors, GRID))
    row = label_table(probabilities, np.ones(GRID.shape), labels)[0]
    volumes = probabilities.volumes_ml[:, probabilities.labels.index(row["label"])]
    assert row["volume_low_ml"] == pytest.approx(volumes.min())
    assert row["volume_high_ml"] == pytest.approx(volumes.max())
    assert row["volume_sd_ml"] == pytest.approx(volumes.std())


def test_real_abdomen_with_a_hundred_labels(shared_data):
    segmentation = read_labels(shared_data / "abdomen_ct_ts" / "seg104.nii.gz")
    labels, grid = segmentation.array, segmentation.grid
    # Only 59 of the 104 lie in this image: halves of them make more than a hundred.
    labels = labels * 2 - ((labels > 0) & (np.arange(grid.shape[0])[:, None, None] % 16 < 8))
    probabilities = LabelProbabilities(Image(labels, grid), grid)
    for shift in (0.0, 3.0):  # 0 and 1 voxel
        vectors = np.full((*grid.shape, 3), shift, np.float32)
        probabilities.add(DisplacementField(vectors, grid))
    counts = np.bincount(labels.ravel())
    inside = [counts[v] * grid.voxel_volume_ml for v in probabilities.labels]
    assert probabilities.volumes_ml[0].tolist() == pytest.approx(inside, rel=1e-4)
    rows = label_table(probabilities, np.ones(grid.shape, np.float32), labels, labels)
    assert len(rows) > 100
    assert all(row["dice"] == 1.0 for row in rows)


def test_grids_are_checked(probabilities, warped):
    with pytest.raises(ValueError, match="warped labels"):
        label_table(probabilities, np.ones(GRID.shape), warped[1:])
