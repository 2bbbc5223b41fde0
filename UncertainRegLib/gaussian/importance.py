"""Importance weights in log space: tempering, effective sample size, resampling.

With log w_i = log p(Z_i) - log q(Z_i) of a million dimensions, the weights themselves underflow and
one sample takes all; nothing here leaves the logarithm before normalising.
"""

import torch
from torch import Generator, Tensor


def effective_sample_size(log_weights: Tensor) -> Tensor:
    """1 / sum of squared normalised weights, along the last axis: N for equal weights, at least 1.

    Args:
        log_weights: (..., N), unnormalised.
    """
    return 1.0 / torch.softmax(log_weights.double(), -1).square().sum(-1)


def temper_by_spread(log_weights: Tensor, temperature: float = 3.0, spread: float | None = None):
    """log-weights scaled to a standard deviation of ``temperature``: (T / sigma_alpha) log alpha.

    Simpson & Campbell, "Structured SIR", section 4.2 (T = 3, there with an exponential moving
    average for sigma_alpha). The default is the spread of these very weights: an average over other
    pairs tempers wrongly wherever pairs differ.

    Args:
        log_weights: (..., N).
        spread: sigma_alpha, or None for the standard deviation of ``log_weights``.

    Returns:
        (..., N) tempered log-weights.
    """
    if spread is None:
        spread = log_weights.std(-1, keepdim=True, correction=0).clamp_min(1e-12)
    return log_weights * (temperature / spread)


def temper_to_ess(log_weights: Tensor, target: float) -> tuple[Tensor, Tensor]:
    """log-weights scaled by the largest exponent in [0, 1] whose effective sample size is enough.

    Args:
        log_weights: (..., N).
        target: effective sample size wanted, between 1 and N.

    Returns:
        (..., N) tempered log-weights, and the exponents (...).

    Raises:
        ValueError: target is not between 1 and N.
    """
    if not 1 <= target <= log_weights.shape[-1]:
        raise ValueError(
            f"An effective sample size of {target} needs at least as many proposals, "
            f"there are {log_weights.shape[-1]}."
        )
    log_weights = log_weights.double()
    low = torch.zeros_like(log_weights[..., 0])
    high = torch.ones_like(low)
    enough = effective_sample_size(log_weights) >= target
    for _ in range(60):  # the effective size falls monotonically with the exponent
        middle = 0.5 * (low + high)
        fits = effective_sample_size(log_weights * middle[..., None]) >= target
        low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
    exponent = torch.where(enough, torch.ones_like(low), low)
    return log_weights * exponent[..., None], exponent


def resample(log_weights: Tensor, n: int, generator: Generator | None = None) -> Tensor:
    """Indices (..., n) drawn with replacement in proportion to the weights (multinomial)."""
    weights = torch.softmax(log_weights.double(), -1)
    return torch.multinomial(weights, n, replacement=True, generator=generator)
