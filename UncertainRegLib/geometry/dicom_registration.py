"""A registration as DICOM Deformable Spatial Registration, for planning systems.

The program plastimatch writes it; what it wrote is read back with pydicom and compared. In the
standard (PS3.3 C.20.3) the grid lies in the registered frame of reference, here that of the fixed
image, and its vectors in mm lead to the source, the moving image: those of `DisplacementField`.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from .dicom import frame_of_reference, open_dicom
from .errors import InputError, unsaid
from .field import DisplacementField
from .field_file import write_field
from .grid import Grid

COMMAND = "plastimatch"
LARGEST_GAP_MM = 0.01
POINTS = 1000


def write_dicom_registration(
    field: DisplacementField, fixed_series: str | Path, moving_series: str | Path, out: str | Path
) -> Path:
    """Write ``field`` (mm LPS, fixed to moving) as one file in a new or empty folder ``out``.

    Args:
        fixed_series, moving_series: folders with the DICOM series that were registered; their
            frames of reference are named in the file.

    Returns:
        The file, which gives the same displacements when it is read.

    Raises:
        InputError: plastimatch or pydicom is missing, a folder has no DICOM series, the fixed one
            lies elsewhere than the field, ``out`` holds something, or what was written is another
            registration.
    """
    out = Path(out)
    frames = [_frame_of(Path(series)) for series in (fixed_series, moving_series)]
    _check_place(field.grid, Path(fixed_series))
    program = shutil.which(COMMAND)
    if program is None:
        raise InputError(
            "DICOM registrations are written by the program plastimatch, which is not on the PATH: "
            "install it (pip install plastimatch)."
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is not empty; choose a new folder for the DICOM registration.")
    with tempfile.TemporaryDirectory() as name:
        source, written = Path(name) / "field.nrrd", Path(name) / "dicom"
        write_field(field, source)
        done = subprocess.run(
            [program, "xf-convert", "--input", str(source), "--output-dicom", str(written)]
            + ["--fixed-rcs", str(fixed_series), "--moving-rcs", str(moving_series)],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
        files = sorted(written.glob("*.dcm")) if written.is_dir() else []
        if done.returncode or len(files) != 1:
            said = " ".join((done.stderr or done.stdout).split())[-200:]
            raise InputError(f"plastimatch could not write the DICOM registration: {said}")
        found, theirs = read_dicom_registration(files[0])
        gap = _largest_gap(field, found)
        if gap > LARGEST_GAP_MM or list(theirs) != frames:
            raise InputError(
                f"plastimatch wrote another registration than it was given (up to {gap:.3g} mm); "
                "it was not kept. Another version of plastimatch may do better."
            )
        out.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(files[0], out))


def read_dicom_registration(path: str | Path) -> tuple[DisplacementField, tuple[str, str]]:
    """The field of a DICOM Deformable Spatial Registration, mm LPS, registered to source frame, and
    the two frames of reference.

    Raises:
        InputError: no such file, several registrations in it, or matrices beside the grid, which
            are not read.
    """
    data = _pydicom(path).dcmread(path)
    entries = list(data.get("DeformableRegistrationSequence") or [])
    if len(entries) != 1 or not entries[0].get("DeformableRegistrationGridSequence"):
        raise InputError(f"{path}: does not hold one deformable registration.")
    entry = entries[0]
    for name in ("Pre", "Post"):
        for one in entry.get(f"{name}DeformationMatrixRegistrationSequence") or ():
            matrix = np.array(one.FrameOfReferenceTransformationMatrix, float).reshape(4, 4)
            if not np.allclose(matrix, np.eye(4), atol=1e-6):
                raise InputError(f"{path}: has a matrix beside its grid, which is not read.")
    grid = entry.DeformableRegistrationGridSequence[0]
    row, column = np.array(grid.ImageOrientationPatient, float).reshape(2, 3)
    shape = tuple(int(n) for n in grid.GridDimensions)[::-1]
    place = Grid.from_spacing(
        shape,
        [float(mm) for mm in grid.GridResolution],
        [float(mm) for mm in grid.ImagePositionPatient],
        np.stack([row, column, np.cross(row, column)], axis=1),
    )
    vectors = np.frombuffer(grid.VectorGridData, "<f4").reshape(*shape, 3)
    frames = str(data.FrameOfReferenceUID), str(entry.SourceFrameOfReferenceUID)
    return DisplacementField(vectors, place), frames


def _largest_gap(one: DisplacementField, other: DisplacementField) -> float:
    """How far two fields carry a point apart, mm, at most of `POINTS` all over the first one."""
    index = np.random.default_rng(0).uniform(0, one.grid.size - 1, (POINTS, 3))
    points = one.grid.to_world(index)
    return float(np.linalg.norm(one.at(points) - other.at(points), axis=-1).max())


def _frame_of(folder: Path) -> str:
    _pydicom(folder)
    found = frame_of_reference(folder) if folder.is_dir() else None
    if found is None:
        raise InputError(
            f"{folder}: is no folder with a DICOM series; give the series that was registered."
        )
    return found


def _check_place(grid: Grid, series: Path) -> None:
    """Refuse a fixed series that does not fill the same box as the field: its frame of reference
    would be that of another image.

    Raises:
        InputError: it does not, to a voxel.
    """
    stored = open_dicom(series, unsaid)
    theirs = Grid((stored.size[2], stored.size[1], stored.size[0]), stored.affine)
    boxes = [np.sort(one.corners(), axis=0)[[0, -1]] for one in (grid, theirs)]
    gap = float(np.abs(boxes[0] - boxes[1]).max())
    if gap > theirs.spacing.max():
        raise InputError(
            f"{series}: is not the series of the fixed image: they fill different places, up to "
            f"{gap:.3g} mm apart. Give the series that was registered."
        )


def _pydicom(path):
    try:
        import pydicom
    except ImportError:
        raise InputError(
            f"{path}: DICOM registrations are read with pydicom, which is not installed: "
            "pip install pydicom"
        ) from None
    return pydicom
