"""Streaming moments against dense twins, and nested samples of known covariance."""

import math

import numpy as np
import pytest

from UncertainRegLib.geometry.arrays import to_numpy
from UncertainRegLib.posterior import maps
from UncertainRegLib.posterior.moments import Moments, NestedMoments, RunningMean

SIX = [0, 1, 2, 4, 5, 8]


def dense(samples, weights=None):
    """Weighted mean (…, 3) and biased covariance (…, 6) of (N, …, 3)."""
    weights = np.ones(len(samples)) if weights is None else np.asarray(weights, float)
    weights = weights / weights.sum()
    mean = np.tensordot(weights, samples, 1)
    offset = samples - mean
    full = np.einsum("n,n...a,n...b->...ab", weights, offset, offset)
    return mean, full.reshape(*full.shape[:-2], 9)[..., SIX]


def fields(count, seed=0, dtype=np.float64, shape=(3, 4, 5)):
    generator = np.random.default_rng(seed)
    return generator.normal(0, 2, (count, *shape, 3)).astype(dtype)


def test_plus_and_minus_three_is_three(convert):
    moments = Moments()
    for sign in (3.0, -3.0):
        vectors = np.zeros((2, 3, 4, 3), np.float32)
        vectors[..., 1] = sign
        moments.add(convert(vectors))
    u = to_numpy(maps.uncertainty(moments.covariance))
    assert (u == 3.0).all()
    assert (to_numpy(moments.mean) == 0.0).all()
    assert (to_numpy(maps.axis_sd(moments.covariance)) == [0.0, 3.0, 0.0]).all()


@pytest.mark.parametrize("log_weights", [[0.0] * 9, list(np.linspace(-3, 2, 9))])
def test_same_as_dense(convert, log_weights):
    samples = fields(9)
    moments = Moments()
    for sample, log_weight in zip(samples, log_weights):
        moments.add(convert(sample), log_weight)
    mean, covariance = dense(samples, np.exp(log_weights))
    assert np.allclose(to_numpy(moments.mean), mean, atol=1e-12)
    assert np.allclose(to_numpy(moments.covariance), covariance, atol=1e-12)
    weights = np.exp(log_weights)
    assert moments.effective == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert moments.count == 9


def test_huge_log_weights_do_not_overflow():
    samples, log_weights = fields(5), np.array([-1e4, 800.0, 801.0, -1e4, 799.0])
    moments = Moments()
    for sample, log_weight in zip(samples, log_weights):
        moments.add(sample, log_weight)
    mean, covariance = dense(samples, np.exp(log_weights - 801.0))
    assert np.allclose(moments.mean, mean, atol=1e-12)
    assert np.allclose(moments.covariance, covariance, atol=1e-12)


def test_weight_zero_is_left_out():
    samples = fields(4)
    moments = Moments()
    for sample, log_weight in zip(samples, (-math.inf, 0.0, -math.inf, 0.0)):
        moments.add(sample, log_weight)
    mean, covariance = dense(samples[1::2])
    assert np.allclose(moments.mean, mean)
    assert np.allclose(moments.covariance, covariance)
    assert moments.effective == pytest.approx(2.0)


def test_float32_stays_precise_far_from_zero(convert):
    generator = np.random.default_rng(1)
    samples = (500.0 + generator.normal(0, 0.5, (300, 40, 3))).astype(np.float32)
    moments = Moments()
    for sample in samples:
        moments.add(convert(sample))
    _, covariance = dense(samples.astype(np.float64))
    assert moments.covariance.dtype == convert(samples).dtype
    assert np.abs(to_numpy(moments.covariance) - covariance).max() < 1e-4


@pytest.mark.parametrize("cut", [0, 1, 4, 7])
def test_merging_is_adding(convert, cut):
    samples, log_weights = fields(7), np.linspace(0, 1, 7)
    halves = Moments(), Moments()
    for n, (sample, log_weight) in enumerate(zip(samples, log_weights)):
        halves[n >= cut].add(convert(sample), log_weight)
    halves[0].merge(halves[1])
    mean, covariance = dense(samples, np.exp(log_weights))
    assert np.allclose(to_numpy(halves[0].mean), mean, atol=1e-12)
    assert np.allclose(to_numpy(halves[0].covariance), covariance, atol=1e-12)
    assert halves[0].count == 7
    weights = np.exp(log_weights)
    assert halves[0].effective == pytest.approx(weights.sum() ** 2 / (weights**2).sum())


def test_more_points_than_a_slab():
    samples = fields(3, shape=(70_000,))
    moments = Moments()
    for sample in samples:
        moments.add(sample)
    mean, covariance = dense(samples)
    assert np.allclose(moments.mean, mean)
    assert np.allclose(moments.covariance, covariance)


def test_input_is_not_changed():
    samples = fields(3)
    before = samples.copy()
    moments, mean = Moments(), RunningMean()
    for sample in samples:
        moments.add(sample)
        mean.add(sample)
    assert (samples == before).all()
    assert np.allclose(mean.value, before.mean(axis=0))


