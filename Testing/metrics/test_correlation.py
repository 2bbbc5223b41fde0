"""Correlations against scipy and under monotone transforms."""

import numpy as np
import pytest
from scipy import stats

from UncertainRegLib.metrics.correlation import auroc, pearson, spearman


@pytest.fixture
def maps():
    generator = np.random.default_rng(1)
    a = generator.normal(size=(5, 6, 7))
    return a, np.round(a + generator.normal(size=a.shape), 1)  # with ties


def test_same_as_scipy(maps):
    a, b = maps
    assert pearson(a, b) == pytest.approx(stats.pearsonr(a.ravel(), b.ravel()).statistic)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a.ravel(), b.ravel()).statistic)


def test_spearman_ignores_increasing_transforms(maps):
    a, b = maps
    assert spearman(np.exp(a), b**3) == pytest.approx(spearman(a, b), rel=1e-12)
    assert spearman(-a, b) == pytest.approx(-spearman(a, b), rel=1e-12)


def test_mask_and_limits(maps):
    a, b = maps
    mask = a > 0
    assert pearson(a, b, mask) == pytest.approx(pearson(a[mask], b[mask]))
    assert pearson(a, 2 * a + 1) == pytest.approx(1.0)
    assert spearman(a, a**3) == pytest.approx(1.0)


@pytest.mark.parametrize("correlation", [pearson, spearman])
def test_a_constant_map_has_no_correlation(maps, correlation):
    assert np.isnan(correlation(np.full((5, 6, 7), 0.1), maps[0]))


def test_auroc_by_hand_and_by_scikit_learn(maps):
    score, positive = np.array([0.1, 0.4, 0.4, 0.9]), np.array([0, 0, 1, 1])
    assert auroc(score, positive) == pytest.approx(3.5 / 4)  # one pair is a tie
    assert auroc(-score, positive) == pytest.approx(0.5 / 4)
    assert np.isnan(auroc(score, positive > 2))
    sklearn = pytest.importorskip("sklearn.metrics")
    a, b = maps
    assert auroc(b, a > 0.3) == pytest.approx(sklearn.roc_auc_score((a > 0.3).ravel(), b.ravel()))
