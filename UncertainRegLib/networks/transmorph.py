"""TransMorph and TransMorph-Bayes: a Swin transformer encoder with a convolutional decoder.

Chen et al., "TransMorph: Transformer for Unsupervised Medical Image Registration", MedIA 2022.
Written anew from the structure of the authors' code (MIT licence); it loads their state dicts.
The Bayes variant keeps dropout on at inference, so that passes are draws from an approximate
posterior; at rate 0 it is deterministic.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checkpoint import load_state
from .norm import instance_norm
from .unet import conv

# In the published state dicts, but not parameters of the displacement: index tables, sampling
# grids and the heads inside the Bayes network that its displacement does not use.
UNUSED = ("relative_position_index", "spatial_trans.grid", "net.reg_head.", "net.sigma_head.")


class Attention(nn.Module):
    """Multi-head attention inside windows, with a learnt bias for each relative position."""

    def __init__(self, channels: int, window: Sequence[int], heads: int) -> None:
        super().__init__()
        self.heads = heads
        extents = [2 * size - 1 for size in window]
        count = extents[0] * extents[1] * extents[2]
        self.relative_position_bias_table = nn.Parameter(torch.zeros(count, heads))
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.proj = nn.Linear(channels, channels)
        axes = torch.meshgrid(*[torch.arange(size) for size in window], indexing="ij")
        corners = torch.stack(axes).flatten(1)
        relative = corners[:, :, None] - corners[:, None, :]
        relative = relative + torch.tensor([size - 1 for size in window]).view(3, 1, 1)
        index = (relative[0] * extents[1] + relative[1]) * extents[2] + relative[2]
        self.register_buffer("index", index, persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None, rate: float) -> Tensor:
        """Tokens (windows, N, C) to the same shape; ``mask`` (windows, N, N) is added."""
        windows, tokens, channels = x.shape
        qkv = self.qkv(x).view(windows, tokens, 3, self.heads, channels // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.index].permute(2, 0, 1)[None]
        if mask is not None:
            bias = bias + mask[:, None]
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=rate)
        x = self.proj(x.transpose(1, 2).reshape(windows, tokens, channels))
        return F.dropout(x, rate)


class Block(nn.Module):
    """Attention in (shifted) windows, then a two-layer perceptron, both residual."""

    def __init__(self, channels: int, window: Sequence[int], heads: int, shifted: bool) -> None:
        super().__init__()
        self.window = tuple(window)
        self.shift = tuple(size // 2 for size in window) if shifted else (0, 0, 0)
        self.norm1 = nn.LayerNorm(channels)
        self.attn = Attention(channels, window, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(channels, 4 * channels), "fc2": nn.Linear(4 * channels, channels)}
        )

    def forward(self, x: Tensor, rate: float) -> Tensor:
        """Features (B, Z, Y, X, C) to the same shape."""
        sizes = x.shape[1:4]
        y = self.norm1(x)
        pads = [-size % window for size, window in zip(sizes, self.window)]
        y = F.pad(y, (0, 0, 0, pads[2], 0, pads[1], 0, pads[0]))
        mask = None
        if any(self.shift):
            y = torch.roll(y, [-s for s in self.shift], (1, 2, 3))
            mask = self._mask(y).repeat(len(x), 1, 1)
        tokens = self.attn(_partition(y, self.window), mask, rate)
        y = _merge(tokens, self.window, y.shape)
        if any(self.shift):
            y = torch.roll(y, self.shift, (1, 2, 3))
        x = x + y[:, : sizes[0], : sizes[1], : sizes[2]]
        y = F.gelu(self.mlp["fc1"](self.norm2(x)))
        y = self.mlp["fc2"](F.dropout(y, rate))
        return x + F.dropout(y, rate)

    def _mask(self, x: Tensor) -> Tensor:
        """Large negative number between tokens that only the cyclic shift made neighbours."""
        region = x.new_zeros(1, *x.shape[1:4], 1)
        for axis, (window, shift) in enumerate(zip(self.window, self.shift)):
            labels = torch.zeros(x.shape[axis + 1], dtype=x.dtype, device=x.device)
            labels[-window:-shift] = 1
            labels[-shift:] = 2
            region = 3 * region + labels.view([-1 if a == axis + 1 else 1 for a in range(5)])
        tokens = _partition(region, self.window)[..., 0]
        return torch.where(tokens[:, None] == tokens[:, :, None], 0.0, -100.0)


def _partition(x: Tensor, window: Sequence[int]) -> Tensor:
    """(B, Z, Y, X, C) to the tokens of each window, (B * windows, N, C)."""
    counts = [size // w for size, w in zip(x.shape[1:4], window)]
    x = x.view(len(x), counts[0], window[0], counts[1], window[1], counts[2], window[2], -1)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(
        -1, window[0] * window[1] * window[2], x.shape[-1]
    )


def _merge(tokens: Tensor, window: Sequence[int], shape: Sequence[int]) -> Tensor:
    """The inverse of ``_partition``."""
    counts = [size // w for size, w in zip(shape[1:4], window)]
    x = tokens.view(shape[0], *counts, *window, shape[4])
    return x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(tuple(shape))


CORNERS = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1), (1, 1, 1))


class PatchMerging(nn.Module):
    """Eight neighbours (in a slice four) become one token of twice the channels."""

    def __init__(self, channels: int, ndim: int = 3) -> None:
        super().__init__()
        self.corners = [corner for corner in CORNERS if ndim == 3 or not corner[0]]
        self.step = 2 if ndim == 3 else 1
        count = len(self.corners)
        self.reduction = nn.Linear(count * channels, 2 * channels, bias=False)
        self.norm = nn.LayerNorm(count * channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, Z, Y, X, C), even sizes, to (B, Z/2, Y/2, X/2, 2C); in 2-D Z is 1 and stays."""
        x = torch.cat([x[:, k :: self.step, j::2, i::2] for k, j, i in self.corners], -1)
        return self.reduction(self.norm(x))


