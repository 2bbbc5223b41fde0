"""A folder of DICOM files: one series, its slices in the order of their positions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError, Say
from .stored import LPS, Stored

UNEVEN_VOXELS = 0.1  # a slice may lie that far from its place, in slice distances
_POSITION, _DESCRIPTION = "0020|0032", "0008|103e"


def open_dicom(folder: Path, say: Say) -> Stored:
    """The one series in a folder, read through SimpleITK (GDCM).

    Slices of a tilted gantry give a sheared grid.

    Raises:
        InputError: no series, several, or slices that do not make one even volume.
    """
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if not series:
        raise InputError(
            f"{folder}: is a folder without DICOM images (folders in it are not "
            "searched); give an image file or the folder of one DICOM series."
        )
    if len(series) > 1:
        listed = "; ".join(_described(folder, identity) for identity in series)
        raise InputError(
            f"{folder}: holds {len(series)} DICOM series ({listed}); put the files of "
            "one into a folder of its own."
        )
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0])
    slices = [_header(name) for name in names]
    first = slices[0]
    if len(slices) == 1:
        return Stored(
            first.GetSize(),
            first.GetNumberOfComponents(),
            _affine(first),
            lambda: sitk.GetArrayFromImage(first.Execute()),
            LPS,
        )
    _check_alike(folder, slices)
    slices, affine = _ordered(folder, slices)

    def read() -> np.ndarray:
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames([one.GetFileName() for one in slices])
        reader.SetOutputPixelType(sitk.sitkFloat32)  # each slice has a slope of its own
        return sitk.GetArrayFromImage(reader.Execute())

    return Stored(
        (*first.GetSize()[:2], len(slices)), first.GetNumberOfComponents(), affine, read, LPS
    )


def frame_of_reference(path: str | Path) -> str | None:
    """The frame of reference of a DICOM file, or of the first file in a folder that has one.

    A folder may hold other files, too. None without any, or without pydicom.
    """
    try:
        import pydicom
    except ImportError:
        return None
    path = Path(path)
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        try:
            found = pydicom.dcmread(file, stop_before_pixels=True).get("FrameOfReferenceUID")
        except Exception:  # no DICOM
            continue
        if found:
            return str(found)
    return None


def _described(folder: Path, identity: str) -> str:
    """A series for a sentence: its description, number of files, and the first of them."""
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), identity)
    reader = _header(names[0])
    title = reader.GetMetaData(_DESCRIPTION).strip() if reader.HasMetaDataKey(_DESCRIPTION) else ""
    return f"{title or identity}: {len(names)} files, {Path(names[0]).name} …"


def _header(name: str) -> sitk.ImageFileReader:
    """A reader that has read the header of one file."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(name)
    reader.ReadImageInformation()
    return reader


def _check_alike(folder: Path, slices: list[sitk.ImageFileReader]) -> None:
    first = slices[0]
    for one in slices:
        name = Path(one.GetFileName()).name
        if not one.HasMetaDataKey(_POSITION):
            raise InputError(f"{folder}: {name} has no position in space; leave it out.")
        if (
            one.GetSize() != first.GetSize()
            or not np.allclose(one.GetDirection(), first.GetDirection(), atol=1e-3)
            or not np.allclose(one.GetSpacing()[:2], first.GetSpacing()[:2], rtol=1e-3)
        ):
            raise InputError(
                f"{folder}: {name} has another size, voxel size or direction than "
                f"{Path(first.GetFileName()).name}; leave out what is no slice of the "
                "volume."
            )


def _ordered(folder: Path, slices: list[sitk.ImageFileReader]):
    """The slices along their normal, and the (4, 4) voxel index to LPS mm of their volume.

    Raises:
        InputError: two slices at one place, or distances that are not even.
    """
    affine = _affine(slices[0])
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    normal /= np.linalg.norm(normal)
    positions = np.array(
        [[float(value) for value in one.GetMetaData(_POSITION).split("\\")] for one in slices]
    )
    order = np.argsort(positions @ normal, kind="stable")
    positions, slices = positions[order], [slices[n] for n in order]
    steps = np.diff(positions @ normal)
    if steps.min() < 1e-3:
        name = Path(slices[int(steps.argmin()) + 1].GetFileName()).name
        raise InputError(
            f"{folder}: has several slices at one place ({name} and another), as in a "
            "series over time; put one volume into a folder of its own."
        )
    step = (positions[-1] - positions[0]) / (len(slices) - 1)
    even = positions[0] + np.arange(len(slices))[:, None] * step
    if np.linalg.norm(positions - even, axis=1).max() > UNEVEN_VOXELS * np.linalg.norm(step):
        widest = int(steps.argmax())
        pair = " and ".join(Path(one.GetFileName()).name for one in slices[widest : widest + 2])
        raise InputError(
            f"{folder}: its slices are {steps.min():.4g} to {steps.max():.4g} mm "
            f"apart (most between {pair}); one may be missing. Complete the series, "
            "or resample it to even slices first."
        )
    affine[:3, 2], affine[:3, 3] = step, positions[0]
    return slices, affine


def _affine(reader: sitk.ImageFileReader) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.array(reader.GetDirection()).reshape(3, 3) * reader.GetSpacing()
    affine[:3, 3] = reader.GetOrigin()
    return affine
