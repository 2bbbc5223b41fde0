"""A small U-Net: the trunk of displacement networks, and the whole of networks that make maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky ReLU


class UNet(nn.Module):
    """VoxelMorph's U-Net: one convolution a level, pooling, skip connections.

    A 2-D image is a volume of one slice, (B, C, 1, Y, X).

    Args:
        inputs: channels of the images.
        outputs: maps, one channel each, from a convolution without activation; 0 returns the
            features themselves, ``decoder[-1]`` channels.
        encoder: channels, from the finest to the coarsest level.
        decoder: channels on the way back, and of further convolutions at the full resolution.
        dropout: probability after the encoder's last convolution; acts in training mode.
        ndim: 3, or 2.
        start: value of all maps before any training.

    Raises:
        ValueError: the decoder has not more entries than the encoder.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        encoder: Sequence[int] = (16, 16, 32),
        decoder: Sequence[int] = (32, 32, 16, 16),
        dropout: float = 0.0,
        ndim: int = 3,
        start: float = 0.0,
    ) -> None:
        super().__init__()
        if len(decoder) <= len(encoder):
            raise ValueError("The decoder of a U-Net needs more entries than its encoder.")
        self.settings = {
            "inputs": inputs,
            "outputs": outputs,
            "encoder": list(encoder),
            "decoder": list(decoder),
            "dropout": dropout,
            "ndim": ndim,
        }
        self.halved = (2, 2, 2) if ndim == 3 else (1, 2, 2)
        self.multiple = tuple(n ** len(encoder) for n in self.halved)  # of sizes without rest
        self.dropout = nn.Dropout(dropout)
        before = (inputs, *encoder[:-1])
        self.down = nn.ModuleList([conv(i, o, ndim) for i, o in zip(before, encoder)])
        joined = (0, *encoder[::-1], *[0] * len(decoder))  # channels of the skip before each
        before = (encoder[-1], *decoder[:-1])
        self.up = nn.ModuleList(
            [conv(i + skip, o, ndim) for i, skip, o in zip(before, joined, decoder)]
        )
        self.out = None
        if outputs:
            for layer in (*self.down, *self.up):  # keeps a signal's size from layer to layer
                nn.init.kaiming_normal_(layer.weight, a=SLOPE)
                nn.init.zeros_(layer.bias)
            self.out = conv(decoder[-1], outputs, ndim)
            nn.init.normal_(self.out.weight, std=1e-3)
            nn.init.constant_(self.out.bias, start)

    def forward(self, images: Tensor) -> Tensor:
        """(B, inputs, Z, Y, X) to (B, outputs, Z, Y, X), of any size."""
        x, skips = images, []
        for layer in self.down:
            x = F.leaky_relu(layer(x), SLOPE)
            skips.append(x)
            x = F.max_pool3d(x, self.halved)
        x = self.dropout(x)
        for layer in self.up:
            x = F.leaky_relu(layer(x), SLOPE)
            if skips:
                skip = skips.pop()
                x = torch.cat((F.interpolate(x, size=skip.shape[2:]), skip), 1)
        return x if self.out is None else self.out(x)


def conv(inputs: int, outputs: int, ndim: int = 3, bias: bool = True, stride: int = 1) -> nn.Conv3d:
    """A convolution over 3 voxels along each axis that the images have."""
    size, padding = ((3,) * 3, (1,) * 3) if ndim == 3 else ((1, 3, 3), (0, 1, 1))
    steps = (stride if ndim == 3 else 1, stride, stride)
    return nn.Conv3d(inputs, outputs, size, steps, padding, bias=bias)
