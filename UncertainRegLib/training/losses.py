"""Losses of image registration, on tensors (B, C, Z, Y, X).

A 2-D image is a volume of one slice: axes of one voxel take no part in windows and gradients.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

# Keeps flat windows at 0 instead of 0 / 0: variances of images in [0, 1] that are constant up to
# rounding multiply to less than 1e-12.
FLAT = 1e-9


def nlcc(a: Tensor, b: Tensor, window: int = 5) -> Tensor:
    """Mean squared local normalised cross-correlation, 0 ... 1 (Gong et al., Eq. 1).

    A similarity: the loss is its negative.

    Args:
        a, b: images in [0, 1], equal shapes.
        window: edge of the cubic window in voxels, odd; at the border it covers what is inside.
    """
    z, y, x = (_window_mean(n, window).to(a) for n in a.shape[2:])
    stack = torch.cat((a, b, a * a, b * b, a * b), 1)
    stack = z.matmul((y @ stack @ x.T).flatten(3)).unflatten(3, stack.shape[3:])
    mean_a, mean_b, aa, bb, ab = stack.chunk(5, 1)
    cross = ab - mean_a * mean_b
    variance_a = (aa - mean_a.square()).clamp(min=0)
    variance_b = (bb - mean_b.square()).clamp(min=0)
    return (cross.square() / (variance_a * variance_b + FLAT)).mean()


@lru_cache(maxsize=32)
def _window_mean(n: int, window: int) -> Tensor:
    """(n, n): the mean of the samples around each of n, of those inside; faster than pooling."""
    index = torch.arange(n)
    inside = ((index[:, None] - index).abs() <= window // 2).double()
    return inside / inside.sum(1, keepdim=True)


def mse(a: Tensor, b: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of weight (a - b)², weight 1 where none is given."""
    squared = (a - b).square()
    return squared.mean() if weight is None else (weight * squared).mean()


def soft_dice(a: Tensor, b: Tensor) -> Tensor:
    """Soft Dice, 0 ... 1, mean over the classes (Gong et al., Eq. 2: C channels, background too).

    A similarity: the loss is its negative.

    Args:
        a, b: memberships in [0, 1], (B, C, Z, Y, X). A class that neither has counts as 1.
    """
    axes = (0, 2, 3, 4)
    both, sizes = (a * b).sum(axes), (a + b).sum(axes)
    return torch.where(sizes > 0, 2 * both / sizes.clamp(min=1e-6), 1.0).mean()


def smoothness(field: Tensor) -> Tensor:
    """||grad field||²: squared differences of neighbours, summed over axes, mean over the rest.

    Args:
        field: displacement or velocity in voxels, or any other map (B, C, Z, Y, X).
    """
    return sum(field.diff(dim=axis).square().mean() for axis in (2, 3, 4) if field.shape[axis] > 1)


def one_hot(labels: Tensor, values: tuple[int, ...]) -> Tensor:
    """Memberships (B, C, Z, Y, X) of integer labels (B, 1, Z, Y, X); other values are in none."""
    wanted = torch.as_tensor(values, device=labels.device).view(1, -1, 1, 1, 1)
    return (labels == wanted).float()


def laplace_nll(error: Tensor, log_scale: Tensor) -> Tensor:
    """Mean of |error| / u + log u (Gong et al., Eq. 6), u = exp(log_scale).

    The negative log-likelihood, up to log 2, of a Laplace distribution of scale u. The paper's sum
    over voxels is a mean here, as in the terms it is added to.
    """
    return (error.abs() * torch.exp(-log_scale) + log_scale).mean()
