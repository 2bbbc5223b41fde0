"""Mahalanobis distances, chi-squared calibration and likelihood of known Gaussians."""

import numpy as np
import pytest
from scipy import stats

from UncertainRegLib.metrics.calibration import coverage_curve, miscalibration_area
from UncertainRegLib.metrics.gaussian import (
    FLOOR_MM,
    ellipsoid_level,
    mahalanobis_squared,
    negative_log_likelihood,
)

SIX = [0, 1, 2, 4, 5, 8]


def draw(count, seed=0, scale=1.0):
    """Errors and the covariances (count, 6) they were drawn from."""
    generator = np.random.default_rng(seed)
    root = generator.normal(size=(count, 3, 3))
    error = scale * (root @ generator.normal(size=(count, 3, 1)))[..., 0]
    return error, (root @ root.swapaxes(1, 2)).reshape(count, 9)[:, SIX], root


def test_same_as_a_dense_solve():
    error, covariance, root = draw(200)
    dense = root @ root.swapaxes(1, 2) + FLOOR_MM**2 * np.eye(3)
    expected = np.einsum("na,na->n", error, np.linalg.solve(dense, error[..., None])[..., 0])
    assert np.allclose(mahalanobis_squared(error, covariance), expected, rtol=1e-8)


def test_likelihood_same_as_scipy():
    error, covariance, root = draw(50)
    expected = -np.mean(
        [
            stats.multivariate_normal.logpdf(e, cov=r @ r.T + FLOOR_MM**2 * np.eye(3))
            for e, r in zip(error, root)
        ]
    )
    assert negative_log_likelihood(error, covariance) == pytest.approx(expected, rel=1e-8)


def test_calibrated_covariances_lie_on_the_diagonal():
    error, covariance, _ = draw(60_000)
    level = ellipsoid_level(mahalanobis_squared(error, covariance))
    nominal, observed = coverage_curve(level)
    assert np.abs(nominal - observed).max() < 0.01
    assert miscalibration_area(level) < 0.005


def test_twice_too_small_is_seen_as_overconfident():
    error, covariance, _ = draw(60_000, scale=2.0)
    level = ellipsoid_level(mahalanobis_squared(error, covariance))
    _, (at95,) = coverage_curve(level, [0.95])
    assert at95 == pytest.approx(stats.chi2.cdf(stats.chi2.ppf(0.95, 3) / 4, 3), abs=0.01)
    nominal, observed = coverage_curve(level)
    assert (observed[10:-1] < nominal[10:-1]).all()
    assert miscalibration_area(level) > 0.2


def test_no_covariance_counts_the_floor():
    squared = mahalanobis_squared(np.array([0.03, 0.0, 0.0]), np.zeros(6), floor_mm=0.01)
    assert squared == pytest.approx(9.0)


def test_flat_covariance_stays_finite():
    flat = np.array([1.0, 1.0, 0.0, 1.0, 0.0, 0.0])  # rank 1, along (1, 1, 0)
    assert mahalanobis_squared(np.array([1.0, 1.0, 0.0]), flat) == pytest.approx(1.0, rel=1e-3)
    assert mahalanobis_squared(np.array([0.0, 0.0, 1.0]), flat) == pytest.approx(1e4, rel=1e-6)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="covariances"):
        mahalanobis_squared(np.zeros((4, 3)), np.zeros((4, 9)))
