"""Registration that learns where the images correspond at all (AdaCS).

Zhang et al., "Adaptive Correspondence Scoring for Unsupervised Medical Image Registration", ECCV
2024. A displacement network and a scoring network are trained in turn, each with an optimiser of
its own. The score S, in (0, 1), is made from the fixed image alone: low where it shows what the
moving image does not have. There the displacement is led by its neighbours, not by intensities.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from ..networks.diffusemorph import displace, displacement_net
from ..networks.unet import UNet
from ..networks.warp import warp
from ..randomness import torch_seeded
from .loop import descend, mixed_precision
from .losses import check_norm, smoothness
from .two_networks import TwoNetworks, both_ways, check_both_ways

MOMENTA = ("paper", "code", "none")
START = 2.0  # the score before training is sigmoid(2) = 0.88: far from the solution of all zeros
COLLAPSED = 0.05  # mean score below which nothing is registered any more


@dataclass(frozen=True)
class AdaCSTraining:
    """How to train (defaults: the paper's, whose epochs have 100 steps).

    Attributes:
        smoothness: lambda, of the displacement (Eq. 2); norm: of which ||grad||², that of Eq. 8
            too, see `losses.smoothness`.
        alpha: keeps the score away from all zeros (Eq. 4); 0 shows the collapse. Alone with a
            squared residual r the best score is 1 - r / (2 alpha): give more than half of what
            the residual is after the first steps, or all scores are 0.
        beta: smoothness of the score (Eq. 8); 0 leaves it out.
        momentum: of m_T, which weighs that smoothness (Eq. 5 to 7), one of MOMENTA, see
            `Momentum`; "none" takes m = 1.
        kappa: of the momentum; the printed Eq. 6 has none, and is then about 1.
        motion_steps: first steps, in which S = 1: with as many as ``steps`` this is training with
            the mean squared error.
        scoring_steps: next steps, in which only the scoring network learns and m stays.
        epoch_steps: steps of an epoch, for the decay of m.
        both_ways: the mean of the losses of both directions, of one pass: the way back is that of
            the negative velocity. Not for DiffuseMorph.
        network: settings of the displacement network, see `displacement_net`.
        encoder, decoder, ndim: of the scoring network, see `UNet`.
        learning_rate: of both optimisers (Adam); batch: pairs a step.
        steps, seed, save_every, validate_every, stop_after, device: of the training, warm-up
            included, see `run_steps`.
    """

    smoothness: float = 0.01
    alpha: float = 0.02
    beta: float = 1.5
    norm: str = "mean"
    momentum: str = "paper"
    kappa: float = 50.0
    motion_steps: int = 2000
    scoring_steps: int = 2000
    epoch_steps: int = 100
    both_ways: bool = False
    network: dict = field(default_factory=dict)
    encoder: tuple[int, ...] = (16, 32, 32)
    decoder: tuple[int, ...] = (32, 32, 32, 16)
    ndim: int = 3
    learning_rate: float = 1e-4
    batch: int = 1
    steps: int = 34_000
    seed: int = 0
    save_every: int = 500
    validate_every: int = 500
    stop_after: int | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_norm(self.norm)
        if self.momentum not in MOMENTA:
            raise ValueError(f"The momentum is one of {', '.join(MOMENTA)}, not {self.momentum!r}.")
        check_both_ways(self.both_ways, self.network)

    def networks(self) -> dict[str, nn.Module]:
        """The untrained networks, from the seed: "displacement" and "score"."""
        with torch_seeded(self.seed, "initial weights"):
            displacement = displacement_net(**self.network)
            score = UNet(1, 1, self.encoder, self.decoder, ndim=self.ndim, start=START)
        return {"displacement": displacement.to(self.device), "score": score.to(self.device)}


class Momentum:
    """m_T, the weight of the score's smoothness: it grows as the residual falls (Eq. 5 to 7).

    It is the running mean of b_T, by the decay min(1 - 1 / (epoch + 1), 0.99), and

    - "paper": b = cos(pi/2 min(kappa mu, 1)) of the step's mean squared residual mu, between 0 and
      1 (kappa, and the limit of 1, are ours: without kappa b is about 1);
    - "code": b = cos(pi kappa mu) of the mean mu, so far in this epoch, of the squared residuals
      weighed by the score, as the authors published it: it is negative from mu = 1 / (2 kappa) on,
      and then rewards a rough score.

    At mu = 0.005, 0.01 and 0.02 these are 0.92, 0.71, 0 and 0.71, 0, -1, for kappa = 50.

    Args:
        kappa, kind: see `AdaCSTraining`.
        epoch_steps: updates in an epoch.
    """

    def __init__(self, kappa: float = 50.0, epoch_steps: int = 100, kind: str = "paper") -> None:
        self.kappa, self.epoch_steps, self.kind = kappa, epoch_steps, kind
        self.value, self.updates, self.of_epoch = 0.0, 0, 0.0

    def update(self, residual: float, weighed: float) -> None:
        """Take the mean squared residual of a step, and that of the residual times the score."""
        epoch, before = divmod(self.updates, self.epoch_steps)
        decay = min(1 - 1 / (epoch + 1), 0.99)
        kept = self.of_epoch if before else 0.0
        self.of_epoch = kept + weighed
        if self.kind == "code":
            b = math.cos(math.pi * self.kappa * self.of_epoch / (before + 1))
        else:
            b = math.cos(math.pi / 2 * min(self.kappa * residual, 1.0))
        self.value = decay * self.value + (1 - decay) * b
        self.updates += 1

    def state_dict(self) -> dict:
        """For a checkpoint."""
        return {"value": self.value, "updates": self.updates, "of_epoch": self.of_epoch}

    def load_state_dict(self, state: dict) -> None:
        """From a checkpoint."""
        self.value, self.updates = state["value"], state["updates"]
        self.of_epoch = state.get("of_epoch", 0.0)


def train_adacs(
    config: AdaCSTraining,
    pairs,
    out: str | Path,
    progress: bool = True,
    on_step: Callable[[dict], None] | None = None,
    licence: str = "not stated",
    validation=None,
) -> dict[str, nn.Module]:
    """Train, or resume from a checkpoint in ``out``; see `loop.run_steps`.

    ``out`` becomes a model folder, see `model_folder`.

    The log has m_T as "momentum" and the mean score as "score"; a score that falls to nothing is
    warned of.

    Args:
        pairs: has ``pair(seed, device) -> Pair``, and ``record()`` for the checkpoint, see
            ``synthetic``, ``folder`` and ``listed``.
        progress: show a progress bar on stderr.
        on_step: takes the log of every step.
        licence: of the images, for the model's provenance.
        validation: `listed.ListedPairs` that no step sees, see `validation.validate`; or None.

    Returns:
        The networks, "displacement" and "score".

    Raises:
        ValueError: a checkpoint of other settings is in the way.
        FloatingPointError: the loss is no number; the last checkpoint is kept.
        Paused: after ``stop_after`` steps.
    """
    training = TwoNetworks("adacs", config, config.networks())
    nets, optimisers = training.nets, training.optimisers
    momentum = Momentum(config.kappa, config.epoch_steps, config.momentum)

    def step(n: int) -> dict:
        moves, scores = config.motion_steps, config.motion_steps + config.scoring_steps
        learns_motion = n < moves or n >= scores
        learns_score = n >= moves
        moving, fixed = training.draw(pairs, n)
        with mixed_precision(config.device):
            with torch.set_grad_enabled(learns_motion):
                z, extra = displace(nets["displacement"], moving, fixed, config.both_ways)
                if config.both_ways:
                    moving, fixed = both_ways(moving, fixed)
                residual = (fixed - warp(moving, z, "border")).square()
            with torch.set_grad_enabled(learns_score):
                score = predict_score(nets["score"], fixed)
            weight = score.detach() if learns_score else torch.ones_like(score)
            data = (weight * residual).mean()
            loss = data + config.smoothness * smoothness(z, config.norm) + extra
            mean_residual = float(residual.detach().mean())
            if learns_motion:
                momentum.update(mean_residual, float(data.detach()))
            of_score = scoring_loss(config, score, residual.detach(), momentum.value)
        log = {
            "loss": float(loss.detach()),
            "mse": mean_residual,
            "momentum": momentum.value,
            "score": float(score.detach().mean()),
            "score_loss": float(of_score.detach()),
        }
        if learns_motion:
            descend(loss, optimisers["displacement"])
        if learns_score:
            descend(of_score, optimisers["score"])
            if log["score"] < COLLAPSED:
                log["warning"] = "The score has collapsed to zero: give a larger alpha."
        return log

    loss = f"S (B - A o phi)^2 + {config.smoothness} smoothness"
    return training.train(
        step, pairs, out, loss, progress, on_step, licence, validation, momentum=momentum
    )


def predict_score(net: nn.Module, fixed: Tensor) -> Tensor:
    """S, (B, 1, Z, Y, X) in (0, 1), of a fixed image."""
    return torch.sigmoid(net(fixed).float())


def scoring_loss(config: AdaCSTraining, score: Tensor, residual: Tensor, m: float) -> Tensor:
    """L_scs + alpha L_reg + beta L_smooth (Eq. 9, with 3, 4 and 8).

    Args:
        score: S; residual: (B - A o phi)² without gradient; m: m_T.
    """
    loss = (score * residual).mean() + config.alpha * (1 - score).square().mean()
    if config.beta:
        m = 1.0 if config.momentum == "none" else m
        loss = loss + config.beta * m * smoothness(score, config.norm)
    return loss
