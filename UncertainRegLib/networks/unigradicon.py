"""The network of uniGradICON and multiGradICON.

Tian et al., "uniGradICON: A Foundation Model for Medical Image Registration", MICCAI 2024;
Demir et al., "multiGradICON", WBIR 2024. Written anew from the structure of the packages
``unigradicon`` and ``icon_registration`` (Apache-2.0); it loads their published state dicts.

Four U-Nets register in turn, at a quarter, a half and twice at the full resolution; each sees the
moving image warped by those before it, and the maps are composed. Only the map that is asked for
is computed: the packages also compute its inverse and the training losses.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checkpoint import load_state
from .warp import add_identity, sample

LAYOUT = torch.channels_last_3d
DOWN = (2, 16, 32, 64, 256, 512)  # feature channels from the input to the coarsest level
UP = (16, 32, 64, 128, 256)  # and of each level on the way up


class TallUNet(nn.Module):
    """Moving and fixed image to a displacement; its layers are named as in the state dict."""

    def __init__(self) -> None:
        super().__init__()
        levels = range(len(UP))
        self.downConvs = nn.ModuleList(
            [nn.Conv3d(DOWN[i], DOWN[i + 1], 3, stride=2, padding=1) for i in levels]
        )
        self.upConvs = nn.ModuleList(
            [
                nn.ConvTranspose3d(
                    DOWN[i + 1] + (UP[i + 1] if i + 1 < len(UP) else 0),
                    UP[i],
                    4,
                    stride=2,
                    padding=1,
                )
                for i in levels
            ]
        )
        self.batchNorms = nn.ModuleList([nn.BatchNorm3d(UP[i]) for i in levels])
        self.lastConv = nn.Conv3d(DOWN[0] + UP[0], 3, 3, padding=1)

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """(B, 3, Z, Y, X) in unit-cube coordinates, channel c along array axis c."""
        # In one layout from here on: tensors of two layouts are added and joined much slower.
        x = torch.cat((moving, fixed), 1).contiguous(memory_format=LAYOUT)
        skips = []
        for conv in self.downConvs:
            skips.append(x)
            out = conv(F.leaky_relu(x))
            x = out + _with_channels(F.avg_pool3d(x, 2, ceil_mode=True), out.shape[1])
        for conv, norm, skip in zip(
            reversed(self.upConvs), reversed(self.batchNorms), reversed(skips), strict=True
        ):
            out = conv(F.leaky_relu(x))
            x = _with_channels(x, out.shape[1]).contiguous(memory_format=LAYOUT)
            x = norm(out.add_(F.interpolate(x, scale_factor=2, mode="trilinear")))
            z, y, w = skip.shape[2:]
            x = torch.cat((x[:, :, :z, :y, :w], skip), 1)
        return self.lastConv(x) / 10


def _with_channels(x: Tensor, channels: int) -> Tensor:
    """Drop the last channels, or put zero channels in front, to reach a number of channels."""
    if x.shape[1] >= channels:
        return x[:, :channels]
    return F.pad(x, (0, 0, 0, 0, 0, 0, channels - x.shape[1], 0))


class UniGradICON(nn.Module):
    """Moving and fixed image to the displacement that maps fixed to moving points."""

    # Where the four U-Nets, coarsest first, stand in the published state dict.
    PREFIXES = (
        "netPhi.netPhi.net.netPhi.net.net.",
        "netPhi.netPhi.net.netPsi.net.",
        "netPhi.netPsi.net.",
        "netPsi.net.",
    )

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList([TallUNet() for _ in self.PREFIXES])

    def load_published(self, state: dict[str, Tensor]) -> None:
        """Load ``Step_2_final.trch`` of uniGradICON or multiGradICON.

        Raises:
            ValueError: when names or shapes are not those of these networks.
        """
        renamed = {}
        for name, value in state.items():
            for step, prefix in enumerate(self.PREFIXES):
                if name.startswith(prefix):
                    renamed[f"steps.{step}.{name[len(prefix) :]}"] = value
                    break
        load_state(self, renamed, "uniGradICON or multiGradICON")

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Displacement in voxels.

        Args:
            moving, fixed: (B, 1, Z, Y, X) in [0, 1]; the published networks are for 175^3.

        Returns:
            (B, 3, Z, Y, X), channel c along array axis c, in voxels.
        """
        pyramid = [(moving, fixed)]
        for _ in range(2):
            pyramid.append(tuple(F.avg_pool3d(i, 2, ceil_mode=True) for i in pyramid[-1]))
        sizes = fixed.shape[2:]

        # fields[k] is the offset of step k on its own grid, as grid_sample wants it. The map so
        # far is fields[0] o ... o fields[k], so points pass through the newest field first.
        fields: list[Tensor] = []
        for step, level in zip(self.steps, (2, 1, 0, 0), strict=True):
            source, target = pyramid[level]
            if fields:
                points = _compose(fields, target.shape)
                source = sample(source, points, "border")
            fields.append(2.0 * step(source, target).flip(1))
        offsets = _compose(fields, fixed.shape) - add_identity(fixed.new_zeros(1, *sizes, 3))
        half = offsets.new_tensor([(size - 1) / 2 for size in sizes])
        return offsets.flip(-1).mul_(half).permute(0, 4, 1, 2, 3)


def _compose(fields: list[Tensor], shape: torch.Size) -> Tensor:
    """Points of the grid of ``shape`` moved by the newest field, then by the older ones."""
    newest = fields[-1]
    if newest.shape[2:] == shape[2:]:
        offsets = newest.permute(0, 2, 3, 4, 1).contiguous().clone()
        points, older = add_identity(offsets), fields[:-1]
    else:
        zeros = newest.new_zeros(newest.shape[0], *shape[2:], 3)
        points, older = add_identity(zeros), fields
    for field in reversed(older):
        points = points + sample(field, points, "border").permute(0, 2, 3, 4, 1)
    return points
