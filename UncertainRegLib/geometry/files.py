"""Reading and writing images, label maps, fields and points; bad files get one clear sentence."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .field import DisplacementField
from .grid import Grid
from .image import Image, from_sitk, grid_from_sitk, set_geometry, to_sitk

MAX_VOXELS = 1024**3
MAX_LABELS_IN_AN_IMAGE = 12  # an intensity image has more distinct values than that
NIFTI = (".nii", ".nii.gz")
BLOCK_BYTES = 1 << 24  # of a file that is looked through
Say = Callable[[str], None]  # takes a sentence about what was guessed, dropped or converted


class InputError(ValueError):
    """A file cannot be used; the message names the file and the remedy."""


def unsaid(sentence: str) -> None:
    """The `Say` of a caller who has nobody to tell."""


def read_image(path: str | Path, say: Say = unsaid) -> Image:
    """Read a scalar intensity volume as float32; ``say`` hears what had to be decided.

    Raises:
        InputError: missing, unreadable, truncated, 2D/4D, vector, huge, empty, non-finite,
            constant, label-like, or with impossible voxel sizes.
    """
    image = _read_volume(path, say)
    array = image.array
    if array.min() == array.max():
        raise InputError(f"{path}: every voxel has the value {array.flat[0]}; the image is empty.")
    if _looks_like_labels(array):
        raise InputError(f"{path}: only {len(np.unique(array))} distinct whole values; this looks "
                         "like a segmentation. Give the intensity image instead.")
    return Image(array.astype(np.float32), image.grid)


def _looks_like_labels(array: np.ndarray) -> bool:
    """Whole values, of any type, and few different ones (sorting a whole image takes seconds)."""
    return (len(np.unique(array[::8, ::8, ::8])) <= MAX_LABELS_IN_AN_IMAGE
            and np.array_equal(array, np.round(array))
            and len(np.unique(array)) <= MAX_LABELS_IN_AN_IMAGE)


def read_labels(path: str | Path, say: Say = unsaid) -> Image:
    """Read a segmentation or mask as an integer volume (int32).

    Raises:
        InputError: as for images, or when the values are not whole non-negative numbers.
    """
    image = _read_volume(path, say)
    array = image.array
    if not np.array_equal(array, np.round(array)):
        raise InputError(f"{path}: has fractional values; give a segmentation (label map).")
    if array.min() < 0:
        raise InputError(f"{path}: has negative labels; labels are whole numbers from 0.")
    if not array.any():
        raise InputError(f"{path}: has no labelled voxel; the segmentation is empty.")
    if array.max() > 1_000_000 or len(np.unique(array)) > 2000:
        raise InputError(f"{path}: has {len(np.unique(array))} distinct values; this looks like an "
                         "intensity image. Give a segmentation instead.")
    return Image(array.astype(np.int32), image.grid)


def _read_volume(path: str | Path, say: Say) -> Image:
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(f"{path}: cannot be read as an image ({_last_line(error)}). Convert it "
                         "to NRRD or NIfTI.") from None
    size, components = reader.GetSize(), reader.GetNumberOfComponents()
    if components != 1:
        raise InputError(f"{path}: has {components} values per voxel (a vector or colour image); "
                         "give a scalar volume.")
    if len(size) == 4 and size[3] == 1:
        reader.SetExtractSize([*size[:3], 0])
        size = size[:3]
    if len(size) != 3:
        raise InputError(f"{path}: has {len(size)} dimensions; give a single 3D volume.")
    if min(size) < 4:
        raise InputError(f"{path}: is only {size[0]}x{size[1]}x{size[2]} voxels; give a 3D volume "
                         "with at least 4 voxels along each axis.")
    if np.prod([float(n) for n in size]) > MAX_VOXELS:
        raise InputError(f"{path}: {size[0]}x{size[1]}x{size[2]} voxels are more than the limit of "
                         "1024^3; crop or resample it first.")
    extent = np.array(size) * np.array(reader.GetSpacing()[:3])
    if extent.max() < 2.0 or extent.max() > 5000.0:
        raise InputError(f"{path}: the image is {extent.max():.4g} mm long, so its voxel size is "
                         "probably not in millimetres; correct the spacing in the header.")
    try:
        bad = _not_finite_nifti(path, reader) if path.name.lower().endswith(NIFTI) else 0
        image = from_sitk(reader.Execute())
    except (RuntimeError, ValueError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: is damaged or truncated ({_last_line(error)}); export it "
                         "again.") from None
    bad = bad or int((~np.isfinite(image.array)).sum())
    if bad:
        raise InputError(f"{path}: {bad} voxels are NaN or infinite; replace them by the "
                         "background value first.")
    return image


def _not_finite_nifti(path: Path, reader: sitk.ImageFileReader) -> int:
    """How many voxels of a NIfTI file are NaN or infinite.

    ITK reads these as 0, and voxels that a truncated file lacks as well, without a word.

    Raises:
        EOFError, OSError, zlib.error: the file lacks voxels, or its compressed data are damaged.
    """
    with open(path, "rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"  # some .nii.gz are not, which ITK takes
    with (gzip.open if compressed else open)(path, "rb") as stream:
        head = stream.read(352)
        order = "<" if head.startswith((348).to_bytes(4, "little")) else ">"
        stream.seek(max(348, int(np.frombuffer(head, f"{order}f4", 1, 108)[0])))
        value_bytes = int(reader.GetMetaData("bitpix")) // 8
        is_float = reader.GetMetaData("datatype") in ("16", "64")
        missing, bad = int(np.prod(reader.GetSize())) * value_bytes, 0
        while missing:
            block = stream.read(min(missing, BLOCK_BYTES))
            if not block:
                raise EOFError(f"{missing} bytes are missing")
            missing -= len(block)
            if is_float:
                bad += int((~np.isfinite(np.frombuffer(block, f"{order}f{value_bytes}"))).sum())
        while stream.read(BLOCK_BYTES):  # at the end of compressed data is their checksum
            pass
    return bad


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:160] if lines else type(error).__name__


def write_image(image: Image, path: str | Path, compress: bool = True) -> None:
    """Write a scalar volume (any SimpleITK format); float arrays as float32."""
    array = image.to_numpy().array
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    elif array.dtype == bool:
        array = array.astype(np.uint8)
    sitk.WriteImage(to_sitk(Image(array, image.grid)), str(path), compress)


def write_field(field: DisplacementField, path: str | Path) -> None:
    """Write a displacement field as a float32 vector image (mm LPS, fixed grid), uncompressed."""
    vectors = np.ascontiguousarray(field.to_numpy().vectors, dtype=np.float32)
    image = set_geometry(sitk.GetImageFromArray(vectors, isVector=True), field.grid)
    sitk.WriteImage(image, str(path), False)


def read_field(path: str | Path, say: Say = unsaid) -> DisplacementField:
    """Read a displacement field (three values per voxel, mm LPS).

    Raises:
        InputError: unreadable, or not a 3D image with three values per voxel.
    """
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(f"{path}: cannot be read as a displacement field "
                         f"({_last_line(error)}).") from None
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 3:
        raise InputError(f"{path}: is not a displacement field (3D, three values per voxel).")
    vectors = sitk.GetArrayFromImage(image).astype(np.float32, copy=False)
    return DisplacementField(vectors, grid_from_sitk(image))


def read_points(path: str | Path, say: Say = unsaid) -> tuple[list[str], np.ndarray]:
    """Read landmarks: CSV ``label,x,y,z`` in LPS mm, Slicer ``.mrk.json`` or ``.fcsv``.

    Returns:
        Labels, and (P, 3) LPS mm.

    Raises:
        InputError: missing file, unknown format, or a line without three numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    try:
        if path.name.endswith(".json"):
            labels, points = _points_json(path)
        elif path.suffix == ".fcsv":
            labels, points = _points_fcsv(path)
        else:
            labels, points = _points_csv(path)
    except (ValueError, KeyError, IndexError, TypeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as landmarks ({_last_line(error)}); use a CSV "
                         "with columns label,x,y,z in LPS mm, .mrk.json or .fcsv.") from None
    if not labels:
        raise InputError(f"{path}: contains no landmark.")
    points = np.array(points, dtype=np.float64)
    if not np.isfinite(points).all():
        raise InputError(f"{path}: has a landmark whose position is not a number.")
    return labels, points


