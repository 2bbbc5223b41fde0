"""Importance weights: known effective sizes, tempering, resampling, a known Gaussian target."""

import pytest

torch = pytest.importorskip("torch")

from UncertainRegLib.gaussian import (  # noqa: E402
    effective_sample_size,
    resample,
    temper_by_spread,
    temper_to_ess,
)


def test_effective_size_of_equal_and_of_single_weights():
    assert effective_sample_size(torch.full((7,), -3e6)) == pytest.approx(7)
    assert effective_sample_size(torch.tensor([0.0, -2e3, -5e5])) == pytest.approx(1)


def test_effective_size_of_a_known_case():
    weights = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    assert effective_sample_size(weights.log() + 1e5) == pytest.approx(1 / 0.375)


def test_tempering_by_spread_sets_the_standard_deviation():
    log_weights = 500 * torch.randn(2, 64, dtype=torch.float64)
    tempered = temper_by_spread(log_weights, 3.0)
    torch.testing.assert_close(
        tempered.std(-1, correction=0), torch.full((2,), 3.0, dtype=torch.float64)
    )
    assert torch.equal(tempered.argsort(-1), log_weights.argsort(-1))
    torch.testing.assert_close(temper_by_spread(log_weights, 3.0, 6.0), log_weights / 2)
    assert effective_sample_size(temper_by_spread(torch.zeros(5))) == pytest.approx(5)


def test_tempering_to_an_effective_size():
    torch.manual_seed(0)
    log_weights = 400 * torch.randn(3, 200, dtype=torch.float64)
    tempered, exponent = temper_to_ess(log_weights, 40)
    torch.testing.assert_close(
        effective_sample_size(tempered),
        torch.full((3,), 40.0, dtype=torch.float64),
        rtol=1e-6,
        atol=0,
    )
    assert ((exponent > 0) & (exponent < 1)).all()


def test_weights_good_enough_are_not_tempered():
    log_weights = 0.1 * torch.randn(100, dtype=torch.float64)
    tempered, exponent = temper_to_ess(log_weights, 50)
    assert exponent == 1 and torch.equal(tempered, log_weights)
    with pytest.raises(ValueError, match="at least as many"):
        temper_to_ess(log_weights, 101)


def test_resampling_frequencies():
    weights = torch.tensor([0.6, 0.3, 0.1, 0.0], dtype=torch.float64)
    n = 100_000
    drawn = resample(weights.log() - 1e5, n, torch.Generator().manual_seed(1))
    frequency = torch.bincount(drawn, minlength=4) / n
    assert ((frequency - weights).abs() < 5 * (weights * (1 - weights) / n).sqrt() + 1e-12).all()


def test_resampling_recovers_a_known_target():
    """Proposal N(0, 2^2), target N(1, 1): resampled draws have the target's moments."""
    generator = torch.Generator().manual_seed(2)
    z = 2 * torch.randn(200_000, generator=generator, dtype=torch.float64)
    log_weights = -0.5 * (z - 1) ** 2 + 0.5 * (z / 2) ** 2
    drawn = z[resample(log_weights, 50_000, generator)]
    assert drawn.mean() == pytest.approx(1, abs=0.03)
    assert drawn.std() == pytest.approx(1, abs=0.03)
