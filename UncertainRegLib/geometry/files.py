"""Reading and writing images, label maps and points; bad files get one clear sentence."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError, Say, unsaid
from .errors import last_line as _last_line
from .grid import Grid
from .image import Image, to_sitk
from .volume import read_volume

MAX_LABELS_IN_AN_IMAGE = 12  # an intensity image has more distinct values than that


def read_image(path: str | Path, say: Say = unsaid) -> Image:
    """Read a scalar intensity volume as float32; ``say`` hears what had to be decided.

    Raises:
        InputError: missing, unreadable, truncated, 2D/4D, vector, huge, empty, non-finite,
            constant, label-like, or with impossible voxel sizes.
    """
    image = read_volume(path, say)
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
    image = read_volume(path, say, "nearest")
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


def write_image(image: Image, path: str | Path, compress: bool = True) -> None:
    """Write a scalar volume (any SimpleITK format); float arrays as float32."""
    array = image.to_numpy().array
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    elif array.dtype == bool:
        array = array.astype(np.uint8)
    sitk.WriteImage(to_sitk(Image(array, image.grid)), str(path), compress)


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