def write_points(labels: list[str], points: np.ndarray, path: str | Path) -> None:
    """Write landmarks as CSV ``label,x,y,z``, LPS mm."""
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["label", "x", "y", "z"])
        writer.writerows([label, *map(float, point)] for label, point in zip(labels, points))


def _points_csv(path: Path) -> tuple[list[str], list]:
    with open(path, newline="", encoding="utf-8-sig") as stream:
        rows = [row for row in csv.reader(stream) if row and not row[0].startswith("#")]
    if rows and not any(map(_is_number, rows[0][1:])):  # a heading
        rows = rows[1:]
    if any(len(row) != 4 for row in rows):
        raise ValueError("a row does not have the four columns label,x,y,z")
    return [row[0] for row in rows], [[float(v) for v in row[1:4]] for row in rows]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _points_json(path: Path) -> tuple[list[str], list]:
    content = json.loads(path.read_text(encoding="utf-8"))
    labels, points = [], []
    for markup in content["markups"]:
        sign = _lps_sign(markup.get("coordinateSystem", "LPS"))
        for point in markup["controlPoints"]:
            if point.get("position") is not None:
                labels.append(str(point.get("label") or len(labels) + 1))
                points.append(np.array(point["position"], float) * sign)
    return labels, points


def _points_fcsv(path: Path) -> tuple[list[str], list]:
    labels, points, sign = [], [], np.array([-1.0, -1.0, 1.0])  # old files without header: RAS
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            if "CoordinateSystem" in line:
                sign = _lps_sign(line.split("=")[1].strip())
        elif line.strip():
            cells = next(csv.reader([line]))
            points.append(np.array(cells[1:4], float) * sign)
            labels.append(cells[11] if len(cells) > 11 and cells[11] else cells[0])
    return labels, points


def _lps_sign(system: str) -> np.ndarray:
    """Factors that bring a point of ``system`` (LPS/RAS, also 1/0) to LPS."""
    if system.upper() in ("LPS", "1"):
        return np.array([1.0, 1.0, 1.0])
    if system.upper() in ("RAS", "0"):
        return np.array([-1.0, -1.0, 1.0])
    raise ValueError(f"unknown coordinate system {system}")


def check_overlap(fixed: Grid, moving: Grid, fixed_name: str, moving_name: str) -> None:
    """Refuse two images whose fields of view do not meet in physical space.

    Raises:
        InputError: the bounding boxes (LPS mm) are disjoint.
    """
    a, b = fixed.corners(), moving.corners()
    gap = np.maximum(a.min(0) - b.max(0), b.min(0) - a.max(0)).max()
    if gap > 0:
        raise InputError(f"{fixed_name} and {moving_name} do not overlap in space (they are "
                         f"{gap:.0f} mm apart); align them roughly first.")
