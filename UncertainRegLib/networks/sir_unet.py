"""The proposal network of Structured SIR: two images in, a Gaussian over displacements out.

Simpson & Campbell, "Structured SIR", section 3.3: a U-Net of four levels without bias terms, 16
channels in the first level and 24 thereafter; heads for the mean and the triangular factor L at
half the image resolution, for the low-rank columns R at a quarter, upsampled linearly to the half.
The distribution lives on the half-resolution grid; fields drawn from it are brought to the images
by cubic interpolation (`upsample.upsample_cubic`).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..gaussian import DiagonalFactor, LowRank, SparseFactor, StructuredGaussian
from ..gaussian.stencil import CROSS, OFFSETS

COVARIANCES = ("D", "LD", "C", "LC")  # L: low-rank part; D: diagonal, C: sparse triangular factor
MULTIPLE = 8  # image sizes must be multiples of this: three halvings
MIN_DIAG = 1e-4
STABLE = 0.98  # largest sum of |off-diagonals| over the diagonal in a stable row
SLOPE = 0.2  # of the leaky rectifiers


class SirUNet(nn.Module):
    """q(Z | moving, fixed) = N(mean, R R^T + (L L^T)^-1), Z in voxels of the half-resolution grid.

    Channel c of the mean is the displacement along array axis c, from fixed to moving points.

    Args:
        covariance: one of COVARIANCES (the variants of section 4.4, without their V or S, which
            says how they are trained).
        rank: columns of R, with an "L" covariance.
        bound: largest sum of |off-diagonals| over the diagonal in a row of L^T; larger ones make
            the back-substitution blow up. None leaves them free, as in the paper.
        start_sd: standard deviation in voxels of the untrained L part. The paper's soft-plus of a
            network without biases starts at 1.4, where samples fold everywhere.
    """

    def __init__(
        self,
        covariance: str = "LC",
        rank: int = 25,
        bound: float | None = 2.0,
        start_sd: float = 0.25,
    ):
        super().__init__()
        if covariance not in COVARIANCES:
            raise ValueError(f"Covariance {covariance!r} is not one of {', '.join(COVARIANCES)}.")
        self.covariance, self.bound = covariance, bound
        self.settings = {
            "covariance": covariance,
            "rank": rank,
            "bound": bound,
            "start_sd": start_sd,
        }
        self.shift = math.log(math.expm1(1 / start_sd))  # softplus(shift) = 1 / start_sd
        self.encoder = nn.ModuleList(
            [_block(2, 16), _block(16, 24), _block(24, 24), _block(24, 24)]
        )
        self.to_quarter, self.to_half = _block(48, 24), _block(48, 24)
        self.mean = _head(24, 3)
        self.diag = _head(24, 3)
        self.off = _head(24, 3 * len(OFFSETS) + len(CROSS)) if "C" in covariance else None
        self.columns = _head(24, 3 * rank) if "L" in covariance else None
        if self.columns is not None:  # at zero, R would get no gradient from the density
            nn.init.normal_(self.columns.weight, std=1e-3)

    def forward(self, moving: Tensor, fixed: Tensor) -> StructuredGaussian:
        """The proposal for images (B, 1, Z, Y, X), on the grid (Z/2, Y/2, X/2).

        Raises:
            ValueError: a size is not a multiple of MULTIPLE.
        """
        if any(n % MULTIPLE for n in fixed.shape[2:]):
            raise ValueError(
                f"Image sizes must be multiples of {MULTIPLE}, got {tuple(fixed.shape[2:])}."
            )
        x = torch.cat((moving, fixed), 1)
        x = x - x.mean((2, 3, 4), keepdim=True)  # without biases a constant cannot be learnt away
        x = x / x.std((2, 3, 4), keepdim=True, correction=0).clamp_min(1e-3)
        levels = []
        for block in self.encoder:
            x = block(F.avg_pool3d(x, 2) if levels else x)
            levels.append(x)
        quarter = self.to_quarter(torch.cat((_double(levels[3]), levels[2]), 1))
        half = self.to_half(torch.cat((_double(quarter), levels[1]), 1))
        with torch.autocast(x.device.type, enabled=False):  # the Gaussian needs all its digits
            half, quarter = half.float(), quarter.float()
            low_rank = None
            if self.columns is not None:
                low_rank = LowRank(_double(self.columns(quarter)).unflatten(1, (-1, 3)))
            return StructuredGaussian(self.mean(half), self._factor(half), low_rank)

    def _factor(self, half: Tensor) -> DiagonalFactor | SparseFactor:
        diag = F.softplus(self.diag(half) + self.shift) + MIN_DIAG
        if self.off is None:
            return DiagonalFactor(diag)
        raw = self.off(half)
        off, cross = raw[:, : -len(CROSS)].unflatten(1, (3, -1)), raw[:, -len(CROSS) :]
        return SparseFactor(diag, *bounded(diag, off, cross, self.bound))


def bounded(diag: Tensor, off: Tensor, cross: Tensor, bound: float | None):
    """Off-diagonals shrunk smoothly so that in every row sum |off-diagonals| < bound * diag.

    Shapes as in ``gaussian.SparseFactor``. Small rows stay as they are.
    """
    if bound is None:
        return off, cross
    shrink = 1 / (1 + _row_sums(off, cross) / (bound * diag))
    return off * shrink[:, :, None], cross * shrink[:, (0, 0, 1)]


def stable(factor: DiagonalFactor | SparseFactor) -> DiagonalFactor | SparseFactor:
    """The factor with off-diagonals shrunk in the rows where they outweigh the diagonal.

    What a network says of images unlike those it has seen can make L^-T e grow without limit from
    voxel to voxel; with sum |off-diagonals| < diag in every row it cannot. Other rows stay.
    """
    if isinstance(factor, DiagonalFactor):
        return factor
    shrink = (STABLE * factor.diag / _row_sums(factor.off, factor.cross)).clamp(max=1.0)
    return SparseFactor(
        factor.diag, factor.off * shrink[:, :, None], factor.cross * shrink[:, (0, 0, 1)]
    )


def _row_sums(off: Tensor, cross: Tensor) -> Tensor:
    """Sums of the magnitudes of the off-diagonals of every row, (B, 3, Z, Y, X)."""
    zero = torch.zeros_like(cross[:, 0])
    return off.abs().sum(2) + torch.stack((cross[:, :2].abs().sum(1), cross[:, 2].abs(), zero), 1)


def _block(channels: int, out: int) -> nn.Sequential:
    """Two convolutions that keep the size of their input (torch's default shrinks it to 0.4)."""
    layers = []
    for inputs in (channels, out):
        layer = nn.Conv3d(inputs, out, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(layer.weight, a=SLOPE)
        layers += [layer, nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


def _head(channels: int, out: int) -> nn.Conv3d:
    """A head that starts at zero: the untrained proposal is smooth noise about the identity."""
    head = nn.Conv3d(channels, out, 3, padding=1, bias=False)
    nn.init.zeros_(head.weight)
    return head


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="trilinear", align_corners=False)


def half(net: SirUNet) -> dict[str, Tensor]:
    """The weights of a network in half precision, to be kept."""
    return {name: values.half() for name, values in net.state_dict().items()}
