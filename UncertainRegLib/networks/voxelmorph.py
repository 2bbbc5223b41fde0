"""VoxelMorph networks: the 0.3 class and the classic dense one, which published weights fit.

Balakrishnan et al., "VoxelMorph: A Learning Framework for Deformable Medical Image Registration",
TMI 2019; the probabilistic variant is Dalca et al., "Unsupervised Learning of Probabilistic
Diffeomorphic Registration for Images and Surfaces", MedIA 2019. SynthMorph (Hoffmann et al., TMI
2022) is the classic network, wider. Written anew from the structure of the ``voxelmorph`` packages.

Every network maps (moving, fixed), (B, 1, Z, Y, X) in [0, 1], to a displacement (B, 3, Z, Y, X) in
voxels, channel c along array axis c.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .joined import convolve_upsampled
from .warp import integrate, resize_field

SLOPE = 0.2  # of every leaky ReLU


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1)


class VxmPairwise(nn.Module):
    """``VxmPairwise`` of voxelmorph 0.3 with a symmetric U-Net.

    Args:
        features: channels from the finest to the coarsest level.
        int_steps: squarings that integrate the velocity; 0 takes it as the displacement.
    """

    RENAMES = (
        (r"model\.downsampling_conv_blocks\.(\d+)\.conv_block\.conv0", r"down.\1"),
        (r"model\.lowest_resolution_conv_block\.conv0", "lowest"),
        (r"model\.upsampling_conv_blocks\.(\d+)\.conv_block\.conv0", r"up.\1"),
        (r"model\.out_layer\.conv0", "out"),
        (r"flow_layer\.conv0", "flow"),
    )

    def __init__(self, features: Sequence[int] = (16,) * 5, int_steps: int = 5) -> None:
        super().__init__()
        self.int_steps = int_steps
        inputs = (2, *features[:-1])
        self.down = nn.ModuleList([_conv(i, o) for i, o in zip(inputs, features)])
        self.lowest = _conv(features[-1], features[-1])
        backwards = tuple(reversed(features))
        outputs = (*backwards[1:], backwards[-1])
        self.up = nn.ModuleList([_conv(2 * f, o) for f, o in zip(backwards, outputs)])
        self.out = nn.Conv3d(features[0], 3, 1)
        self.flow = _conv(3, 3)

    @property
    def multiple(self) -> int:
        """Image sizes must be multiples of this."""
        return 2 ** len(self.down)

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Displacement in voxels; see the module's docstring."""
        x = torch.cat((moving, fixed), 1)
        skips = []
        for conv in self.down:
            x = F.relu_(conv(x))
            skips.append(x)
            x = F.max_pool3d(x, 2)
        x = F.relu_(self.lowest(x))
        for conv, skip in zip(self.up, reversed(skips)):
            x = F.interpolate(x, scale_factor=2, mode="trilinear", align_corners=True)
            x = F.relu_(conv(torch.cat((x, skip), 1)))
        return integrate(self.flow(self.out(x)), self.int_steps)


