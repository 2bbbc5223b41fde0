"""Warping: the moving image or segmentation, seen on the grid of a displacement field."""

from __future__ import annotations

from .arrays import Array, is_torch, namespace
from .field import DisplacementField
from .image import Image
from .interpolate import interpolate


def warp(
    image: Image, field: DisplacementField, outside: float | None = 0.0, mode: str = "linear"
) -> Image:
    """image after phi, sampled on ``field.grid``: value(x) = image(x + d(x)).

    Args:
        image: the moving image, on its own grid; its mask is warped too (nearest).
        field: displacement in mm LPS, fixed to moving.
        outside: value for points outside the moving field of view; None repeats its border.
        mode: "linear", or "nearest" for labels.
    """
    index = field.mapped_index(image.grid)
    mask = None if image.mask is None else interpolate(image.mask, index, "nearest", 0)
    return Image(interpolate(image.array, index, mode, outside), field.grid, mask)


def warp_labels(labels: Image, field: DisplacementField) -> Image:
    """Label map after phi, nearest neighbour, 0 outside."""
    return warp(labels, field, outside=0, mode="nearest")


def warp_one_hot(labels: Image, field: DisplacementField, label: int) -> Array:
    """Membership of one label after phi, in [0, 1], (Z, Y, X): its mask warped linearly."""
    member = labels.array == label
    xp = namespace(labels.array)
    member = member.to(field.vectors.dtype) if is_torch(member) else member.astype(xp.float32)
    return warp(Image(member, labels.grid), field).array
