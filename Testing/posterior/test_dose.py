"""Dose maps and dose-volume histograms against what is known of linear doses."""

import numpy as np

from UncertainRegLib.posterior.dose import band_of, dose_maps, quantiles, received, row_of, steps_to


def test_maps_of_a_linear_dose_under_normal_shifts():
    """D = g·x and t ~ N(0, S): normal with standard deviation sqrt(gᵀ S g) everywhere."""
    generator = np.random.default_rng(0)
    covariance = np.array([[4.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]])
    slope, points = np.array([0.5, -1.0, 0.25]), generator.uniform(0, 50, (30, 3))
    shifts = generator.multivariate_normal(np.zeros(3), covariance, 40_000)
    doses = (points[None] + shifts[:, None]) @ slope
    maps = dose_maps(doses, np.full(len(doses), 1 / len(doses)))
    sd = np.sqrt(slope @ covariance @ slope)
    np.testing.assert_allclose(maps.expected, points @ slope, atol=0.02 * sd)
    np.testing.assert_allclose(maps.sd, sd, rtol=0.02)
    np.testing.assert_allclose(maps.high - maps.low, 2 * 1.6449 * sd, rtol=0.02)


def test_weights_count_as_copies_do():
    values = np.random.default_rng(1).normal(size=(5, 7))
    copies = np.array([1, 3, 2, 1, 5])
    repeated = np.repeat(values, copies, axis=0)
    weighted, counted = (
        dose_maps(values, copies / copies.sum()),
        dose_maps(repeated, np.full(12, 1 / 12)),
    )
    for name in ("expected", "sd", "low", "high"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(counted, name), atol=1e-9)


def test_equal_weights_and_weights_give_one_quantile():
    values = np.random.default_rng(2).normal(size=(20, 3))
    even = quantiles(values, np.full(20, 0.05), (0.05, 0.5, 0.95))
    np.testing.assert_array_equal(even, np.sort(values, axis=0)[[0, 9, 18]])


def test_what_a_uniform_dose_gives():
    """Doses spread evenly from 0 to 100 Gy: every number is known."""
    doses = np.random.default_rng(3).permutation(np.linspace(0, 100, 10_001))
    found = received(doses, np.full(doses.size, 0.5), 20.0, steps_to(100.0))
    numbers = [found.mean, found.d95, found.d2, found.above]
    np.testing.assert_allclose(numbers, [50, 5, 98, 0.8], atol=0.01)
    np.testing.assert_allclose(found.curve, np.linspace(1, 0, 201), atol=1e-3)
    assert found.curve[0] == 1.0  # all of it receives 0 Gy or more
    assert received(np.zeros(0), np.zeros(0), 20.0, steps_to(1.0)) is None


def test_a_part_of_twice_the_volume_counts_twice():
    doses, volumes = np.array([10.0, 30.0, 20.0]), np.array([1.0, 2.0, 1.0])
    twice = np.array([10.0, 30.0, 30.0, 20.0])
    one, other = (
        received(doses, volumes, 25.0, steps_to(40.0)),
        received(twice, np.ones(4), 25.0, steps_to(40.0)),
    )
    assert (one.mean, one.above) == (other.mean, other.above) == (22.5, 0.5)
    np.testing.assert_array_equal(one.curve, other.curve)


def test_bands_are_of_whole_samples():
    """Half of the samples raise the dose everywhere by 10 Gy: that is the interval of each number,
    and no sample has a histogram of its own edges."""
    doses = np.linspace(20, 40, 2001)
    samples = [
        received(doses + step, np.ones(2001), 35.0, steps_to(60.0)) for step in (0.0, 10.0) * 10
    ]
    weights = np.full(20, 0.05)
    row = row_of(samples[0], samples, weights)
    np.testing.assert_allclose(
        [row["mean_gy"], row["mean_low_gy"], row["mean_high_gy"]], [30, 30, 40]
    )
    np.testing.assert_allclose(
        [row["above_percent"], row["above_low_percent"], row["above_high_percent"]],
        [25, 25, 75],
        atol=0.1,
    )
    low, high = band_of(samples, weights)
    np.testing.assert_array_equal(low, samples[0].curve)
    np.testing.assert_array_equal(high, samples[1].curve)
