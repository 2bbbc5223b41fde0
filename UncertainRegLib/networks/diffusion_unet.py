"""The network that predicts the noise in DiffuseMorph, as its authors published it.

Kim, Han and Ye, "DiffuseMorph", ECCV 2022: the U-Net of Saharia et al., "Image Super-Resolution via
Iterative Refinement", TPAMI 2022, small: one residual block a level, attention at the coarsest,
told the diffusion time. Written anew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .unet import conv

GROUPS = 4  # of the group norm, and heads of the attention


class DiffusionUNet(nn.Module):
    """Images and a diffusion time to the noise in them.

    Args:
        inputs: channels of the images.
        channels: of the finest level, and of the embedding of the time.
        multiples: of ``channels`` by level, from the finest.
        ndim: 3, or 2 for images of one slice.
    """

    def __init__(
        self,
        inputs: int = 3,
        channels: int = 8,
        multiples: Sequence[int] = (1, 2, 4, 4),
        ndim: int = 3,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.factor = (2, 2, 2) if ndim == 3 else (1, 2, 2)
        self.multiple = tuple(n ** (len(multiples) - 1) for n in self.factor)
        self.embed = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.SiLU(), nn.Linear(4 * channels, channels)
        )
        self.first = conv(inputs, channels, ndim)
        widths = [channels * n for n in multiples]
        kept, now = [channels], channels  # widths of what the way up is given
        self.down = nn.ModuleList()
        for level, width in enumerate(widths):
            self.down.append(_Residual(now, width, channels, ndim))
            kept.append(width)
            if level + 1 < len(widths):
                self.down.append(conv(width, width, ndim, stride=2))
                kept.append(width)
            now = width
        self.middle = nn.ModuleList(
            [
                _Residual(now, now, channels, ndim),
                _Attention(now),
                _Residual(now, now, channels, ndim),
            ]
        )
        self.up = nn.ModuleList()
        for level in reversed(range(len(widths))):
            for _ in range(2):
                self.up.append(_Residual(now + kept.pop(), widths[level], channels, ndim))
                now = widths[level]
            if level:
                self.up.append(conv(now, now, ndim))
        self.last = nn.Sequential(nn.GroupNorm(GROUPS, now), nn.SiLU(), conv(now, 1, ndim))

    def forward(self, images: Tensor, time: Tensor) -> Tensor:
        """The noise (B, 1, Z, Y, X) of images (B, inputs, Z, Y, X), of any size, at times (B)."""
        sizes = images.shape[2:]
        pads = [-n % m for n, m in zip(sizes, self.multiple)]
        x = F.pad(images, (0, pads[2], 0, pads[1], 0, pads[0]), mode="replicate")
        known = self.embed(_waves(time, self.channels))
        x = self.first(x)
        kept = [x]
        for layer in self.down:
            x = layer(x, known) if isinstance(layer, _Residual) else layer(x)
            kept.append(x)
        for layer in self.middle:
            x = layer(x, known) if isinstance(layer, _Residual) else layer(x)
        for layer in self.up:
            if isinstance(layer, _Residual):
                x = layer(torch.cat((x, kept.pop()), 1), known)
            else:
                x = layer(F.interpolate(x, scale_factor=self.factor))
        return self.last(x)[..., : sizes[0], : sizes[1], : sizes[2]]


class _Residual(nn.Module):
    """Two convolutions beside the identity, told the time between them."""

    def __init__(self, inputs: int, outputs: int, times: int, ndim: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.GroupNorm(GROUPS, inputs), nn.SiLU(), conv(inputs, outputs, ndim)
        )
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(times, outputs))
        self.second = nn.Sequential(
            nn.GroupNorm(GROUPS, outputs), nn.SiLU(), conv(outputs, outputs, ndim)
        )
        self.past = nn.Identity() if inputs == outputs else nn.Conv3d(inputs, outputs, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        inner = self.first(x) + self.time(time)[:, :, None, None, None]
        return self.past(x) + self.second(inner)


class _Attention(nn.Module):
    """Linear attention of all voxels, beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Conv3d(channels, 3 * channels, 1, bias=False)
        self.out = nn.Conv3d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).flatten(2).unflatten(1, (3, GROUPS, -1)).unbind(1)
        context = k.softmax(-1) @ v.transpose(-1, -2)  # (B, heads, of k, of v)
        found = context.transpose(-1, -2) @ q
        return x + self.out(found.reshape(x.shape))


def _waves(time: Tensor, channels: int) -> Tensor:
    """Sines and cosines of the times, (B, channels)."""
    rates = torch.exp(
        torch.arange(0, channels, 2, device=time.device) * (-math.log(10_000) / channels)
    )
    phases = time.float()[:, None] * rates
    return torch.cat((phases.sin(), phases.cos()), 1)
