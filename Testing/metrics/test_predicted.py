"""Likelihood and coverage of predicted scales, on errors of known distributions."""

import numpy as np
import pytest
from scipy import stats

from UncertainRegLib.metrics.predicted import gaussian_fit, laplace_fit

SCALE = np.random.default_rng(0).lognormal(0, 0.5, 40_000)


@pytest.mark.parametrize("fit, law", [(gaussian_fit, stats.norm), (laplace_fit, stats.laplace)])
def test_true_scales_are_calibrated_and_likeliest(fit, law):
    error = law.rvs(scale=SCALE, random_state=1)
    found = fit(error, SCALE)
    assert found.nll == pytest.approx(-law.logpdf(error, scale=SCALE).mean(), rel=1e-9)
    assert found.within95 == pytest.approx(0.95, abs=0.005)
    assert found.miscalibration < 0.006
    small = fit(error, SCALE / 2)
    assert small.nll > found.nll
    assert small.within95 == pytest.approx(1 - 2 * law.sf(law.isf(0.025) / 2), abs=0.01)
    assert small.miscalibration > 0.1


def test_only_the_voxels_of_the_mask_count():
    error = np.array([0.1, 5.0])
    assert gaussian_fit(error, np.ones(2), np.array([True, False])).within95 == 1.0
