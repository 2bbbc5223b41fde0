"""Displacement networks that are trained here, and the heads that learned uncertainty adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .norm import instance_norm
from .transmorph import TransMorph
from .unet import UNet, conv
from .warp import integrate, resize_field, warp

BACKBONES = ("voxelmorph", "transmorph")
LOG_START = -5.0  # log u before training: most labels are right, and to learn that much first would
# drive the features, and with them the displacement, far away
LOG_SCALE = 7.0  # log u stays within plus and minus this: an error of nothing cannot reach log 0
# Sizes of the small TransMorph: the widths and windows that 32 to 64 voxels a side deserve.
SMALL_TRANSMORPH = {
    "channels": 16,
    "depths": (2, 2, 2, 2),
    "heads": (2, 2, 4, 4),
    "window": (4, 4, 4),
    "head_channels": 16,
}


class Prediction(NamedTuple):
    """What a network makes of a pair, tensors (B, C, Z, Y, X).

    Attributes:
        displacement: from fixed to moving points, voxels; image: the warped moving image.
        memberships: the warped labels Ŝ, refined where the network has R; None without labels.
        log_scale: log u of each class (of the image, trained without labels), or None.
    """

    displacement: Tensor
    image: Tensor
    memberships: Tensor | None
    log_scale: Tensor | None


class DisplacementNet(nn.Module):
    """Moving and fixed image to the displacement from fixed to moving points, in voxels.

    VoxelMorph (Balakrishnan et al., TMI 2019) or TransMorph (Chen et al., MedIA 2022), in any size.

    Args:
        backbone: one of BACKBONES.
        encoder, decoder: widths of VoxelMorph's U-Net.
        transmorph: sizes of TransMorph, see `networks.transmorph.TransMorph`.
        int_steps: squarings that integrate a velocity; 0 takes it as the displacement.
        downsize: the velocity is integrated at 1 / this resolution, as VoxelMorph's at half.
        dropout: probability after the encoder's last convolution; acts in training mode
            (MC-dropout of Gong et al.: 0.1, also when used).
        ndim: 3, or 2 for images (B, 1, 1, Y, X) of one slice.
        classes: channels of the uncertainty head (Gong et al.), 0 for none.
        refine: with a block R that refines the warped labels (Gong et al.).
        blocks: 2 lets the U-Net see every block of 2 x 2 x 2 voxels as one of eight times the
            channels: an eighth of the work, the displacement interpolated, u and R still of every
            voxel. Image sizes must then be multiples of ``multiple``. VoxelMorph in 3-D only.

    Raises:
        ValueError: unknown backbone, or settings it cannot have.
    """

    def __init__(
        self,
        backbone: str = "voxelmorph",
        encoder: Sequence[int] = (16, 16, 32),
        decoder: Sequence[int] = (32, 32, 16, 16),
        transmorph: dict | None = None,
        int_steps: int = 0,
        downsize: int = 1,
        dropout: float = 0.0,
        ndim: int = 3,
        classes: int = 0,
        refine: bool = False,
        blocks: int = 1,
    ) -> None:
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f"Backbone {backbone!r} is not one of {', '.join(BACKBONES)}.")
        if blocks != 1 and (backbone, ndim, int_steps) != ("voxelmorph", 3, 0):
            raise ValueError("Blocks are for VoxelMorph in three dimensions without integration.")
        if downsize < 1 or (downsize > 1 and not int_steps):
            raise ValueError(
                f"A downsize of {downsize} needs integration steps: the displacement itself keeps "
                "the resolution of the images."
            )
        self.settings = {
            "backbone": backbone,
            "encoder": list(encoder),
            "decoder": list(decoder),
            "transmorph": transmorph,
            "int_steps": int_steps,
            "downsize": downsize,
            "dropout": dropout,
            "ndim": ndim,
            "classes": classes,
            "refine": refine,
            "blocks": blocks,
        }
        self.int_steps, self.downsize, self.ndim, self.blocks = int_steps, downsize, ndim, blocks
        if backbone == "voxelmorph":
            self.trunk = UNet(2 * blocks**3, 0, encoder, decoder, dropout, ndim)
            self.trunk.apply(_he)
            self.multiple = tuple(n * blocks for n in self.trunk.multiple)
            channels = decoder[-1]
        else:
            sizes = {**SMALL_TRANSMORPH, **(transmorph or {})}
            if ndim == 2:
                sizes["window"] = (1, *sizes["window"][1:])
            self.trunk = _TransMorphTrunk(dropout, **sizes, ndim=ndim)
            channels = sizes.get("head_channels", 16)
            self.multiple = (TransMorph.multiple if ndim == 3 else 1, *[TransMorph.multiple] * 2)
        self.flow = conv(channels, ndim, ndim)
        nn.init.normal_(self.flow.weight, std=1e-5)  # training begins at the identity
        nn.init.zeros_(self.flow.bias)
        self.uncertainty = nn.Conv3d(channels, classes * blocks**3, 1) if classes else None
        if classes:
            nn.init.normal_(self.uncertainty.weight, std=1e-2)
            nn.init.constant_(self.uncertainty.bias, LOG_START)
        self.refine = Refinement(channels, classes, ndim, blocks) if refine else None

    def features(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """(B, 1, Z, Y, X) each to (B, channels, Z, Y, X), of any size: the border is repeated.

        With blocks the features have the size of the blocks.
        """
        sizes = moving.shape[2:]
        pads = [-n % m for n, m in zip(sizes, self.multiple)]
        # Mean 0 and variance 1, and weights that keep a signal's size: without the two the images
        # drown in the biases, and training stays at the identity for thousands of steps.
        x = instance_norm(torch.cat((moving, fixed), 1))
        if self.blocks != 1:
            if any(pads):
                raise ValueError(
                    f"Images of {tuple(sizes)} voxels do not divide into blocks; give "
                    f"multiples of {self.multiple}."
                )
            return self.trunk(fold(x, self.blocks))
        if any(pads):
            x = F.pad(x, (0, pads[2], 0, pads[1], 0, pads[0]), mode="replicate")
        return self.trunk(x)[..., : sizes[0], : sizes[1], : sizes[2]]

    def displacement(self, features: Tensor, back: bool = False) -> Tensor:
        """(B, 3, Z, Y, X) in voxels, channel c along array axis c; 0 along z in 2-D.

        ``back`` is the way from moving to fixed points: that of the negative velocity, as in
        VoxelMorph; without integration minus the displacement, which is the inverse of small ones.

        Float32 in mixed precision, too: bfloat16 cannot tell neighbouring voxels apart.
        """
        with torch.autocast(features.device.type, enabled=False):
            velocity = resize_field(self.flow(features.float()), self.blocks)
            if self.ndim == 2:
                velocity = F.pad(velocity, (0, 0, 0, 0, 0, 0, 1, 0))
            velocity = -velocity if back else velocity
            return self._integrated(velocity) if self.int_steps else velocity

    def _integrated(self, velocity: Tensor) -> Tensor:
        """The displacement of a velocity, by VoxelMorph's rule: corner voxels stay such at the
        lower resolution."""
        sizes = velocity.shape[2:]
        small = [max(1, -(-n // self.downsize)) for n in sizes]
        coarse = _resampled(velocity, small) / self.downsize
        return self.downsize * _resampled(integrate(coarse, self.int_steps), sizes)

    def log_scale(self, features: Tensor) -> Tensor:
        """log u, (B, classes, Z, Y, X): the expected error |Ŝ - S| of each class, Eq. 6."""
        return unfold(self.uncertainty(features), self.blocks).clamp(-LOG_SCALE, LOG_SCALE)

    def predict(
        self, moving: Tensor, fixed: Tensor, memberships: Tensor | None = None
    ) -> Prediction:
        """All there is to know of a pair; ``memberships`` of the moving labels are warped along."""
        features = self.features(moving, fixed).float()
        with torch.autocast(features.device.type, enabled=False):  # voxels need all their digits
            displacement = self.displacement(features)
            stack = moving if memberships is None else torch.cat((moving, memberships), 1)
            warped = warp(stack, displacement, "border")
            labels = None if memberships is None else warped[:, 1:]
            if self.refine is not None and labels is not None:
                labels = self.refine(features, labels)
            scale = None if self.uncertainty is None else self.log_scale(features)
        return Prediction(displacement, warped[:, :1], labels, scale)

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """The displacement in voxels, (B, 3, Z, Y, X), of images (B, 1, Z, Y, X) in [0, 1]."""
        return self.displacement(self.features(moving, fixed))


class Refinement(nn.Module):
    """R of Gong et al.: warped memberships, corrected by what the features know.

    Two convolutions add to the logarithm of the memberships; the second begins at zero, so that
    training begins with the warped labels themselves. The paper gives no depth.
    """

    def __init__(self, channels: int, classes: int, ndim: int = 3, blocks: int = 1) -> None:
        super().__init__()
        self.blocks, count = blocks, classes * blocks**3
        self.first = conv(channels + count, channels, ndim)
        self.second = nn.Conv3d(channels, count, 1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, features: Tensor, warped: Tensor) -> Tensor:
        """Memberships (B, classes, Z, Y, X) in [0, 1] that add up to 1."""
        x = torch.cat((features, fold(warped, self.blocks)), 1)
        change = self.second(F.leaky_relu(self.first(x), 0.2))
        return torch.softmax(torch.log(warped.clamp(min=1e-3)) + unfold(change, self.blocks), 1)


def _resampled(field: Tensor, sizes: Sequence[int]) -> Tensor:
    if tuple(field.shape[2:]) == tuple(sizes):
        return field
    return F.interpolate(field, size=tuple(sizes), mode="trilinear", align_corners=True)


def fold(x: Tensor, n: int) -> Tensor:
    """(B, C, Z, Y, X) to (B, C n³, Z/n, Y/n, X/n): the voxels of a block become its channels."""
    b, c, *sizes = x.shape
    z, y, w = (size // n for size in sizes)
    x = x.view(b, c, z, n, y, n, w, n).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return x.reshape(b, c * n**3, z, y, w)


def unfold(x: Tensor, n: int) -> Tensor:
    """The inverse of `fold`."""
    b, c, z, y, w = x.shape
    x = x.view(b, c // n**3, n, n, n, z, y, w).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return x.reshape(b, c // n**3, z * n, y * n, w * n)


def _he(layer: nn.Module) -> None:
    """He et al., "Delving Deep into Rectifiers", ICCV 2015, as VoxelMorph began."""
    if isinstance(layer, nn.Conv3d):
        nn.init.kaiming_normal_(layer.weight, a=0.2)
        nn.init.zeros_(layer.bias)


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
