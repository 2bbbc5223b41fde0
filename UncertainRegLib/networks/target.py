"""The unnormalised posterior that Structured SIR samples: p(fixed | moving o Z) p(Z).

Simpson & Campbell, "Structured SIR", Eqs. 7 and 8. Two readings: the sign of Eq. 7 is turned (as
printed it prefers images that do not match), and the term of Eq. 8 in the mean belongs to the
training loss, since it is the same for all samples of a pair.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .upsample import upsample_cubic
from .warp import add_identity

CLIMB = 0.1  # voxels, first step of `climb`
FLAT = 1e-5  # variance below which a window counts as flat, for intensities in [0, 1]


class RegistrationTarget:
    """log p(fixed | moving o Z) + log p(Z) for fields Z on a grid of Nv voxels.

    log p(fixed | moving o Z) = Nv mean_x NCC^2(x) / sigma^2, with the squared local normalised
    cross-correlation in cubic windows; log p(Z) = -lambda / 2 sum ||grad z||^2 by forward
    differences. When images and Z share their grid the first is the plain sum over voxels. Else the
    factor keeps the balance of the two terms, and so the meaning of sigma and lambda, at any image
    resolution; both grow with Nv, so the spread of the posterior shrinks as the grid of Z is
    refined.

    Args:
        fixed: (B, 1, Z, Y, X), intensities in about [0, 1].
        moving: (B, 1, Z', Y', X'), on its own grid.
        start: (Z, Y, X, 3) points of ``grid_sample`` (align_corners=True) in the moving image for
            Z = 0; None when both images share their grid.
        linear: (3, 3) change of those points with Z, rows (x, y, z) of the point, columns the
            channels of Z; None for Z in voxels of a grid over the field of view of ``fixed``.
        sigma: likelihood scale; smoothness: lambda; window: edge of the windows, voxels of fixed.
    """

    def __init__(
        self, fixed, moving, start=None, linear=None, *, sigma=0.5, smoothness=4.0, window=9
    ):
        self.fixed, self.moving = fixed, moving
        self.sigma, self.smoothness, self.window = sigma, smoothness, window
        if start is None:
            start = add_identity(fixed.new_zeros(1, *fixed.shape[2:], 3))[0]
        self.start, self.linear = start, linear
        self._fixed_mean = self._average(fixed)
        self._fixed_variance = self._average(fixed * fixed) - self._fixed_mean**2

    def log_prob(self, fields: Tensor) -> Tensor:
        """Log-likelihood plus log-prior of fields (B, N, 3, Z, Y, X), (B, N), float64."""
        return self.log_likelihood(fields) + self.log_prior(fields)

    def log_likelihood(self, fields: Tensor) -> Tensor:
        """(B, N), float64."""
        ncc = self.squared_ncc(self.warp(fields))
        voxels = fields[0, 0, 0].numel()
        return voxels * ncc.flatten(2).double().mean(-1) / self.sigma**2

    def log_prior(self, fields: Tensor) -> Tensor:
        """(B, N), float64."""
        return -0.5 * self.smoothness * gradient_energy(fields)

    def warp(self, fields: Tensor) -> Tensor:
        """Moving image after every field (B, N, 3, Z, Y, X), seen on the fixed grid: (B, N, ...).

        Outside its field of view the moving image repeats its border.
        """
        shape = self.fixed.shape[2:]
        batch, n = fields.shape[:2]
        linear = self.linear
        if linear is None:  # voxels of the fields' grid, edge to edge with the fixed image
            size = [s / f * 2 / max(s - 1, 1) for s, f in zip(shape, fields.shape[3:])]
            linear = fields.new_tensor([[0, 0, size[2]], [0, size[1], 0], [size[0], 0, 0]])
        fine = upsample_cubic(fields, shape).flatten(3)
        points = (linear.to(fine) @ fine).movedim(2, -1).unflatten(2, shape) + self.start
        moved = [
            F.grid_sample(
                self.moving[b : b + 1].expand(n, -1, -1, -1, -1),
                points[b],
                padding_mode="border",
                align_corners=True,
            )[:, 0]
            for b in range(batch)
        ]
        return torch.stack(moved)

    def squared_ncc(self, moved: Tensor) -> Tensor:
        """Squared local correlation of fixed and moved (B, N, Z, Y, X), in [0, 1]."""
        mean, mean_of_square = self._average(moved), self._average(moved * moved)
        covariance = self._average(self.fixed * moved) - self._fixed_mean * mean
        variance = (mean_of_square - mean**2).clamp_min(0) + FLAT
        return covariance**2 / (variance * (self._fixed_variance.clamp_min(0) + FLAT))

    def _average(self, x: Tensor) -> Tensor:
        """Mean over the window's voxels inside the image, (B, N, Z, Y, X); separable.

        Products with banded matrices: several times faster than pooling, and so is their gradient.
        """
        z, y, x_axis = (_window_mean(n, self.window).to(x) for n in x.shape[2:])
        return z.matmul((y @ x @ x_axis.T).flatten(3)).unflatten(3, x.shape[3:])


@lru_cache(maxsize=32)
def _window_mean(n: int, window: int) -> Tensor:
    """(n, n) means of the ``window`` samples around each of n, of those inside; rows sum to one."""
    index = torch.arange(n)
    inside = ((index[:, None] - index).abs() <= window // 2).double()
    return inside / inside.sum(1, keepdim=True)


def climb(
    target: RegistrationTarget,
    start: Tensor,
    steps: int,
    on_step: Callable[[int], None] = lambda step: None,
) -> Tensor:
    """A field (B, 3, Z, Y, X) uphill of ``start`` in log-density, by steps of Adam.

    Steps begin at CLIMB voxels and shrink to nothing.
    """
    field = start.detach().clone()
    with torch.enable_grad():
        field.requires_grad_()
        optimiser = torch.optim.Adam([field], lr=CLIMB)
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = CLIMB * (1 - step / (steps + 1))
            loss = -target.log_prob(field[:, None]).sum() / field[:, 0].numel()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            on_step(step + 1)
    return field.detach()


def gradient_energy(fields: Tensor) -> Tensor:
    """Sum over voxels and components of squared forward differences, (B, N), float64."""
    lines = (fields.diff(dim=d).square().sum(-1).double() for d in (-3, -2, -1))
    return sum(line.flatten(2).sum(-1) for line in lines)
