"""Registration that learns where the image is noisy.

Zhang et al., "Heteroscedastic Uncertainty Estimation Framework for Unsupervised Registration",
MICCAI 2024. Two networks are trained in turn, each with an optimiser of its own: one for the
displacement, whose data term is weighted by the noise that the other predicts, and one for the
variance of the noise, which sees the fixed and the moved image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks.diffusemorph import displace, displacement_net
from ..networks.unet import UNet
from ..networks.warp import warp
from ..randomness import torch_seeded
from .loop import descend, mixed_precision
from .losses import check_norm, smoothness
from .two_networks import TwoNetworks, both_ways, check_both_ways

LOSSES = ("mse", "nll", "beta-nll", "adaframe", "adareg", "snr")
LOG_VARIANCE = 10.0  # log variances stay within plus and minus this
START = -4.0  # log variance before training: a standard deviation of 0.14


@dataclass(frozen=True)
class HeteroscedasticTraining:
    """How to train (defaults: the paper's).

    Attributes:
        loss: of the displacement, one of LOSSES: see `data_weight`. Whatever it is, the variance
            network is trained beside it; only with "mse", "adaframe" and "adareg" nobody listens.
        gamma: confidence in the predicted variance, Eq. 4; 0 weighs all voxels alike.
        snr: "paper", (B / sigma)^(2 gamma), or "code", (B / sigma²)^gamma, as the authors
            published it.
        beta: of the variance network's beta-NLL, Eq. 5; 0 with the loss "nll".
        window: edge in voxels of the box over which the squared residual is averaged before the
            variance network learns it; 1 is the paper. That network sees both images and so the
            residual itself: given time it learns to square it, the best answer to Eq. 5 and no
            estimate of noise. A mean over neighbours is one.
        joint: with the losses "nll" and "beta-nll" the gradient of the whole negative
            log-likelihood reaches the displacement, also through the images that the variance
            network sees, as in the papers; False: only that of the weighed residual.
        smoothness: lambda; norm: of which ||grad z||², see `losses.smoothness`.
        alpha: weight of the displacement's own variance sigma_z² (supplement; a value is not
            given there); 0 trains without it.
        both_ways: the mean of the losses of both directions, of one pass: the way back is that of
            the negative velocity. Not for DiffuseMorph.
        network: settings of the displacement network, see `displacement_net`.
        encoder, decoder, ndim: of the variance network, see `UNet`.
        learning_rate: of both optimisers (Adam); batch: pairs a step.
        steps, seed, save_every, validate_every, stop_after, device: of the training, see
            `run_steps`; the paper makes 300 epochs.
    """

    loss: str = "snr"
    gamma: float = 0.5
    snr: str = "paper"
    beta: float = 0.5
    window: int = 1
    joint: bool = False
    smoothness: float = 0.01
    norm: str = "mean"
    alpha: float = 0.0
    both_ways: bool = False
    network: dict = field(default_factory=dict)
    encoder: tuple[int, ...] = (16, 32, 32)
    decoder: tuple[int, ...] = (32, 32, 32, 16)
    ndim: int = 3
    learning_rate: float = 1e-4
    batch: int = 1
    steps: int = 30_000
    seed: int = 0
    save_every: int = 500
    validate_every: int = 500
    stop_after: int | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"Loss {self.loss!r} is not one of {', '.join(LOSSES)}.")
        if self.snr not in ("paper", "code"):
            raise ValueError(f"The signal-to-noise ratio is 'paper' or 'code', not {self.snr!r}.")
        check_norm(self.norm)
        if self.joint and self.loss not in ("nll", "beta-nll"):
            raise ValueError("Only the losses nll and beta-nll are joint ones.")
        check_both_ways(self.both_ways, self.network)
        if self.alpha and self.both_ways:
            raise ValueError("With sigma_z the displacement is drawn: it has no way back.")
        if self.alpha and self.network.get("backbone") == "diffusemorph":
            raise ValueError("DiffuseMorph has no head for sigma_z; choose voxelmorph.")

    def networks(self) -> dict[str, nn.Module]:
        """The untrained networks, from the seed: "displacement" and "variance"."""
        spread = {"classes": 1} if self.alpha else {}
        with torch_seeded(self.seed, "initial weights"):
            variance = UNet(2, 1, self.encoder, self.decoder, ndim=self.ndim, start=START)
            displacement = displacement_net(**{**self.network, **spread})
        return {"displacement": displacement.to(self.device), "variance": variance.to(self.device)}


def train_heteroscedastic(
    config: HeteroscedasticTraining,
    pairs,
    out: str | Path,
    progress: bool = True,
    on_step: Callable[[dict], None] | None = None,
    licence: str = "not stated",
    validation=None,
) -> dict[str, nn.Module]:
    """Train, or resume from a checkpoint in ``out``; see `loop.run_steps`.

    ``out`` becomes a model folder, see `model_folder`.

    Args:
        pairs: has ``pair(seed, device) -> Pair``, and ``record()`` for the checkpoint, see
            ``synthetic``, ``folder`` and ``listed``.
        progress: show a progress bar on stderr.
        on_step: takes the log of every step.
        licence: of the images, for the model's provenance.
        validation: `listed.ListedPairs` that no step sees, see `validation.validate`; or None.

    Returns:
        The networks, "displacement" and "variance".

    Raises:
        ValueError: a checkpoint of other settings is in the way.
        FloatingPointError: the loss is no number; the last checkpoint is kept.
        Paused: after ``stop_after`` steps.
    """
    training = TwoNetworks("heteroscedastic", config, config.networks())
    nets, optimisers = training.nets, training.optimisers

    def step(n: int) -> dict:
        moving, fixed = training.draw(pairs, n)
        with mixed_precision(config.device):
            z, extra = _displacement(nets["displacement"], moving, fixed, config)
            if config.both_ways:
                moving, fixed = both_ways(moving, fixed)
            moved = warp(moving, z, "border")
            log_variance = predict_log_variance(nets["variance"], moved, fixed)
            residual = (fixed - moved).square()
            beta = 0.0 if config.loss == "nll" else config.beta
            if config.joint:
                loss = joint_loss(config, nets["variance"], moved, fixed, z, beta) + extra
            else:
                loss = displacement_loss(config, fixed, residual, log_variance, z) + extra
            of_variance = beta_nll(
                _local_mean(residual.detach(), config.window), log_variance, beta
            )
        return {
            "loss": descend(loss, optimisers["displacement"]),
            "variance_loss": descend(of_variance, optimisers["variance"]),
            "mse": float(residual.detach().mean()),
            "sigma": float((0.5 * log_variance.detach()).exp().mean()),
        }

    loss = f"{config.loss} + {config.smoothness} smoothness; beta-NLL"
    return training.train(step, pairs, out, loss, progress, on_step, licence, validation)


def _displacement(net: nn.Module, moving: Tensor, fixed: Tensor, config: HeteroscedasticTraining):
    """The displacement, and what else is to be minimised.

    With sigma_z the displacement is drawn, mean + sigma_z * noise, so that gradients reach both.
    """
    if not config.alpha:
        return displace(net, moving, fixed, config.both_ways)
    features = net.features(moving, fixed).float()
    mean, log_spread = net.displacement(features), net.log_scale(features).float()
    z = mean + (0.5 * log_spread).exp() * torch.randn_like(mean)
    return z, config.alpha * (log_spread.exp() - log_spread).mean()


def predict_log_variance(
    net: nn.Module, moved: Tensor, fixed: Tensor, joint: bool = False
) -> Tensor:
    """log sigma_I², (B, 1, Z, Y, X), of a moved and a fixed image.

    Args:
        joint: the gradient goes on to the moved image.
    """
    images = torch.cat((moved if joint else moved.detach(), fixed), 1)
    return net(images).float().clamp(-LOG_VARIANCE, LOG_VARIANCE)


def displacement_loss(
    config: HeteroscedasticTraining,
    fixed: Tensor,
    residual: Tensor,
    log_variance: Tensor,
    z: Tensor,
) -> Tensor:
    """Weighted squared residual plus lambda ||grad z||² (Eq. 4 for the loss "snr").

    Args:
        residual: (B - A o phi)², with gradient.
        log_variance: log sigma_I²; z: displacement in voxels.
    """
    with torch.no_grad():
        weight = data_weight(config, fixed, residual, log_variance)
        regular = adareg_weight(residual) if config.loss == "adareg" else None
    data = residual.mean() if weight is None else (weight * residual).mean()
    return data + config.smoothness * smoothness(z, config.norm, regular)


def joint_loss(
    config: HeteroscedasticTraining,
    net: nn.Module,
    moved: Tensor,
    fixed: Tensor,
    z: Tensor,
    beta: float,
) -> Tensor:
    """The (beta-)NLL plus lambda ||grad z||², as a loss of the displacement.

    Its gradient reaches the moved image by the residual, and by the variance that is predicted
    from it (Kendall and Gal; Seitzer et al.).
    """
    log_variance = predict_log_variance(net, moved, fixed, joint=True)
    data = beta_nll((fixed - moved).square(), log_variance, beta)
    return data + config.smoothness * smoothness(z, config.norm)


def data_weight(
    config: HeteroscedasticTraining, fixed: Tensor, residual: Tensor, log_variance: Tensor
) -> Tensor | None:
    """The weight of each voxel's squared residual; None where all weigh 1.

    nll: 1 / sigma² (Kendall and Gal); beta-nll: sigma^(2 beta) / sigma² (Seitzer et al.);
    adaframe: `adaframe_weight`; snr: `snr_weight`; mse and adareg: 1.
    """
    if config.loss == "nll":
        return torch.exp(-log_variance)
    if config.loss == "beta-nll":
        return torch.exp((config.beta - 1) * log_variance)
    if config.loss == "adaframe":
        return adaframe_weight(residual)
    if config.loss == "snr":
        return snr_weight(fixed, log_variance, config.gamma, config.snr)
    return None


def snr_weight(
    fixed: Tensor, log_variance: Tensor, gamma: float = 0.5, snr: str = "paper"
) -> Tensor:
    """sigmoid of the relative signal-to-noise ratio, 0.5 ... 0.73 (Eq. 4).

    The ratio (fixed / sigma)^(2 gamma) is brought to [0, 1] in each image, as in the authors' code:
    without that the sigmoid saturates. Negative intensities (noise) count as 0.
    """
    power = 2 * gamma if snr == "paper" else gamma
    ratio = fixed.clamp(min=0) ** power * torch.exp(-gamma * log_variance)
    low, high = ratio.amin((1, 2, 3, 4), True), ratio.amax((1, 2, 3, 4), True)
    return torch.sigmoid((ratio - low) / (high - low).clamp(min=1e-6))


def adaframe_weight(residual: Tensor, a: float = 0.1, b: float = 10.0) -> Tensor:
    """AdaFrame (Wong et al., RA-L 2021): 1 - sigmoid(a' rho - b') of the absolute residual's
    z-score rho in its image, a' = a / mean, b' = b (1 - cos(pi mean)).

    a and b are those of the authors of AdaCS (AdaCS, section 5.3.1).
    """
    error = residual.sqrt()
    mean = error.mean((1, 2, 3, 4), keepdim=True)
    score = (error - mean) / error.std((1, 2, 3, 4), keepdim=True).clamp(min=1e-6)
    shift = b * (1 - torch.cos(torch.pi * mean))
    return 1 - torch.sigmoid(a / mean.clamp(min=1e-6) * score - shift)


def adareg_weight(residual: Tensor, c: float = 50.0) -> Tensor:
    """AdaReg (Wong and Soatto, CVPR 2019): exp(-c * absolute residual * its mean in the image).

    It weighs the smoothness: what does not fit yet may move freely. c is that of the authors of
    AdaCS (AdaCS, section 5.3.1).
    """
    error = residual.sqrt()
    return torch.exp(-c * error * error.mean((1, 2, 3, 4), keepdim=True))


def beta_nll(residual: Tensor, log_variance: Tensor, beta: float = 0.5) -> Tensor:
    """sigma^(2 beta) (residual / sigma² + log sigma²), the first factor without gradient (Eq. 5).

    beta = 0 is the Gaussian negative log-likelihood, times 2 and up to a constant.
    """
    nll = residual * torch.exp(-log_variance) + log_variance
    return (torch.exp(beta * log_variance.detach()) * nll).mean()


def _local_mean(x: Tensor, window: int) -> Tensor:
    """Mean over a box of voxels; at the border over what is inside. Axes of one voxel stay."""
    size = [min(window, n + (n + 1) % 2) for n in x.shape[2:]]
    return F.avg_pool3d(x, size, 1, [n // 2 for n in size], count_include_pad=False)
