"""Displacement networks that are trained here, and the heads that learned uncertainty adds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .transmorph import TransMorph
from .unet import UNet, conv
from .warp import integrate

BACKBONES = ("voxelmorph", "transmorph")
LOG_SCALE = 7.0  # log u stays within plus and minus this: an error of nothing cannot reach log 0
# Sizes of the small TransMorph: the widths and windows that 32 to 64 voxels a side deserve.
SMALL_TRANSMORPH = {"channels": 16, "depths": (2, 2, 2, 2), "heads": (2, 2, 4, 4),
                    "window": (4, 4, 4), "head_channels": 16}


class DisplacementNet(nn.Module):
    """Moving and fixed image to the displacement from fixed to moving points, in voxels.

    VoxelMorph (Balakrishnan et al., TMI 2019) or TransMorph (Chen et al., MedIA 2022), in any size.

    Args:
        backbone: one of BACKBONES.
        encoder, decoder: widths of VoxelMorph's U-Net.
        transmorph: sizes of TransMorph, see `networks.transmorph.TransMorph`.
        int_steps: squarings that integrate a velocity; 0 takes it as the displacement.
        dropout: probability after the encoder's last convolution; acts in training mode
            (MC-dropout of Gong et al.: 0.1, also when used).
        ndim: 3, or 2 for images (B, 1, 1, Y, X) of one slice; VoxelMorph only.
        classes: channels of the uncertainty head (Gong et al.), 0 for none.
        refine: with a block R that refines the warped labels (Gong et al.).
    """

    def __init__(self, backbone: str = "voxelmorph", encoder: Sequence[int] = (16, 16, 32),
                 decoder: Sequence[int] = (32, 32, 16, 16), transmorph: dict | None = None,
                 int_steps: int = 0, dropout: float = 0.0, ndim: int = 3, classes: int = 0,
                 refine: bool = False) -> None:
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f"Backbone {backbone!r} is not one of {', '.join(BACKBONES)}.")
        if backbone == "transmorph" and ndim != 3:
            raise ValueError("TransMorph is made for three dimensions; choose voxelmorph.")
        self.settings = {"backbone": backbone, "encoder": list(encoder), "decoder": list(decoder),
                         "transmorph": transmorph, "int_steps": int_steps, "dropout": dropout,
                         "ndim": ndim, "classes": classes, "refine": refine}
        self.int_steps, self.ndim = int_steps, ndim
        if backbone == "voxelmorph":
            self.trunk = UNet(2, 0, encoder, decoder, dropout, ndim)
            self.multiple, channels = self.trunk.multiple, decoder[-1]
        else:
            sizes = {**SMALL_TRANSMORPH, **(transmorph or {})}
            self.trunk = _TransMorphTrunk(dropout, **sizes)
            self.multiple, channels = (TransMorph.multiple,) * 3, sizes["head_channels"]
        self.flow = conv(channels, ndim, ndim)
        nn.init.normal_(self.flow.weight, std=1e-5)  # training begins at the identity
        nn.init.zeros_(self.flow.bias)
        self.uncertainty = nn.Conv3d(channels, classes, 1) if classes else None
        self.refine = Refinement(channels, classes, ndim) if refine else None

    def features(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """(B, 1, Z, Y, X) each to (B, channels, Z, Y, X); any size, the border is repeated."""
        sizes = moving.shape[2:]
        pads = [-n % m for n, m in zip(sizes, self.multiple)]
        x = torch.cat((moving, fixed), 1)
        if any(pads):
            x = F.pad(x, (0, pads[2], 0, pads[1], 0, pads[0]), mode="replicate")
        return self.trunk(x)[..., : sizes[0], : sizes[1], : sizes[2]]

    def displacement(self, features: Tensor) -> Tensor:
        """(B, 3, Z, Y, X) in voxels, channel c along array axis c; 0 along z in 2-D."""
        velocity = self.flow(features)
        if self.ndim == 2:
            velocity = F.pad(velocity, (0, 0, 0, 0, 0, 0, 1, 0))
        return integrate(velocity, self.int_steps) if self.int_steps else velocity

    def log_scale(self, features: Tensor) -> Tensor:
        """log u, (B, classes, Z, Y, X): the expected error |Ŝ - S| of each class, Eq. 6."""
        return self.uncertainty(features).clamp(-LOG_SCALE, LOG_SCALE)

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """The displacement in voxels, (B, 3, Z, Y, X), of images (B, 1, Z, Y, X) in [0, 1]."""
        return self.displacement(self.features(moving, fixed))


class Refinement(nn.Module):
    """R of Gong et al.: warped memberships, corrected by what the features know.

    Two convolutions add to the logarithm of the memberships; the second begins at zero, so that
    training begins with the warped labels themselves. The paper gives no depth.
    """

    def __init__(self, channels: int, classes: int, ndim: int = 3) -> None:
        super().__init__()
        self.first = conv(channels + classes, channels, ndim)
        self.second = nn.Conv3d(channels, classes, 1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, features: Tensor, warped: Tensor) -> Tensor:
        """Memberships (B, classes, Z, Y, X) in [0, 1] that add up to 1."""
        x = F.leaky_relu(self.first(torch.cat((features, warped), 1)), 0.2)
        return torch.softmax(torch.log(warped.clamp(min=1e-3)) + self.second(x), 1)


class _TransMorphTrunk(TransMorph):
    """TransMorph up to its last features, with dropout after the encoder."""

    def __init__(self, dropout: float, **sizes) -> None:
        super().__init__(**sizes)
        self.dropout = nn.Dropout(dropout)
        self.reg_head = None

    def forward(self, images: Tensor) -> Tensor:
        """(B, 2, Z, Y, X), moving first, to (B, head_channels, Z, Y, X)."""
        return self.decode(images, self.encode(images))

    def encode(self, images: Tensor) -> list[Tensor]:
        """The transformer's features, the coarsest with dropout."""
        *finer, coarsest = self.transformer(images, 0.0)
        return [*finer, self.dropout(coarsest)]
