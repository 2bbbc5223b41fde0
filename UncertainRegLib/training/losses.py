"""Losses of image registration, on tensors (B, C, Z, Y, X).

A 2-D image is a volume of one slice: axes of one voxel take no part in windows and gradients.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

NORMS = ("mean", "paper", "code")  # of `smoothness`
# Keeps flat windows at 0 instead of 0 / 0: variances of images in [0, 1] that are constant up to
# rounding multiply to less than 1e-12.
FLAT = 1e-9


def nlcc(a: Tensor, b: Tensor, window: int = 5, inside: Tensor | None = None) -> Tensor:
    """Mean squared local normalised cross-correlation, 0 ... 1 (Gong et al., Eq. 1).

    A similarity: the loss is its negative.

    Args:
        a, b: images in [0, 1], equal shapes.
        window: edge of the cubic window in voxels, odd; at the border it covers what is inside.
        inside: voxels to average over, booleans (B, 1, Z, Y, X); windows reach beyond them.
    """
    z, y, x = (_window_mean(n, window).to(a) for n in a.shape[2:])
    stack = torch.cat((a, b, a * a, b * b, a * b), 1)
    stack = z.matmul((y @ stack @ x.T).flatten(3)).unflatten(3, stack.shape[3:])
    mean_a, mean_b, aa, bb, ab = stack.chunk(5, 1)
    cross = ab - mean_a * mean_b
    variance_a = (aa - mean_a.square()).clamp(min=0)
    variance_b = (bb - mean_b.square()).clamp(min=0)
    return _mean(cross.square() / (variance_a * variance_b + FLAT), inside)


def _mean(values: Tensor, inside: Tensor | None) -> Tensor:
    if inside is None:
        return values.mean()
    weight = inside.to(values).expand_as(values)
    return (weight * values).sum() / weight.sum().clamp(min=1)


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


def smoothness(field: Tensor, norm: str = "mean", weight: Tensor | None = None) -> Tensor:
    """||grad field||², of squared differences of neighbours.

    Papers and codes give the same name to different multiples of it, and so the same lambda means
    different stiffness:

    - "mean": summed over axes, mean over voxels and components, as everywhere here;
    - "paper": as it is printed, summed over axes and components, mean over voxels: of a
      displacement three times as much, of a map the same;
    - "code": mean over axes, components and voxels, and of a displacement times 2, as VoxelMorph
      and the authors of the heteroscedastic loss and of AdaCS weigh a velocity of half size: of a
      displacement 2/3 of "mean" in 3-D and 3/2 in 2-D, of a map 1/3 and 1/2.

    Args:
        field: displacement in voxels (B, 3, Z, Y, X), or a map (B, 1, Z, Y, X).
        norm: one of NORMS.
        weight: of every voxel, (B, 1, Z, Y, X).
    """
    axes = [axis for axis in (2, 3, 4) if field.shape[axis] > 1]
    components = field.shape[1]
    factor = 1.0
    if norm == "paper":
        factor = float(components)
    elif norm == "code":
        moving = min(components, len(axes))  # nothing moves across a slice
        factor = components / moving / len(axes) * (2 if components > 1 else 1)
    total = field.new_zeros(())
    for axis in axes:
        squared = field.diff(dim=axis).square()
        if weight is not None:
            squared = weight.narrow(axis, 0, field.shape[axis] - 1) * squared
        total = total + squared.mean()
    return factor * total


def check_norm(norm: str) -> None:
    """Refuse another name than those of NORMS.

    Raises:
        ValueError: it is none.
    """
    if norm not in NORMS:
        raise ValueError(f"The norm of the gradient is one of {', '.join(NORMS)}, not {norm!r}.")


def one_hot(labels: Tensor, values: tuple[int, ...]) -> Tensor:
    """Memberships (B, C, Z, Y, X) of integer labels (B, 1, Z, Y, X); other values are in none."""
    wanted = torch.as_tensor(values, device=labels.device).view(1, -1, 1, 1, 1)
    return (labels == wanted).float()


def laplace_nll(error: Tensor, log_scale: Tensor, inside: Tensor | None = None) -> Tensor:
    """Mean of |error| / u + log u (Gong et al., Eq. 6), u = exp(log_scale).

    The negative log-likelihood, up to log 2, of a Laplace distribution of scale u. The paper's sum
    over voxels is a mean here, as in the terms it is added to: over those ``inside``, (B, 1, Z, Y, X).
    """
    return _mean(error.abs() * torch.exp(-log_scale) + log_scale, inside)
