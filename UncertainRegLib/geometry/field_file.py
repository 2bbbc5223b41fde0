"""Displacement fields in files: read with the guards of images, written with what they mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError, Say, unsaid
from .field import DisplacementField
from .grid import Grid
from .image import set_geometry
from .interpolate import inside_index
from .volume import open_volume, read_voxels
from .written import write_sitk

# What a reader of one of our fields has to know; it is in the header of every NRRD file.
MEANING = {
    "vectors": "x + d(x) is the moving point of the fixed point x; mm, LPS",
    "between_voxels": "linear; 3D Slicer opens the file, and a saved scene, with cubic "
    "interpolation, tenths of a millimetre off, until UncertainReg opens the "
    "scene or SetInterpolationModeToLinear() is called on the grid transform",
    "outside": "the vectors of the border go on, as in the saved scene and in 3D Slicer; ITK, "
    "SimpleITK and ANTs displace by zero from half a voxel beyond the outermost voxel "
    "centres",
}
POSITIONS = 0.5  # no map of anatomy stretches all directions by that much; x itself does


def write_field(field: DisplacementField, path: str | Path) -> None:
    """Write a displacement field as a float32 vector image (mm LPS, fixed grid), uncompressed."""
    vectors = np.ascontiguousarray(field.to_numpy().vectors, dtype=np.float32)
    image = set_geometry(sitk.GetImageFromArray(vectors, isVector=True), field.grid)
    for name, text in MEANING.items():
        image.SetMetaData(f"displacement_{name}", text)
    write_sitk(image, path)


def read_field(path: str | Path, say: Say = unsaid) -> DisplacementField:
    """Read a displacement field: three values per voxel, mm, on its own grid (it may be sheared).

    The vectors are turned to LPS by the NIfTI intent (1006 RAS, 1007 LPS) or the NRRD measurement
    frame. Nothing in a file tells millimetres from voxels; ``say`` hears of unlikely lengths.

    Raises:
        InputError: missing, unreadable, truncated, not 3D with three values per voxel, colours or
            whole numbers, NaN or infinite, vectors in an unknown frame, positions instead of
            displacements.
    """
    stored = open_volume(path, say)
    if stored.components != 3:
        raise InputError(
            f"{path}: is not a displacement field (3D, three values per voxel); its "
            f"header gives {'x'.join(map(str, stored.size))} voxels of "
            f"{stored.components}."
        )
    if isinstance(stored.frame, str):
        raise InputError(f"{path}: {stored.frame}.")
    array, grid = read_voxels(path, stored)
    if array.dtype.kind != "f":
        raise InputError(
            f"{path}: holds whole numbers ({array.dtype}) as a colour image does, not "
            "displacements in mm; give a field of floating-point vectors."
        )
    field = DisplacementField((array @ stored.frame.T.astype(array.dtype)).astype(np.float32), grid)
    _check_lengths(path, field, say)
    return field


def _check_lengths(path: str | Path, field: DisplacementField, say: Say) -> None:
    """Refuse positions; say when the longest displacement is unlikely."""
    slopes = np.array([_mean_slope(field.vectors, axis) for axis in (2, 1, 0)])
    linear = np.linalg.inv(field.grid.affine[:3, :3].T) @ slopes
    if np.linalg.svd(linear, compute_uv=False).min() > POSITIONS:
        raise InputError(
            f"{path}: its vectors grow like positions: it seems to hold where points "
            "go, not by how much they move; subtract the positions first."
        )
    longest = float(np.linalg.norm(field.vectors, axis=-1).max())
    if longest > field.grid.extent_mm.max():
        say(
            f"{path}: moves points by up to {longest:.4g} mm, more than the field is long; check "
            "that it belongs to these images and is in mm."
        )
    elif 0 < longest < 0.01 * field.grid.spacing.min():
        say(f"{path}: moves no point by more than {longest:.2g} mm; check that it is in mm.")


def _mean_slope(vectors: np.ndarray, axis: int) -> np.ndarray:
    """(3,) mean change of the vectors a voxel along an array axis."""
    n = vectors.shape[axis]
    if n < 2:
        return np.zeros(3)
    ends = np.take(vectors, n - 1, axis) - np.take(vectors, 0, axis)
    return ends.reshape(-1, 3).mean(0, dtype=np.float64) / (n - 1)


def check_cover(
    field: Grid, image: Grid, field_name: str, image_name: str, say: Say = unsaid
) -> float:
    """The share of an image's voxels that lie beyond the field of view of a field, in [0, 1].

    There the vectors of the border are used; ``say`` hears of it.

    Raises:
        InputError: the field covers no voxel of the image.
    """
    index = image.affine_points(np.linalg.inv(field.affine) @ image.affine)
    share = 1.0 - float(inside_index(field.shape, index).mean())
    if share == 1.0:
        raise InputError(
            f"{field_name}: does not reach {image_name} at all; give the field that "
            "belongs to this image."
        )
    if share > 0:
        say(
            f"{field_name}: does not cover {max(share, 0.001):.1%} of {image_name}; there the "
            "vectors of its border go on, while ITK and ANTs would not move these points."
        )
    return share
