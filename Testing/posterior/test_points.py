"""Landmark rows of samples with known mean and covariance."""

import json

import numpy as np
import pytest

from UncertainRegLib.posterior.points import landmark_table

MOVING = np.array([[1.0, 2.0, 3.0], [-4.0, 0.0, 9.0]])


def test_plus_and_minus_three():
    positions = np.array([MOVING + [3.0, 0, 0], MOVING - [3.0, 0, 0]])
    rows = landmark_table(positions, MOVING, ["a", "b"])
    assert rows[0]["u_mm"] == pytest.approx(3.0)
    assert rows[0]["covariance_mm2"] == pytest.approx([9.0, 0, 0, 0, 0, 0])
    assert rows[1]["mean_lps"] == pytest.approx([-4, 0, 9])
    assert rows[0]["tre_mm"] is rows[0]["mahalanobis"] is rows[0]["inside95"] is None
    json.dumps(rows, allow_nan=False)


def test_an_ellipsoid_needs_five_different_samples():
    generator = np.random.default_rng(3)
    positions = generator.normal(size=(5, 2, 3)) + MOVING
    empty = ("axes_mm", "directions", "mahalanobis", "inside95")
    for flat in (positions[:2], positions[:4], positions[[0, 1, 2, 3, 3, 0]]):
        row = landmark_table(flat, MOVING, ["a", "b"], MOVING)[0]
        assert [row[name] for name in empty] == [None] * 4
        assert row["u_mm"] > 0 and row["tre_mm"] > 0
    row = landmark_table(positions, MOVING, ["a", "b"], MOVING)[0]
    assert min(row["axes_mm"]) > 0 and row["mahalanobis"] > 0 and row["inside95"] is not None


def test_true_points_of_the_same_gaussian_lie_inside_in_95_percent():
    generator = np.random.default_rng(0)
    count = 2000
    root = generator.normal(size=(count, 3, 3))
    draw = np.einsum("pab,npb->npa", root, generator.normal(size=(401, count, 3)))
    rows = landmark_table(draw[1:], np.zeros((count, 3)), [str(p) for p in range(count)], draw[0])
    assert np.mean([row["inside95"] for row in rows]) == pytest.approx(0.95, abs=0.015)
    squared = np.mean([row["mahalanobis"] ** 2 for row in rows])
    assert squared == pytest.approx(3.0, rel=0.06)


def test_ellipsoid_agrees_with_the_mahalanobis_distance():
    generator = np.random.default_rng(1)
    positions = generator.normal(size=(50, 1, 3)) * [3.0, 2.0, 1.0]
    row = landmark_table(positions, np.zeros((1, 3)), ["p"])[0]
    directions, axes = np.array(row["directions"]), np.array(row["axes_mm"])
    assert (np.diff(axes) < 0).all()
    assert np.allclose(directions @ directions.T, np.eye(3), atol=1e-9)
    for k in range(3):
        for share, inside in ((0.99, True), (1.01, False)):
            truth = np.array(row["mean_lps"]) + share * axes[k] * directions[k]
            other = landmark_table(positions, np.zeros((1, 3)), ["p"], truth[None])[0]
            assert other["inside95"] is inside


def test_tre_is_of_the_registration_when_it_is_given():
    offsets = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]
    positions = MOVING + np.array(offsets, float)[:, None]
    rows = landmark_table(positions, MOVING, ["a", "b"], MOVING, mapped=MOVING + [0, 2.0, 0])
    assert rows[0]["tre_mm"] == pytest.approx(2.0)
    assert rows[0]["mahalanobis"] == pytest.approx(0.0)
    mean = landmark_table(positions, MOVING, ["a", "b"], MOVING)[0]
    assert mean["tre_mm"] == pytest.approx(0.0, abs=1e-9)


def test_weights_count_as_repetitions():
    generator = np.random.default_rng(2)
    positions = generator.normal(size=(3, 2, 3))
    repeated = positions[[0, 1, 1, 2, 2, 2]]
    a = landmark_table(repeated, MOVING, ["a", "b"])
    b = landmark_table(positions, MOVING, ["a", "b"], weights=np.array([1, 2, 3]))
    assert a[1]["covariance_mm2"] == pytest.approx(b[1]["covariance_mm2"])


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="positions"):
        landmark_table(np.zeros((4, 3, 3)), MOVING, ["a", "b"])
    with pytest.raises(ValueError, match="moving points"):
        landmark_table(np.zeros((4, 2, 3)), MOVING[:1], ["a", "b"])
