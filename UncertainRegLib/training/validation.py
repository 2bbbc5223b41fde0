"""How well a network in training registers pairs that no step sees."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..networks.warp import warp
from .losses import mse, nlcc, one_hot


@torch.no_grad()
def validate(
    register: Callable[[Tensor, Tensor], Tensor], pairs, device: str = "cpu"
) -> dict[str, float]:
    """Means over the pairs of a list, as they are, for the log of a training.

    Args:
        register: takes moving and fixed image, gives the displacement in voxels.
        pairs: `listed.ListedPairs`.

    Returns:
        validation_mse and validation_nlcc (windows of 5) of the moved and the fixed image; with
        segmentations validation_dice, the mean over the structures that a pair has: voxels whose
        largest membership, moved linearly, is theirs.
    """
    values = pairs.label_values()
    found: dict[str, list[float]] = {"mse": [], "nlcc": [], "dice": []}
    for number in range(len(pairs)):
        pair = pairs.of(number, device)
        displacement = register(pair.moving, pair.fixed)
        moved = warp(pair.moving, displacement, "border")
        found["mse"].append(float(mse(moved, pair.fixed)))
        found["nlcc"].append(float(nlcc(moved, pair.fixed)))
        if values:
            masks = one_hot(pair.moving_labels, (0, *values))
            moved_masks = warp(masks, displacement, "border")
            winner = one_hot(moved_masks.argmax(1, keepdim=True), tuple(range(len(values) + 1)))
            found["dice"] += _dice(winner[:, 1:], one_hot(pair.fixed_labels, values))
    return {f"validation_{name}": sum(all_) / len(all_) for name, all_ in found.items() if all_}


def _dice(a: Tensor, b: Tensor) -> list[float]:
    """The mean Dice of the structures that are there; nothing where none is."""
    axes = (0, 2, 3, 4)
    both, sizes = (a * b).sum(axes), (a + b).sum(axes)
    there = sizes > 0
    return [float((2 * both[there] / sizes[there]).mean())] if there.any() else []
