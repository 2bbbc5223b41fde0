"""Reading a radiotherapy dose: DICOM RT Dose, or an image whose unit is said beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .dicom import UNEVEN_VOXELS
from .errors import InputError, Say, unsaid
from .files import read_image
from .grid import Grid
from .image import Image

UNITS = {"Gy": 1.0, "cGy": 0.01}  # name: one of it in Gy
LARGEST_GY = 200.0  # no treatment gives more: the unit is another one
LEAST_GY = 1.0  # the largest dose of a treatment; less is seldom meant
NEAR_MM = 0.1  # slice offsets count from 0 or are positions: which one is seen to that


def read_dose(path: str | Path, unit: str = "", say: Say = unsaid) -> Image:
    """A dose as an image in Gy; ``say`` hears what had to be decided.

    Args:
        path: a DICOM RT Dose file, or an image (NRRD, NIfTI, MetaImage, …).
        unit: of the values of an image, one of `UNITS`. An RT Dose has its own.

    Raises:
        InputError: not a dose, without a unit or with another one, relative, a dose of errors, or
            on uneven slices; or the reading of RT Dose needs pydicom, which is not there.
    """
    path = Path(path)
    if unit and unit not in UNITS:
        raise InputError(f"{unit} is no unit of a dose; give {' or '.join(UNITS)}.")
    if _is_dicom(path):
        if unit:
            say(f"{path}: an RT Dose has its own unit; {unit} was not used.")
        return _checked(_read_rt_dose(path, say), path)
    if not unit:
        raise InputError(f"{path}: has no unit of its own; say whether it is in Gy or in cGy.")
    image = read_image(path, say)
    dose = _checked(Image(image.array * np.float32(UNITS[unit]), image.grid), path)
    if dose.array.max() < LEAST_GY:
        say(
            f"{path}: goes up to {dose.array.max():.2g} Gy only, if its values are in {unit}; is its "
            "unit another one?"
        )
    return dose


def _checked(dose: Image, path: Path) -> Image:
    """Refuse what no dose can be."""
    low, high = float(dose.array.min()), float(dose.array.max())
    if high <= 0:
        raise InputError(f"{path}: holds no dose: it is nowhere above 0 Gy.")
    if high > LARGEST_GY:
        raise InputError(
            f"{path}: goes up to {high:.0f} Gy, which no treatment gives; is its unit another one?"
        )
    if low < -0.01 * high:
        raise InputError(f"{path}: has negative values ({low:.3g} Gy); give a dose, not a change.")
    return Image(dose.array.clip(min=0.0), dose.grid)


def _is_dicom(path: Path) -> bool:
    if path.suffix.lower() == ".dcm":
        return True
    try:
        with open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False  # the reader of images says why


def _read_rt_dose(path: Path, say: Say) -> Image:
    try:
        import pydicom
    except ImportError:
        raise InputError(
            f"{path}: DICOM RT Dose is read with pydicom, which is not installed: "
            "pip install pydicom"
        ) from None
    try:
        data = pydicom.dcmread(path)
    except Exception as error:
        raise InputError(f"{path}: cannot be read as DICOM ({error}).") from None
    if data.get("Modality") != "RTDOSE":
        raise InputError(
            f"{path}: is DICOM of the kind {data.get('Modality', 'unknown')}, not an RT Dose."
        )
    units, kind = data.get("DoseUnits"), data.get("DoseType")
    if units != "GY":
        raise InputError(
            f"{path}: its dose is {str(units).lower()}, not in Gy; export it as absolute dose."
        )
    if kind == "ERROR":
        raise InputError(f"{path}: holds the error of a dose, not a dose.")
    if kind != "PHYSICAL":
        say(f"{path}: its dose is {str(kind).lower()}, not physical; bands are of that dose.")
    if data.get("DoseSummationType") != "PLAN":
        of = str(data.get("DoseSummationType", "an unknown part")).lower().replace("_", " ")
        say(f"{path}: is not said to be the dose of a whole plan, but of {of}.")
    try:
        values = data.pixel_array.astype(np.float64) * float(data.DoseGridScaling)
        return Image(values.astype(np.float32), _grid(data, values.shape, path))
    except InputError:
        raise
    except Exception as error:  # what is missing, or how it is packed
        raise InputError(f"{path}: its dose cannot be read ({error}).") from None


def _grid(data, shape: tuple[int, ...], path: Path) -> Grid:
    """Where its voxels are, LPS mm: pixels as in any DICOM image, slices by their offsets.

    Raises:
        InputError: a single slice, uneven ones, or offsets of an unknown meaning.
    """
    offsets = [float(value) for value in data.get("GridFrameOffsetVector") or ()]
    if len(shape) != 3 or len(offsets) != shape[0] or shape[0] < 2:
        raise InputError(f"{path}: has no volume of slices with their offsets.")
    affine = np.eye(4)
    row, column = np.array(data.ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(row, column)
    steps = np.diff(offsets)
    if np.abs(steps - steps.mean()).max() > UNEVEN_VOXELS * abs(steps.mean()):
        raise InputError(
            f"{path}: its slices are {np.abs(steps).min():.4g} to {np.abs(steps).max():.4g} mm "
            "apart; resample it to even slices first."
        )
    between_rows, between_columns = (float(value) for value in data.PixelSpacing)
    affine[:3, 0], affine[:3, 1] = row * between_columns, column * between_rows
    affine[:3, 2] = normal * steps.mean()
    position = np.array(data.ImagePositionPatient, float)
    if abs(offsets[0]) > NEAR_MM and abs(offsets[0] - position @ normal) > NEAR_MM:
        raise InputError(
            f"{path}: its slice offsets begin with {offsets[0]:.4g} mm, which is neither 0 nor "
            "where its first slice lies; export it again."
        )
    affine[:3, 3] = position
    return Grid(shape, affine)
