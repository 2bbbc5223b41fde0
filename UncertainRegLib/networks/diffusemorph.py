"""DiffuseMorph: the score of a diffusion model steers a displacement network.

Kim, Han and Ye, "DiffuseMorph: Unsupervised Deformable Image Registration Using Diffusion Model",
ECCV 2022. Written anew: a U-Net predicts the noise in a noisy fixed image from both images; a
displacement network takes the moving image and that prediction. The U-Net is a small one, or that
which was published (`diffusion_unet`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .diffusion_unet import DiffusionUNet
from .displacement import DisplacementNet, Prediction
from .unet import UNet
from .warp import warp

FIRST_VARIANCE, LAST_VARIANCE = 1e-6, 1e-2  # of the noise added in a diffusion step
WEIGHT = 0.05  # of the diffusion loss beside a registration loss


class DiffuseMorph(nn.Module):
    """Moving and fixed image to the displacement that maps fixed to moving points.

    Args:
        encoder, decoder: widths of both networks, see `UNet`.
        diffusion_channels: 0 predicts the noise by a small U-Net; else by `DiffusionUNet` of so
            many channels (published: 8), and images in [-1, 1].
        times: diffusion steps; the variance added in a step grows linearly.
        int_steps, downsize: of the displacement network, see `DisplacementNet`.
        ndim: 3, or 2 for images of one slice.
    """

    def __init__(
        self,
        encoder: Sequence[int] = (16, 32, 32),
        decoder: Sequence[int] = (32, 32, 32, 16),
        times: int = 2000,
        int_steps: int = 0,
        downsize: int = 1,
        ndim: int = 3,
        diffusion_channels: int = 0,
    ) -> None:
        super().__init__()
        self.settings = {
            "backbone": "diffusemorph",
            "encoder": list(encoder),
            "decoder": list(decoder),
            "times": times,
            "int_steps": int_steps,
            "downsize": downsize,
            "ndim": ndim,
            "diffusion_channels": diffusion_channels,
        }
        self.embeds_time = bool(diffusion_channels)
        # moving, fixed, noisy image; the small one sees how noisy it is as a fourth
        self.diffusion = (
            DiffusionUNet(3, diffusion_channels, ndim=ndim)
            if diffusion_channels
            else UNet(4, 1, encoder, decoder, ndim=ndim)
        )
        self.displacement = DisplacementNet(
            "voxelmorph", encoder, decoder, int_steps=int_steps, downsize=downsize, ndim=ndim
        )
        variance = torch.linspace(FIRST_VARIANCE, LAST_VARIANCE, times, dtype=torch.float64)
        kept = torch.cumprod(1 - variance, 0).float()  # share of the image's variance by time
        self.register_buffer("kept", kept, persistent=False)

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Displacement in voxels (B, 3, Z, Y, X), channel c along array axis c.

        The fixed image itself stands for the noisy one, at the first time: no diffusion is run.
        """
        first = torch.zeros(len(fixed), dtype=torch.long, device=fixed.device)
        return self.displacement(moving, self._score(moving, fixed, self._scaled(fixed), first))

    def predict(
        self, moving: Tensor, fixed: Tensor, memberships: Tensor | None = None
    ) -> Prediction:
        """As of `DisplacementNet`."""
        displacement = self(moving, fixed)
        stack = moving if memberships is None else torch.cat((moving, memberships), 1)
        warped = warp(stack, displacement, "border")
        labels = None if memberships is None else warped[:, 1:]
        return Prediction(displacement, warped[:, :1], labels, None)

    def diffuse(self, moving: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
        """A pass of training: the displacement, and the diffusion loss.

        The fixed image gets noise of a random time; the loss is the mean squared difference of
        that noise (standard normal) and the predicted one.
        """
        time = torch.randint(len(self.kept), (len(fixed),), device=fixed.device)
        level = self.kept[time].view(-1, 1, 1, 1, 1)
        noise = torch.randn_like(fixed)
        noisy = level.sqrt() * self._scaled(fixed) + (1 - level).sqrt() * noise
        score = self._score(moving, fixed, noisy, time)
        return self.displacement(moving, score), (score - noise).square().mean()

    def _scaled(self, image: Tensor) -> Tensor:
        """An image in [0, 1] as the diffusion network sees it."""
        return 2 * image - 1 if self.embeds_time else image

    def _score(self, moving: Tensor, fixed: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        images = (self._scaled(moving), self._scaled(fixed), noisy)
        if self.embeds_time:
            return self.diffusion(torch.cat(images, 1), time)
        level = (1 - self.kept[time]).sqrt().view(-1, 1, 1, 1, 1).expand_as(fixed)
        return self.diffusion(torch.cat((*images, level), 1))


def displacement_net(backbone: str = "voxelmorph", **settings) -> DisplacementNet | DiffuseMorph:
    """An untrained displacement network: "voxelmorph", "transmorph" or "diffusemorph".

    Args:
        settings: of `DisplacementNet` or `DiffuseMorph`, or those which a network remembers.

    Raises:
        ValueError: another backbone, or settings that it does not have.
    """
    try:
        if backbone == "diffusemorph":
            return DiffuseMorph(**settings)
        return DisplacementNet(backbone, **settings)
    except TypeError as error:
        raise ValueError(f"Displacement network {backbone!r}: {error}.") from None


def displace(
    net: nn.Module, moving: Tensor, fixed: Tensor, both_ways: bool = False
) -> tuple[Tensor, Tensor | float]:
    """A pass of training: the displacement, and what the network itself adds to the loss.

    Args:
        both_ways: of a `DisplacementNet`; after the displacements of the batch those of the way
            back, from moving to fixed.
    """
    if isinstance(net, DiffuseMorph):
        displacement, loss = net.diffuse(moving, fixed)
        return displacement, WEIGHT * loss
    if not both_ways:
        return net(moving, fixed), 0.0
    features = net.features(moving, fixed)
    ways = [net.displacement(features, back) for back in (False, True)]
    return torch.cat(ways), 0.0
