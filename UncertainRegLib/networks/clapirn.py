"""Conditional LapIRN, the light displacement network.

Mok and Chung, "Conditional Deformable Image Registration with Convolutional Neural Network",
MICCAI 2021 (network of the published ``..._lite_stagelvl3_60000.pth``, MIT licence).

Three networks of the same form work at a quarter, a half and the full resolution; each refines the
displacement of the one before. The smoothness weight lambda in [0, 1] enters every residual block
as the scale and offset of its instance normalisation (Eq. 6 of the paper).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checkpoint import load_state
from .joined import convolve_both
from .norm import instance_norm
from .warp import add_identity, sample

SLOPE = 0.2  # of every leaky ReLU


class ConditionalBlock(nn.Module):
    """Pre-activation residual block whose two normalisations are set by lambda."""

    def __init__(self, channels: int, latent: int = 64) -> None:
        super().__init__()
        # Names and order of the layers are those of the published state dict.
        layers: list[nn.Module] = []
        for inputs in (1, latent, latent, latent):
            layers += [nn.Linear(inputs, latent), nn.LeakyReLU(SLOPE)]
        self.mapping = nn.Sequential(*layers)
        self.ai1 = nn.ModuleDict({"style": nn.Linear(latent, 2 * channels)})
        self.ai2 = nn.ModuleDict({"style": nn.Linear(latent, 2 * channels)})
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor, smoothness: Tensor) -> Tensor:
        """Features (B, C, Z, Y, X) and lambda (1, 1) to features of the same shape."""
        latent = self.mapping(smoothness)
        out = self.conv1(_normalise(x, self.ai1["style"](latent)))
        out = self.conv2(_normalise(out, self.ai2["style"](latent)))
        return out.add_(x)


def _normalise(x: Tensor, style: Tensor) -> Tensor:
    """Instance norm, scaled by 1 + gamma and shifted by beta, then leaky ReLU."""
    gamma, beta = style[0].chunk(2)
    return F.leaky_relu_(instance_norm(x, 1.0 + gamma, beta), SLOPE)


class Level(nn.Module):
    """The network of one resolution: images (and the displacement so far) to a refinement."""

    def __init__(self, inputs: int, width: int, up_width: int, range_flow: float) -> None:
        super().__init__()
        inner = 2 * width
        self.range_flow = range_flow
        self.input_encoder_lvl1 = nn.Sequential(
            nn.Conv3d(inputs, width, 3, padding=1, bias=False),
            nn.LeakyReLU(SLOPE, inplace=True),
            nn.Conv3d(width, width, 3, padding=1, bias=False),
        )
        self.down_conv = nn.Conv3d(width, inner, 3, stride=2, padding=1, bias=False)
        blocks: list[nn.Module] = []
        for _ in range(5):
            blocks += [ConditionalBlock(inner), nn.LeakyReLU(SLOPE, inplace=True)]
        self.resblock_group_lvl1 = nn.ModuleList(blocks)
        self.up = nn.ConvTranspose3d(inner, up_width, 2, stride=2, bias=False)
        both = up_width + width
        self.output_lvl1 = nn.Sequential(
            nn.Conv3d(both, both // 2, 3, padding=1, bias=False),
            nn.LeakyReLU(SLOPE, inplace=True),
            nn.Conv3d(both // 2, 3, 3, padding=1, bias=False),
            nn.Softsign(),
        )

    def forward(
        self, images: Tensor, smoothness: Tensor, embedding: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Inputs at this resolution to (displacement in unit coordinates, features)."""
        shallow = self.input_encoder_lvl1(images)
        deep = self.down_conv(shallow)
        if embedding is not None:
            deep = deep + embedding
        for index in range(0, len(self.resblock_group_lvl1), 2):
            deep = self.resblock_group_lvl1[index](deep, smoothness)
            deep = self.resblock_group_lvl1[index + 1](deep)
        deep = self.up(deep)
        first, *rest = self.output_lvl1
        out = convolve_both(first, deep, shallow)
        for layer in rest:
            out = layer(out)
        return out.mul_(self.range_flow), deep


class ConditionalLapIRN(nn.Module):
    """Moving and fixed image and lambda to the displacement that maps fixed to moving points.

    Args:
        start_channel: 4 in the published light network.
        range_flow: bound of one level's displacement in unit coordinates (0.4).
    """

    def __init__(self, start_channel: int = 4, range_flow: float = 0.4) -> None:
        super().__init__()
        width = 2 * start_channel
        self.levels = nn.ModuleList(
            [
                Level(2, width, 2 * width, range_flow),
                Level(5, width, 2 * width, range_flow),
                Level(5, width, width, range_flow),
            ]
        )

    def load_published(self, state: dict[str, Tensor]) -> None:
        """Load the published state dict, in which each level holds the coarser one.

        Raises:
            ValueError: when names or shapes are not those of the light network.
        """
        prefixes = ("model_lvl2.model_lvl1.", "model_lvl2.", "")
        renamed = {}
        for name, value in state.items():
            level, prefix = next((i, p) for i, p in enumerate(prefixes) if name.startswith(p))
            renamed[f"levels.{level}.{name[len(prefix) :]}"] = value
        load_state(self, renamed, "the light Conditional LapIRN")

    def forward(self, moving: Tensor, fixed: Tensor, smoothness: float, levels: int = 3) -> Tensor:
        """Displacement in unit coordinates.

        Args:
            moving, fixed: (B, 1, Z, Y, X) in [0, 1]; each size a multiple of 8.
            smoothness: lambda in [0, 1]; 0 follows the images, 1 is smoothest.
            levels: how many resolutions to use, from the coarsest; each one less halves the sizes
                of the answer.

        Returns:
            (B, 3, Z, Y, X); channel 0 is along the LAST axis; [-1, 1] spans the corner voxel
            centres (``align_corners=True``), so channel c is displacement * 2 / (size - 1).

        Raises:
            ValueError: when a size is not a multiple of 8.
        """
        if any(size % 8 for size in fixed.shape[2:]):
            raise ValueError(
                f"Conditional LapIRN needs sizes that are multiples of 8, not "
                f"{tuple(fixed.shape[2:])}: pad the images first."
            )
        code = torch.full((1, 1), float(smoothness), dtype=fixed.dtype, device=fixed.device)
        # Pooling (moving, fixed) together is what the published network does, and pools once.
        pyramid = [torch.cat((moving, fixed), 1)]
        for _ in range(2):
            pyramid.append(F.avg_pool3d(pyramid[-1], 3, 2, 1, count_include_pad=False))

        displacement, embedding = self.levels[0](pyramid[2], code, None)
        for level, images in zip(self.levels[1:levels], (pyramid[1], pyramid[0])):
            displacement = F.interpolate(displacement, scale_factor=2, mode="trilinear")
            points = displacement.permute(0, 2, 3, 4, 1).contiguous().clone()
            warped = sample(images[:, :1], add_identity(points), "border")
            inputs = torch.cat((warped, images[:, 1:], displacement), 1)
            refinement, embedding = level(inputs, code, embedding)
            displacement = displacement + refinement
        return displacement
