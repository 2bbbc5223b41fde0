"""Risk-coverage and sparsification: hand-computed cases, identities, invariances."""

import numpy as np
import pytest

from UncertainRegLib.metrics.sparsification import Ranking, ause, risk, sparsification_curve


@pytest.fixture
def maps():
    generator = np.random.default_rng(3)
    error = generator.gamma(2.0, 1.0, 4000)
    return error * generator.lognormal(0.0, 0.7, 4000), error


def brute_aurc(u, e):
    order = np.argsort(u)
    return np.mean([e[order[: k + 1]].mean() for k in range(len(e))])


def test_three_voxels_by_hand():
    # Kept in the order 1, 4, 2: risks 1, 5/2, 7/3. Oracle 1, 2, 4: risks 1, 3/2, 7/3.
    result = risk(np.array([0.1, 0.3, 0.2]), np.array([1.0, 2.0, 4.0]))
    assert result.aurc == pytest.approx((1 + 5 / 2 + 7 / 3) / 3)
    assert result.oracle == pytest.approx((1 + 3 / 2 + 7 / 3) / 3)
    assert result.mean_error == pytest.approx(7 / 3)
    assert result.ause == pytest.approx(1 / 3)
    span = 7 / 3 - (1 + 3 / 2 + 7 / 3) / 3
    assert result.normalised == pytest.approx((1 / 3) / span)


def test_matches_the_definition(maps):
    u, e = (m[:300] for m in maps)
    assert risk(u, e).aurc == pytest.approx(brute_aurc(u, e), rel=1e-12)
    assert risk(u, e).oracle == pytest.approx(brute_aurc(e, e), rel=1e-12)


def test_exact_ause_is_aurc_minus_oracle(maps):
    u, e = (m[:700] for m in maps)
    # The sparsification side of the identity: remaining mean error, removing one voxel at a time.
    remaining = [[e[np.argsort(by)[:k]].mean() for k in range(e.size, 0, -1)] for by in (u, e)]
    area = np.mean(np.subtract(*remaining))
    assert risk(u, e).aurc - risk(u, e).oracle == pytest.approx(area, rel=1e-12)
    assert ause(u, e) == pytest.approx(area, rel=1e-12)


def test_one_bin_a_voxel_is_exact(maps):
    u, e = (m[:500] for m in maps)
    assert ause(u, e, bins=500) == pytest.approx(ause(u, e), rel=1e-9)


def test_bins_approach_the_exact_value(maps):
    u, e = maps
    assert ause(u, e, bins=50) == pytest.approx(ause(u, e), rel=0.05)


def test_mean_over_bins_is_the_trapezoid_with_a_zero_appended(maps):
    u, e = maps
    removed, curve = sparsification_curve(u, e, bins=50)
    _, best = sparsification_curve(e, e, bins=50)
    x = np.append(removed, 1.0)
    area = np.trapezoid(np.append(curve, 0.0), x) - np.trapezoid(np.append(best, 0.0), x)
    assert ause(u, e, bins=50) == pytest.approx(area, rel=1e-12)


@pytest.mark.parametrize("ties", ["shared", "kept"])
def test_order_of_voxels_does_not_matter_even_with_ties(ties):
    generator = np.random.default_rng(5)
    u = generator.integers(0, 6, 3000).astype(float)
    e = generator.gamma(1.0, 1.0, 3000)
    other = generator.permutation(3000)
    assert risk(u[other], e[other]).aurc == pytest.approx(risk(u, e).aurc, rel=1e-12)
    assert ause(u[other], e[other], bins=20, ties=ties) == pytest.approx(
        ause(u, e, bins=20, ties=ties), rel=1e-12
    )


def test_ties_share_the_expectation_over_all_orders():
    u, e = np.array([1.0, 1.0, 2.0]), np.array([3.0, 0.0, 6.0])
    first, second = brute_aurc([0, 1, 2], e), brute_aurc([1, 0, 2], e)
    assert risk(u, e).aurc == pytest.approx((first + second) / 2)


@pytest.mark.parametrize("transform", [np.log, np.sqrt, lambda u: 5 * u - 3, np.exp])
def test_increasing_transforms_change_nothing(maps, transform):
    u, e = maps
    u = u / u.max()
    assert risk(transform(u), e).aurc == pytest.approx(risk(u, e).aurc, rel=1e-12)
    assert ause(transform(u), e, bins=50) == pytest.approx(ause(u, e, bins=50), rel=1e-12)


def test_random_map_scores_one(maps):
    _, e = maps
    scores = [risk(np.random.default_rng(s).random(e.size), e).normalised for s in range(20)]
    assert np.mean(scores) == pytest.approx(1.0, abs=0.02)


def test_constant_map_scores_exactly_one(maps):
    _, e = maps
    assert risk(np.ones_like(e), e).normalised == pytest.approx(1.0, abs=1e-12)


def test_perfect_map_scores_zero_and_a_reversed_one_worse_than_chance(maps):
    _, e = maps
    assert risk(e**2, e).normalised == pytest.approx(0.0, abs=1e-12)
    assert ause(e**2, e) == pytest.approx(0.0, abs=1e-12)
    assert risk(-e, e).normalised > 1.0


def test_equal_errors_have_no_normalised_value():
    assert np.isnan(risk(np.arange(5.0), np.full(5, 0.1)).normalised)


def test_curve_ends(maps):
    u, e = maps
    curve = Ranking(u).retained(e)
    assert curve[-1] == pytest.approx(e.mean())
    assert curve[0] == e[u.argmin()]
    removed, remaining = sparsification_curve(u, e, bins=10)
    assert removed.tolist() == pytest.approx([0.1 * k for k in range(10)])
    assert remaining[0] == pytest.approx(e.mean())


def test_miss_rate_is_a_ratio_of_what_remains():
    # Kept from the right: (FN, P) = (0, 1), (1, 1), (0, 0), (1, 1).
    u = np.array([4.0, 3.0, 2.0, 1.0])
    misses, positives = np.array([1, 0, 1, 0]), np.array([1, 0, 1, 1])
    _, rate = sparsification_curve(u, misses, weight=positives, bins=4)
    assert rate.tolist() == pytest.approx([2 / 3, 1 / 2, 1 / 2, 0.0])


def test_a_rate_without_voxels_is_zero():
    _, rate = sparsification_curve(np.arange(4.0), np.zeros(4), weight=np.zeros(4), bins=2)
    assert rate.tolist() == [0.0, 0.0]


def test_kept_ties_are_percentile_thresholds(maps):
    u, e = maps
    u = np.round(u)
    _, curve = sparsification_curve(u, e, bins=10, ties="kept")
    expected = [e[u <= np.percentile(u, 100 - 10 * t)].mean() for t in range(10)]
    assert curve.tolist() == pytest.approx(expected, rel=1e-12)


def test_mask_selects(maps):
    u, e = maps
    mask = e > 1.0
    assert risk(u, e, mask).aurc == risk(u[mask], e[mask]).aurc


def test_bad_input_is_told(maps):
    u, e = maps
    with pytest.raises(ValueError, match="shape"):
        risk(u, e[:-1])
    with pytest.raises(ValueError, match="bins"):
        sparsification_curve(u, e, bins=0)
    with pytest.raises(ValueError, match="no voxel"):
        risk(u, e, np.zeros(e.size, bool))
    with pytest.raises(ValueError, match="error holds NaN"):
        risk(u, np.where(e > 1, np.nan, e))
    with pytest.raises(ValueError, match="ties"):
        sparsification_curve(u, e, ties="dropped")
    with pytest.raises(ValueError, match="give bins"):
        ause(u, e, ties="kept")