class Stage(nn.Module):
    """Blocks of one resolution, alternately in plain and in shifted windows."""

    def __init__(
        self,
        channels: int,
        depth: int,
        heads: int,
        window: Sequence[int],
        last: bool,
        ndim: int = 3,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            [Block(channels, window, heads, shifted=index % 2 == 1) for index in range(depth)]
        )
        self.downsample = None if last else PatchMerging(channels, ndim)

    def forward(self, x: Tensor, rate: float) -> Tensor:
        """Features (B, Z, Y, X, C) before the downsampling."""
        for block in self.blocks:
            x = block(x, rate)
        return x


class Swin(nn.Module):
    """The transformer encoder: features at 1/4, 1/8, 1/16 and 1/32 of the resolution."""

    def __init__(
        self,
        channels: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: Sequence[int],
        ndim: int = 3,
    ) -> None:
        super().__init__()
        patch = (4, 4, 4) if ndim == 3 else (1, 4, 4)
        self.patch_embed = nn.ModuleDict(
            {"proj": nn.Conv3d(2, channels, patch, stride=patch), "norm": nn.LayerNorm(channels)}
        )
        widths = [channels * 2**stage for stage in range(len(depths))]
        self.layers = nn.ModuleList(
            [
                Stage(width, depth, head, window, last=width == widths[-1], ndim=ndim)
                for width, depth, head in zip(widths, depths, heads)
            ]
        )
        for stage, width in enumerate(widths):
            self.add_module(f"norm{stage}", nn.LayerNorm(width))

    def forward(self, images: Tensor, rate: float) -> list[Tensor]:
        """(B, 2, Z, Y, X) to features (B, C, z, y, x), finest first."""
        x = self.patch_embed["proj"](images).permute(0, 2, 3, 4, 1).contiguous()
        x = self.patch_embed["norm"](x)
        features = []
        for stage, layer in enumerate(self.layers):
            x = layer(x, rate)
            # Permuted, not copied: this is what channels_last_3d means.
            features.append(getattr(self, f"norm{stage}")(x).permute(0, 4, 1, 2, 3))
            if layer.downsample is not None:
                x = layer.downsample(x)
        return features


