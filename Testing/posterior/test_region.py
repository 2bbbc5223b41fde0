"""The ellipsoid that holds a further sample, of few samples and of many."""

import math

import numpy as np
import pytest

from UncertainRegLib.posterior.region import FEWEST, prediction_radius, region_level
from UncertainRegLib.posterior.weights import effective_count


@pytest.mark.parametrize("count", [5, 8, 16, 50])
def test_a_further_draw_lies_inside_in_95_percent(count):
    """Chi-squared, on the same biased covariance, holds 43, 66, 84 and 92 % of them."""
    generator = np.random.default_rng(count)
    root = generator.normal(size=(3, 3))
    draws = generator.normal(size=(20_000, count + 1, 3)) @ root.T
    offset = draws[:, :count] - draws[:, :count].mean(1, keepdims=True)
    covariance = np.einsum("rna,rnb->rab", offset, offset) / count
    away = draws[:, count] - draws[:, :count].mean(1)
    squared = np.einsum("ra,ra->r", away, np.linalg.solve(covariance, away[..., None])[..., 0])
    assert np.mean(squared <= prediction_radius(count) ** 2) == pytest.approx(0.95, abs=0.006)
    assert np.mean(squared <= 7.814728) < 0.93
    levels = np.linspace(0.05, 0.95, 19)  # the smallest region that holds it: any is as likely
    found = np.mean(region_level(squared, count)[:, None] <= levels, axis=0)
    np.testing.assert_allclose(found, levels, atol=0.012)


def test_with_many_samples_it_is_chi_squared():
    assert prediction_radius(1e6) == pytest.approx(math.sqrt(7.814728), rel=1e-4)
    assert prediction_radius(1e6, 0.5) < prediction_radius(1e6, 0.95)
    for level in (0.2, 0.95):
        assert region_level(prediction_radius(7.5, level) ** 2, 7.5) == pytest.approx(level)


def test_too_few_samples_have_none():
    assert math.isnan(prediction_radius(FEWEST - 0.1)) and prediction_radius(FEWEST) > 10.0


def test_copies_of_a_draw_are_one():
    draws = np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [5.0, 6.0]])
    assert effective_count(draws, np.full(4, 0.25)) == pytest.approx(1 / (0.25 + 0.0625 + 0.0625))
    assert effective_count(draws, np.array([0.5, 0.0, 0.5, 0.0])) == pytest.approx(1.0)
