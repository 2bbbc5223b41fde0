"""Grids, images and displacement fields in LPS millimetres, for numpy and torch arrays alike."""

from .field import (
    DisplacementField,
    compose,
    determinant_of_slopes,
    folding_fraction,
    identity,
    invert,
    invert_at,
    jacobian_determinant,
)
from .field_file import read_field, write_field
from .files import read_image, read_labels, write_image
from .grid import Grid
from .image import Image
from .interpolate import inside_index, interpolate
from .landmarks import read_landmarks, read_points, write_points
from .segmentation import Segmentation
from .segmentation_file import read_segmentation, write_segmentation
from .volume import read_volume
from .warp import warp, warp_labels, warp_one_hot

__all__ = [
    "DisplacementField",
    "Grid",
    "Image",
    "Segmentation",
    "compose",
    "determinant_of_slopes",
    "folding_fraction",
    "identity",
    "inside_index",
    "interpolate",
    "invert",
    "invert_at",
    "jacobian_determinant",
    "read_field",
    "read_image",
    "read_labels",
    "read_landmarks",
    "read_points",
    "read_segmentation",
    "read_volume",
    "warp",
    "warp_labels",
    "warp_one_hot",
    "write_field",
    "write_image",
    "write_points",
    "write_segmentation",
]