def test_bad_samples_are_told():
    moments = Moments()
    with pytest.raises(ValueError, match="no sample"):
        _ = moments.mean
    moments.add(np.zeros((2, 2, 2, 3)))
    with pytest.raises(ValueError, match="NaN"):
        moments.add(np.full((2, 2, 2, 3), np.nan))
    with pytest.raises(ValueError, match="shape"):
        moments.add(np.zeros((2, 2, 3, 3)))
    with pytest.raises(ValueError, match="shape"):
        Moments().add(np.zeros((2, 2, 2)))
    assert moments.count == 1


# Nested samples: x = τ effect (covariance J) + draw (covariance S)
JITTER = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 0.5]])
SPREAD = np.array([[1.0, -0.2, 0.1], [-0.2, 0.8, 0.0], [0.1, 0.0, 1.5]])


def nested(groups, draws, points, seed, jitter=JITTER, spread=SPREAD):
    """Yield (vectors, group) of a stochastic registration with known covariances."""
    generator = np.random.default_rng(seed)
    roots = [np.linalg.cholesky(m + 1e-12 * np.eye(3)) for m in (jitter, spread)]
    for group in range(groups):
        effect = generator.normal(size=(points, 3)) @ roots[0].T
        for _ in range(draws[group] if isinstance(draws, list) else draws):
            yield effect + generator.normal(size=(points, 3)) @ roots[1].T, group


def summary(samples, convert=np.asarray):
    moments = NestedMoments()
    for vectors, group in samples:
        moments.add(convert(vectors), 0.0, group)
    return moments.summary()


def test_nested_total_is_the_covariance_of_all_draws(convert):
    samples = list(nested(5, 4, 30, seed=1))
    result = summary(samples, convert)
    mean, covariance = dense(np.stack([vectors for vectors, _ in samples]))
    assert np.allclose(to_numpy(result.mean), mean)
    assert np.allclose(to_numpy(result.total), covariance)


def test_nested_same_as_dense_formulas():
    samples = np.stack([vectors for vectors, _ in nested(6, 3, 50, seed=2)]).reshape(6, 3, 50, 3)
    result = summary((vectors, g) for g in range(6) for vectors in samples[g])
    within = np.mean([dense(group)[1] for group in samples], axis=0) * 3 / 2
    between = dense(samples.mean(axis=1))[1] - (1 - 1 / 6) * within / 3
    assert np.allclose(result.spread, within)
    assert np.allclose(result.jitter, maps.clip_negative(between))


@pytest.mark.parametrize("draws", [2, 5, [2, 3, 4, 5] * 3])
def test_nested_recovers_known_spread_and_jitter(draws):
    # Averaged over 20,000 independent points: the standard error of the largest entry is 0.03, and
    # forgetting the finite number of draws would be wrong by up to 0.75. The jitter is large
    # enough for the clipping, which biases, not to act.
    result = summary(nested(12, draws, 20_000, seed=3, jitter=5 * JITTER))
    spread = SPREAD.reshape(9)[SIX]
    assert np.abs(result.spread.mean(axis=0) - spread).max() < 0.02
    share = np.broadcast_to(draws, 12) / np.broadcast_to(draws, 12).sum()
    jitter = (1 - np.sum(share**2)) * 5 * JITTER.reshape(9)[SIX]
    assert np.abs(result.jitter.mean(axis=0) - jitter).max() < 0.1


def test_finite_draws_do_not_leak_into_the_jitter():
    """Without τ effect the uncorrected jitter is spread / K; the corrected one is near 0."""
    samples = list(nested(400, 2, 200, seed=4, jitter=np.zeros((3, 3))))
    result = summary(samples)
    means = np.stack([v for v, _ in samples]).reshape(400, 2, 200, 3).mean(axis=1)
    raw = dense(means)[1][:, [0, 3, 5]].sum(axis=1).mean()
    corrected = result.jitter[:, [0, 3, 5]].sum(axis=1).mean()
    assert raw == pytest.approx(np.trace(SPREAD) / 2, rel=0.03)
    assert corrected < 0.1 * raw
    assert (maps.eigenvalues(result.jitter) > -1e-6).all()


def test_deterministic_backbone_has_no_spread():
    samples = list(nested(9, 1, 40, seed=5))
    result = summary(samples)
    assert (result.spread == 0.0).all()
    assert np.allclose(result.jitter, dense(np.stack([v for v, _ in samples]))[1])
    assert np.allclose(result.jitter, result.total)


def test_dropout_alone_has_no_jitter():
    result = summary((vectors, 0) for vectors, _ in nested(8, 1, 40, seed=6))
    assert (result.jitter == 0.0).all()
    assert np.allclose(result.spread, result.total * 8 / 7)


def test_nested_summary_of_a_running_job_does_not_disturb_it():
    samples = list(nested(4, 3, 20, seed=7))
    watched = NestedMoments()
    for vectors, group in samples:
        watched.add(vectors, 0.0, group)
        watched.summary()
    expected = summary(samples)
    for name in ("mean", "total", "spread", "jitter"):
        assert np.allclose(getattr(watched.summary(), name), getattr(expected, name))


def test_groups_must_stay_together():
    moments = NestedMoments()
    with pytest.raises(ValueError, match="no sample"):
        moments.summary()
    moments.add(np.zeros((2, 3)), 0.0, 0)
    moments.add(np.zeros((2, 3)), 0.0, 1)
    with pytest.raises(ValueError, match="follow each other"):
        moments.add(np.zeros((2, 3)), 0.0, 0)
