"""Reliability diagrams and the conformal factor."""

import numpy as np
import pytest

from UncertainRegLib.metrics.calibration import bound_coverage, conformal_factor, reliability


def test_by_hand():
    # Bins (0, .5] and (.5, 1]: confidences .4 and (.8, .9); one right of one, one right of two.
    result = reliability(np.array([0.4, 0.8, 0.9]), np.array([1, 0, 1]), bins=2)
    assert result.count.tolist() == [1, 2]
    assert result.confidence.tolist() == pytest.approx([0.4, 0.85])
    assert result.accuracy.tolist() == pytest.approx([1.0, 0.5])
    assert result.ece == pytest.approx((0.6 + 2 * 0.35) / 3)
    assert result.mce == pytest.approx(0.6)


def test_edges_belong_to_the_lower_bin():
    assert reliability(np.array([0.0, 0.5, 1.0]), np.ones(3), bins=2).count.tolist() == [2, 1]


def test_calibrated_confidences_have_no_error_and_shifted_ones_their_shift():
    generator = np.random.default_rng(0)
    p = generator.uniform(0.2, 0.8, 200_000)
    hit = generator.random(p.size) < p
    assert reliability(p, hit).ece < 0.006
    assert reliability(p + 0.15, hit).ece == pytest.approx(0.15, abs=0.006)
    assert reliability(p + 0.15, hit).mce < 0.18


def test_same_bins_as_scikit_learn():
    curve = pytest.importorskip("sklearn.calibration").calibration_curve
    generator = np.random.default_rng(2)
    p = generator.random(5000)
    hit = generator.random(5000) < p**2
    ours = reliability(p, hit, bins=10)
    accuracy, confidence = curve(hit, p, n_bins=10)
    assert ours.accuracy.tolist() == pytest.approx(accuracy.tolist())
    assert ours.confidence.tolist() == pytest.approx(confidence.tolist())


def test_mask_and_bad_confidence():
    p, hit = np.array([0.2, 0.9]), np.array([0, 1])
    assert reliability(p, hit, np.array([False, True])).ece == pytest.approx(0.1)
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        reliability(p * 2, hit)


def test_conformal_factor_is_a_ranked_score():
    # Scores 1 … 19; ceil(20 × 0.95) = 19th smallest.
    u = np.full(19, 2.0)
    assert conformal_factor(u, 2.0 * np.arange(1, 20)) == pytest.approx(19.0)
    assert conformal_factor(u, 2.0 * np.arange(1, 20), level=0.5) == pytest.approx(10.0)
    assert conformal_factor(u, 2.0 * np.arange(1, 20), level=0.99) == np.inf


def test_conformal_bound_covers_fresh_voxels():
    generator = np.random.default_rng(4)
    u = generator.gamma(3.0, 1.0, 40_000)
    error = u * np.abs(generator.normal(size=u.size)) * 0.3
    q = conformal_factor(u[::2], error[::2])
    assert q == pytest.approx(0.3 * 1.96, rel=0.03)
    assert bound_coverage(u[1::2], error[1::2], q) == pytest.approx(0.95, abs=0.006)


def test_conformal_with_zero_uncertainty():
    error = np.array([0.0] * 98 + [1.0] * 2)
    assert conformal_factor(np.zeros(100), error) == 0.0
    assert conformal_factor(np.zeros(100), error[::-1] + 1.0) == np.inf
    with pytest.raises(ValueError, match="negative"):
        conformal_factor(-np.ones(3), np.ones(3))