class ConvBlock(nn.Sequential):
    """Convolution, instance norm, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, ndim: int = 3) -> None:
        super().__init__(conv(inputs, outputs, ndim, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, Z, Y, X) to (B, outputs, Z, Y, X)."""
        return F.leaky_relu_(instance_norm(self[0](x)))


class UpBlock(nn.Module):
    """Upsample by two, join the skip connection, convolve twice."""

    def __init__(self, inputs: int, skip: int, outputs: int, ndim: int = 3) -> None:
        super().__init__()
        self.factor = (2, 2, 2) if ndim == 3 else (1, 2, 2)
        self.conv1 = ConvBlock(inputs + skip, outputs, ndim)
        self.conv2 = ConvBlock(outputs, outputs, ndim)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, inputs, Z, Y, X) and the skip of twice the size to (B, outputs, 2Z, 2Y, 2X)."""
        x = F.interpolate(x, scale_factor=self.factor, mode="trilinear")
        return self.conv2(self.conv1(torch.cat((x, skip), 1)))


class TransMorph(nn.Module):
    """Moving and fixed image to the displacement that maps fixed to moving points.

    Args:
        channels, depths, heads, window: of the published network; small ones for tests.
        head_channels: of the last convolutions.
        ndim: 3, or 2 for images of one slice, whose windows have one voxel along z.
    """

    def __init__(
        self,
        channels: int = 96,
        depths: Sequence[int] = (2, 2, 4, 2),
        heads: Sequence[int] = (4, 4, 8, 8),
        window: Sequence[int] = (5, 6, 7),
        head_channels: int = 16,
        ndim: int = 3,
    ) -> None:
        super().__init__()
        c = channels
        self.halved = (2, 2, 2) if ndim == 3 else (1, 2, 2)
        self.transformer = Swin(c, depths, heads, window, ndim)
        self.up0 = UpBlock(8 * c, 4 * c, 4 * c, ndim)
        self.up1 = UpBlock(4 * c, 2 * c, 2 * c, ndim)
        self.up2 = UpBlock(2 * c, c, c, ndim)
        self.up3 = UpBlock(c, c // 2, c // 2, ndim)
        self.up4 = UpBlock(c // 2, head_channels, head_channels, ndim)
        self.c1 = ConvBlock(2, c // 2, ndim)
        self.c2 = ConvBlock(2, head_channels, ndim)
        self.reg_head = nn.Sequential(nn.Conv3d(head_channels, 3, 3, padding=1))

    multiple = 32  # image sizes must be multiples of this

    def load_published(self, state: dict[str, Tensor]) -> None:
        """Load the published weights of TransMorph or of TransMorph-Bayes.

        Raises:
            ValueError: when names or shapes are not those of these networks.
        """
        wanted = {
            name.removeprefix("net."): value
            for name, value in state.items()
            if not any(part in name for part in UNUSED) or (name.startswith("reg_head."))
        }
        load_state(self, wanted, "TransMorph")

    def forward(self, moving: Tensor, fixed: Tensor, rate: float = 0.0) -> Tensor:
        """Displacement in voxels.

        Args:
            moving, fixed: (B, 1, Z, Y, X) in [0, 1]; sizes are multiples of 32 (160 x 192 x 224
                for the published weights).
            rate: dropout; 0.15 in TransMorph-Bayes, 0 makes the pass deterministic.

        Returns:
            (B, 3, Z, Y, X), channel c along array axis c.
        """
        images = torch.cat((moving, fixed), 1)
        features = self.transformer(images, rate)
        return self.reg_head(self.decode(images, features, rate))

    def decode(self, images: Tensor, features: list[Tensor], rate: float = 0.0) -> Tensor:
        """The two images (B, 2, Z, Y, X) and the encoder's features to the last features."""
        window = [2 * n - 1 for n in self.halved]  # 3 voxels, across a slice 1
        pooled = F.avg_pool3d(images, window, self.halved, [n - 1 for n in self.halved])
        half = F.dropout3d(self.c1(pooled), rate)
        full = F.dropout3d(self.c2(images), rate)
        x = self.up0(features[3], features[2])
        x = self.up1(x, features[1])
        x = self.up2(x, features[0])
        x = self.up3(x, half)
        return self.up4(x, full)
