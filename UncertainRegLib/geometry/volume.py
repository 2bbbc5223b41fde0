"""Any volume file: opened by the reader that knows its headers, checked, its voxels read."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from .dicom import open_dicom
from .errors import InputError, Say, last_line, unsaid
from .grid import Grid
from .image import Image
from .itk_file import open_with_itk
from .nifti import open_nifti, read_header
from .stored import Stored

MAX_VOXELS = 1024**3
DAMAGE = (RuntimeError, ValueError, OSError, EOFError, zlib.error)


def read_volume(
    path: str | Path,
    say: Say = unsaid,
    mode: str = "linear",
    *,
    frame: int | None = None,
    flat: bool = False,
) -> Image:
    """A scalar volume with the geometry that its header gives, whatever its values mean.

    A sheared volume (tilted gantry, or an affine registration written into the header) is
    resampled to a right-angled grid around it, as ITK, MRML and the measures of this library
    need it; ``say`` hears that.

    Args:
        path: a file, or a folder with one DICOM series.
        say: hears what was chosen, converted or resampled.
        mode: of that resampling, "linear" or, for labels, "nearest".
        frame: which volume of a series to read, from 0.
        flat: a 2-D image, or one of few slices, is welcome; a 2-D image becomes a volume of one
            slice.

    Raises:
        InputError: missing, unreadable, truncated, 2D/4D, vector, huge, non-finite, or with
            impossible voxel sizes.
    """
    stored = open_volume(path, say)
    if frame is not None:
        stored = one_frame(path, stored, frame)
    if flat and len(stored.size) == 2:
        stored = _as_slice(stored)
    _check_scalar(path, stored, flat)
    return straightened(Image(*read_voxels(path, stored)), path, say, mode)


def read_grid(path: str | Path, has_layers: bool = False) -> Grid:
    """The grid of a volume as its header says; the voxels are not read.

    Args:
        has_layers: it may have several values per voxel, as a segmentation with overlaps.

    Raises:
        InputError: as far as the header tells, see `read_volume`.
    """
    stored = open_volume(path, unsaid)
    if not has_layers:
        _check_scalar(path, stored)
    return _grid_of(path, stored)


def _check_scalar(path: str | Path, stored: Stored, flat: bool = False) -> None:
    size = stored.size
    if stored.components != 1:
        raise InputError(
            f"{path}: has {stored.components} values per voxel (a vector or colour "
            "image); give a scalar volume."
        )
    if flat and min(size[:2]) < 4:
        raise InputError(
            f"{path}: is only {size[0]}x{size[1]} pixels; give slices of at least 4 along each axis."
        )
    if len(size) == 3 and min(size) < 4 and not flat:
        raise InputError(
            f"{path}: is only {size[0]}x{size[1]}x{size[2]} voxels; give a 3D volume "
            "with at least 4 voxels along each axis."
        )


def one_frame(path: str | Path, stored: Stored, frame: int) -> Stored:
    """One volume of a series: of a fourth axis, or of the values that each voxel has.

    Raises:
        InputError: there is no series, or no such volume in it.
    """
    size, count = stored.size, stored.components
    if len(size) == 4 and count == 1:
        size, count = size[:3], size[-1]

        def read() -> np.ndarray:
            return stored.read()[frame]
    elif len(size) == 3 and count > 1:

        def read() -> np.ndarray:
            return np.ascontiguousarray(stored.read()[..., frame])
    else:
        raise InputError(f"{path}: is no series of volumes, so it has no frame {frame}.")
    if not 0 <= frame < count:
        raise InputError(f"{path}: has the frames 0 to {count - 1}, and no frame {frame}.")
    return Stored(size, 1, stored.affine, read, stored.frame)


def _as_slice(stored: Stored) -> Stored:
    """A 2-D image as a volume of one slice."""
    return replace(stored, size=(*stored.size, 1), read=lambda: _with_slices(stored.read()))


def _with_slices(array: np.ndarray) -> np.ndarray:
    return array if array.ndim == 3 else array[None]


def straightened(image: Image, path: str | Path, say: Say, mode: str) -> Image:
    """A volume on a right-angled grid, where its own is sheared: see `read_volume`."""
    if image.grid.is_right_angled:
        return image
    grid = image.grid.right_angled()
    say(
        f"{path}: is sheared (its axes are not at right angles, as with a tilted gantry); it was "
        f"resampled to a right-angled grid of {'x'.join(map(str, grid.size))} voxels around it."
    )
    values = image.resample(grid, mode, outside=float(image.array.min())).array
    if mode == "nearest" or image.array.dtype.kind == "f":
        values = values.astype(image.array.dtype, copy=False)
    return Image(values, grid)


def open_volume(path: str | Path, say: Say) -> Stored:
    """The header of a file or a DICOM folder.

    Raises:
        InputError: there is no such file, or its header cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        return open_dicom(path, say)
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    try:
        header = read_header(path)
    except DAMAGE as error:
        raise _damaged(path, error) from None
    return open_with_itk(path, say) if header is None else open_nifti(header, say)


def read_voxels(path: str | Path, stored: Stored) -> tuple[np.ndarray, Grid]:
    """The values, (Z, Y, X) or (Z, Y, X, components), and their grid.

    Raises:
        InputError: not 3D, huge, of impossible extent, damaged, or with values that are no numbers.
    """
    grid = _grid_of(path, stored)
    try:
        array = stored.read()
    except InputError:
        raise
    except DAMAGE as error:
        raise _damaged(path, error) from None
    bad = int((~np.isfinite(array)).sum()) if array.dtype.kind == "f" else 0
    if bad:
        what = "voxels" if stored.components == 1 else "values"
        raise InputError(
            f"{path}: {bad} {what} are NaN or infinite; replace them by the "
            f"{'background value' if stored.components == 1 else 'right ones'} first."
        )
    return array, grid


def _grid_of(path: str | Path, stored: Stored) -> Grid:
    size = stored.size
    if len(size) != 3:
        raise InputError(
            f"{path}: has {len(size)} dimensions; give a single 3D volume (a list of pairs to train "
            "with may name a volume of a series, and 2-D images)."
        )
    if np.prod([float(n) for n in size]) > MAX_VOXELS:
        raise InputError(
            f"{path}: {size[0]}x{size[1]}x{size[2]} voxels are more than the limit of "
            "1024^3; crop or resample it first."
        )
    extent = np.array(size) * np.linalg.norm(stored.affine[:3, :3], axis=0)
    if not 2.0 <= extent.max() <= 5000.0:
        raise InputError(
            f"{path}: the image is {extent.max():.4g} mm long, so its voxel size is "
            "probably not in millimetres; correct the spacing in the header."
        )
    try:
        return Grid(size[::-1], stored.affine)
    except DAMAGE as error:
        raise _damaged(path, error) from None


def _damaged(path: str | Path, error: Exception) -> InputError:
    return InputError(f"{path}: is damaged or truncated ({last_line(error)}); export it again.")
