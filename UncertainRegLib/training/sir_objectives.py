"""What the proposal network of Structured SIR is trained for.

All losses are in nats per voxel of the field's grid: divided by the number of voxels, so that their
size, and the weight of the penalty on off-diagonals, do not change with the image.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..gaussian import (
    SparseFactor,
    StructuredGaussian,
    effective_sample_size,
    resample,
    temper_by_spread,
)
from ..networks.target import RegistrationTarget, gradient_energy
from ..randomness import torch_generator

OBJECTIVES = ("mean", "elbo", "paper", "entropy", "wake")
OFF_DIAGONAL_PENALTY = 0.05


def sir_loss(
    objective: str,
    q: StructuredGaussian,
    target: RegistrationTarget,
    seeds: Sequence[int],
    keep: int = 4,
    temperature: float = 3.0,
    mean_smoothness: float = 0.0,
    average: SpreadAverage | None = None,
) -> tuple[Tensor, dict[str, float]]:
    """The loss of one pair, and what to log of it.

    Objectives:
        mean: -log p(fixed | mean) p(mean); a warm start.
        elbo: -E_q[log p(fixed | moving o Z) p(Z)] - H(q), Eq. 1: the variational V variants.
        paper: -1/N_k sum log p(fixed | moving o Z^k) p(Z^k) over resampled proposals, Eq. 6. Its
            gradient shrinks the spread whenever the target is log-concave; see `CollapseMonitor`.
        entropy: paper - H(q).
        wake: -1/N_k sum log q(Z^k), Z^k held: q follows the resampled proposals.

    The last three are the S variants: all of ``seeds`` are drawn and weighed without gradient,
    ``keep`` of them resampled by their tempered weights and drawn again with gradient. The others
    draw the first ``keep`` seeds. Every loss adds mean_smoothness / 2 ||grad mean||^2 (Eq. 8) and
    0.05 times the mean square of the off-diagonals of L.

    Args:
        q: proposal of one pair (B = 1); target: of the same pair.
        seeds: N_L seeds of proposals.
        average: of the spread that tempers; None takes that of the pair alone.

    Raises:
        ValueError: unknown objective.
    """
    if objective not in OBJECTIVES:
        raise ValueError(f"Objective {objective!r} is not one of {', '.join(OBJECTIVES)}.")
    voxels = q.dimension / 3
    log: dict[str, float] = {}
    if objective == "mean":
        loss = -target.log_prob(q.mean[:, None])
    elif objective == "elbo":
        loss = -target.log_prob(q.sample(q.noise(seeds[:keep]))).mean() - q.entropy()
    else:
        chosen, log = _chosen(q, target, seeds, keep, temperature, average)
        noise = q.noise(chosen)
        if objective == "wake":
            with torch.no_grad():
                fields = q.sample(noise)
            loss = -q.log_prob(fields).mean()
        else:
            loss = -target.log_prob(q.sample(noise)).mean()
        if objective == "entropy":
            loss = loss - q.entropy()
    loss = loss.sum() / voxels
    loss = loss + 0.5 * mean_smoothness * gradient_energy(q.mean[:, None]).sum() / voxels
    if isinstance(q.factor, SparseFactor):
        off = torch.cat((q.factor.off.flatten(), q.factor.cross.flatten()))
        loss = loss + OFF_DIAGONAL_PENALTY * off.square().mean()
    log["loss"] = float(loss.detach())
    log["half_logdet"] = float(0.5 * q.logdet().detach().sum()) / q.dimension
    return loss, log


def _chosen(q, target, seeds, keep, temperature, average) -> tuple[list[int], dict[str, float]]:
    """Seeds resampled by weight, and effective sizes and bounds of the draw."""
    with torch.no_grad():
        log_weights = _log_weights(q, target, seeds)
        spread = float(log_weights.std(correction=0))
        alpha = None if average is None else average.update(spread)
        tempered = temper_by_spread(log_weights, temperature, alpha)
        index = resample(tempered, keep, torch_generator(seeds[0], "resampling"))
    log = bounds(log_weights, q.dimension / 3)
    log["ess_raw"] = float(effective_sample_size(log_weights))
    log["ess"] = float(effective_sample_size(tempered))
    log["log_weight_sd"] = spread
    if average is not None:
        log["sigma_alpha"] = alpha
    return [seeds[i] for i in index.tolist()], log


def _log_weights(q, target, seeds, batch: int = 8) -> Tensor:
    parts = []
    for first in range(0, len(seeds), batch):
        noise = q.noise(seeds[first : first + batch])
        parts.append(target.log_prob(q.sample(noise)) - q.log_prob_of_noise(noise))
    return torch.cat(parts, 1)[0]


def bounds(log_weights: Tensor, voxels: float) -> dict[str, float]:
    """The two lower bounds of the (unnormalised) evidence, nats per voxel.

    elbo: mean of log w (Eq. 1); iw_bound: log of the mean of w (Eq. 2), at least as large.
    """
    evidence = torch.logsumexp(log_weights, 0) - torch.log(torch.tensor(float(len(log_weights))))
    return {"elbo": float(log_weights.mean()) / voxels, "iw_bound": float(evidence) / voxels}


@torch.no_grad()
def evaluate_bounds(q, target, seeds) -> dict[str, float]:
    """`bounds` of a proposal, by drawing ``seeds``."""
    return bounds(_log_weights(q, target, seeds), q.dimension / 3)


class SpreadAverage:
    """sigma_alpha, the exponential moving average of the spread of the log-weights (section 4.2):
    gamma times the old one plus (1 - gamma) times that of the step; the first is that of its step.

    Args:
        gamma: the paper's is 0.9.
    """

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma
        self.value: float | None = None

    def update(self, spread: float) -> float:
        """Take the standard deviation of a step's log-weights; the average."""
        old = spread if self.value is None else self.value
        self.value = self.gamma * old + (1 - self.gamma) * spread
        return self.value


@dataclass
class CollapseMonitor:
    """Warns when the spread of the proposal keeps shrinking.

    Watches 1/2 log det Sigma per number (of 3 Nv), the mean log standard deviation of q, if you
    like. A proposal that becomes sharper and then settles is learning; one that has lost ``fall``
    nats (1.5: standard deviations of less than a quarter) and goes on losing ``rate`` nats in
    ``window`` steps is collapsing onto its mean.
    """

    fall: float = 1.5
    rate: float = 0.05
    window: int = 50

    def __post_init__(self) -> None:
        self._start = None
        self._recent = deque(maxlen=self.window + 1)

    def update(self, half_logdet: float) -> str | None:
        """Take a step's value (nats per number); the warning, or None."""
        self._start = half_logdet if self._start is None else self._start
        self._recent.append(half_logdet)
        lost = self._start - half_logdet
        losing = self._recent[0] - half_logdet
        if len(self._recent) <= self.window or lost < self.fall or losing < self.rate:
            return None
        return (
            f"The proposal is collapsing: its spread has shrunk by a factor of "
            f"{torch.tensor(lost).exp().item():.1f} and keeps shrinking. Train with the "
            "'entropy', 'wake' or 'elbo' objective."
        )
