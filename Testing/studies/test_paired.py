"""Means, intervals and tests of models on the same subjects."""

import numpy as np
import pytest
from scipy import stats

from UncertainRegLib.studies.paired import difference, estimate, t_interval


def test_intervals_over_subjects_and_over_seeds_are_of_their_own_spread():
    """Subjects differ by much and seeds by little, and the other way round."""
    subjects, seeds = np.arange(10.0) - 4.5, np.array([-1.0, 0.0, 1.0])
    of_subjects = estimate(5 + 10 * subjects[None] + 0.01 * seeds[:, None])
    of_seeds = estimate(5 + 0.01 * subjects[None] + 10 * seeds[:, None])
    for found in (of_subjects, of_seeds):
        assert found.mean == pytest.approx(5) and (found.subjects, found.seeds) == (10, 3)
    widths = [
        [np.ptp(interval) for interval in (found.over_subjects, found.over_seeds)]
        for found in (of_subjects, of_seeds)
    ]
    assert widths[0][0] > 30 and widths[0][1] < 0.1
    assert widths[1][0] < 0.1 and widths[1][1] > 40
    assert of_subjects.sd == pytest.approx(10 * subjects.std(ddof=1))


def test_the_t_interval_and_the_paired_test_are_those_of_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 12))
    found = difference({0: a}, {0: b})
    assert found.p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert found.mean == pytest.approx((a - b).mean()) and found.over_seeds is None
    low, high = stats.t.interval(0.95, 11, a.mean(), stats.sem(a))
    assert t_interval(a) == pytest.approx((low, high))


def test_seeds_are_paired_where_both_groups_have_them():
    """Two groups that go up and down together by seed differ by exactly 1."""
    rng = np.random.default_rng(1)
    theirs = {seed: 10.0 * seed + rng.normal(size=8) for seed in range(3)}
    ours = {seed: values + 1 for seed, values in theirs.items()}
    found = difference(ours, theirs)
    assert found.mean == pytest.approx(1) and found.over_seeds == pytest.approx((1, 1))
    assert found.p is None or found.p < 1e-6
    assert difference({7: ours[0]}, theirs).over_seeds is None


def test_subjects_without_a_value_are_left_out():
    values = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, 5.0]])
    assert estimate(values).subjects == 2 and estimate(values).mean == pytest.approx(2.5)
    assert estimate(np.full((1, 2), np.nan)).subjects == 0