class VxmDense(nn.Module):
    """``VxmDense`` of voxelmorph 0.1 and 0.2, also of its TensorFlow version.

    Args:
        encoder, decoder: channels; decoder entries beyond the encoder's number are convolutions
            at the final resolution.
        strided: the 0.1 torch network, which halves by strided convolution and not by pooling.
        half_resolution: the last level is not upsampled: the velocity has half the resolution.
        half_convs: so many of the further convolutions come before the last upsampling, as in the
            classic networks of 2018.
        one_sided: strided convolutions see one voxel of zeros after the image and none before,
            TensorFlow's rule.
        probabilistic: the velocity is normal with a mean and a log-variance from the network.
        int_steps: squarings that integrate the velocity; 0 takes it as the displacement.
        int_downsize: integrate at 1 / this resolution.
        padding: velocity outside the grid, "zeros" (torch) or "border" (TensorFlow).
    """

    RENAMES = (
        (r"unet_model\.encoder\.(\d+)\.0\.main", r"encoder.\1"),
        (r"unet_model\.decoder\.(\d+)\.0\.main", r"decoder.\1"),
        (r"unet_model\.remaining\.(\d+)\.main", r"remaining.\1"),
        (r"unet_model\.downarm\.(\d+)\.main", r"encoder.\1"),
        (r"unet_model\.uparm\.(\d+)\.main", r"decoder.\1"),
        (r"unet_model\.extras\.(\d+)\.main", r"remaining.\1"),
    )

    def __init__(
        self,
        encoder: Sequence[int] = (16, 32, 32, 32),
        decoder: Sequence[int] = (32, 32, 32, 32, 32, 16, 16),
        strided: bool = False,
        half_resolution: bool = False,
        half_convs: int = 0,
        one_sided: bool = False,
        probabilistic: bool = False,
        int_steps: int = 7,
        int_downsize: int = 2,
        padding: str = "zeros",
    ) -> None:
        super().__init__()
        self.strided, self.one_sided = strided, one_sided
        self.half_resolution, self.half_convs = half_resolution, half_convs
        self.int_steps, self.int_downsize, self.padding = int_steps, int_downsize, padding
        levels = len(encoder)
        inputs = (2, *encoder[:-1])
        stride = 2 if strided else 1
        self.encoder = nn.ModuleList([_conv(i, o, stride) for i, o in zip(inputs, encoder)])
        skips = (2, *encoder[:-1]) if strided else tuple(encoder)
        previous = encoder[-1]
        self.decoder = nn.ModuleList()
        for level, outputs in enumerate(decoder[:levels]):
            self.decoder.append(_conv(previous, outputs))
            previous = outputs
            if level < levels - 1 or not (half_resolution or half_convs):
                previous += skips[levels - 1 - level]
        self.remaining = nn.ModuleList()
        for number, outputs in enumerate(decoder[levels:]):
            if half_convs and number == half_convs:
                previous += skips[0]
            self.remaining.append(_conv(previous, outputs))
            previous = outputs
        self.flow = _conv(previous, 3)
        self.log_sigma = _conv(previous, 3) if probabilistic else None

    @property
    def multiple(self) -> int:
        """Image sizes must be multiples of this."""
        return 2 ** len(self.encoder)

    def forward(self, moving: Tensor, fixed: Tensor, draw: bool = True) -> Tensor:
        """Displacement in voxels; see the module's docstring.

        Args:
            draw: in the probabilistic variant, draw the velocity; otherwise take its mean.
        """
        x = self._features(torch.cat((moving, fixed), 1))
        velocity = self.flow(x)
        if draw and self.log_sigma is not None:
            velocity = velocity + torch.exp(0.5 * self.log_sigma(x)) * torch.randn_like(velocity)
        if self.int_steps == 0:
            return velocity
        if not self.half_resolution:
            velocity = resize_field(velocity, 1 / self.int_downsize)
        displacement = integrate(velocity, self.int_steps, self.padding)
        return resize_field(displacement, self.int_downsize)

    def _features(self, x: Tensor) -> Tensor:
        skips = [x] if self.strided else []
        for conv in self.encoder:
            if self.one_sided:
                x = F.conv3d(F.pad(x, (0, 1) * 3), conv.weight, conv.bias, stride=2)
            else:
                x = conv(x)
            x = F.leaky_relu_(x, SLOPE)
            skips.append(x)
            x = x if self.strided else F.max_pool3d(x, 2)
        if self.strided:
            skips.pop()
        if self.half_resolution:
            skips.pop(0)
        last = len(self.decoder) - 1
        skip: Tensor | None = None  # what the next convolution sees beside x, which is then coarser
        for number, conv in enumerate((*self.decoder, *self.remaining)):
            x = conv(x) if skip is None else convolve_upsampled(conv, x, skip)
            x = F.leaky_relu_(x, SLOPE)
            stays_coarse = last <= number < last + self.half_convs
            skip = skips.pop() if skips and not stays_coarse else None
        return x if skip is None else torch.cat((F.interpolate(x, scale_factor=2), skip), 1)


def from_state(state: dict[str, Tensor], **settings) -> VxmPairwise | VxmDense:
    """The network that a published state dict fits, with its weights.

    Args:
        state: names of voxelmorph 0.1, 0.2 or 0.3 (torch), or of ``keras.read_state``; sampling
            grids in it are dropped.
        settings: what a state dict does not tell: int_steps, int_downsize, padding, strided,
            one_sided.

    Raises:
        ValueError: when the weights fit none of these networks.
    """
    strided = settings.pop("strided", any(".downarm." in name for name in state))
    pairwise = any("downsampling_conv_blocks" in name for name in state)
    renames = VxmPairwise.RENAMES if pairwise else VxmDense.RENAMES
    renamed = {}
    for name, value in state.items():
        if name.endswith(".grid"):
            continue
        for pattern, replacement in renames:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    if "flow.weight" not in renamed or not (pairwise or "decoder.0.weight" in renamed):
        raise ValueError("These weights fit no VoxelMorph network: they have none of its layers.")
    try:
        if pairwise:
            network = VxmPairwise(_widths(renamed, "down"), **settings)
        else:
            half_convs = _half_convs(renamed)
            network = VxmDense(
                _widths(renamed, "encoder"),
                _widths(renamed, "decoder") + _widths(renamed, "remaining"),
                strided=strided,
                half_resolution=_is_half(renamed) and not half_convs,
                half_convs=half_convs,
                probabilistic="log_sigma.weight" in renamed,
                **settings,
            )
        network.load_state_dict(renamed)
    except (RuntimeError, KeyError, IndexError, ValueError) as error:
        raise ValueError(f"These weights fit no VoxelMorph network: {error}") from error
    return network


def _widths(state: dict[str, Tensor], part: str) -> tuple[int, ...]:
    widths = []
    while f"{part}.{len(widths)}.weight" in state:
        widths.append(len(state[f"{part}.{len(widths)}.weight"]))
    return tuple(widths)


def _is_half(state: dict[str, Tensor]) -> bool:
    """True when the convolution after the decoder sees no skip connection."""
    last = max(i for i in range(len(state)) if f"decoder.{i}.weight" in state)
    after = state.get("remaining.0.weight", state["flow.weight"])
    return after.shape[1] == len(state[f"decoder.{last}.weight"])


def _half_convs(state: dict[str, Tensor]) -> int:
    """How many convolutions stand between the decoder and an upsampling: the next sees two channels
    more than they make, those of the images."""
    if not _is_half(state):
        return 0
    convs = [state[f"remaining.{i}.weight"] for i in range(len(_widths(state, "remaining")))]
    for number, (before, after) in enumerate(pairwise(convs), start=1):
        if after.shape[1] == len(before) + 2:
            return number
    return 0
