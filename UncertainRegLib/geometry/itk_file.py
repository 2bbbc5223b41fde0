"""NRRD, MetaImage and others, read by SimpleITK; and what it leaves unread in their headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError, Say, last_line
from .stored import LPS, UNKNOWN_UNIT, Stored

_MM = {
    "mm": 1.0,
    "millimeter": 1.0,
    "millimeters": 1.0,
    "millimetre": 1.0,
    "millimetres": 1.0,
    "cm": 10.0,
    "m": 1000.0,
    "meter": 1000.0,
    "meters": 1000.0,
    "metre": 1000.0,
    "metres": 1000.0,
    "um": 0.001,
    "µm": 0.001,
    "μm": 0.001,
    "micron": 0.001,
    "microns": 0.001,
    "micrometer": 0.001,
    "micrometers": 0.001,
    "nm": 1e-6,
}
_AXES = {
    "right": (0, -1.0),
    "left": (0, 1.0),
    "anterior": (1, -1.0),
    "posterior": (1, 1.0),
    "superior": (2, 1.0),
    "inferior": (2, -1.0),
}
_LETTERS = {name[0]: name for name in _AXES}
_WITHOUT_ORIENTATION = (
    "VTKImageIO",
    "TIFFImageIO",
    "GiplImageIO",
    "LSMImageIO",
    "BioRadImageIO",
    "MRCImageIO",
    "StimulateImageIO",
    "PNGImageIO",
    "JPEGImageIO",
    "BMPImageIO",
)
_HEADER_BYTES = 1 << 20


def open_with_itk(path: Path, say: Say) -> Stored:
    """What the header of a file says that SimpleITK reads; ``say`` hears what was converted.

    Raises:
        InputError: SimpleITK cannot read the header, or its unit of length is not known.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(
            f"{path}: cannot be read as an image ({last_line(error)}). Convert it to NRRD or NIfTI."
        ) from None
    size, kind = reader.GetSize(), reader.GetImageIOFromFileName(str(path))
    spacing = np.array((*reader.GetSpacing(), 1, 1)[:3])
    factor, stated, fields, voxels_at = 1.0, None, dict[str, str](), 0
    frame: np.ndarray | str = LPS
    if kind == "NrrdImageIO":
        fields, voxels_at = _fields(path, ":")
        factor = _factor(path, _quoted(fields.get("space units") or fields.get("units", "")))
        frame, stated = _vector_frame(fields), _nrrd_affine(fields)
        if stated is None:
            _say_unoriented(path, spacing * factor, say, fields.get("space"))
        if "space origin" not in fields:
            _say_unplaced(path, say)
    elif kind == "MetaImageIO":
        fields, voxels_at = _fields(path, "=")
        factor = _factor(path, [fields.get("distanceunits", "")])
        if not {"transformmatrix", "rotation", "orientation"} & fields.keys():
            _say_unoriented(path, spacing * factor, say)
        elif not {"elementspacing", "elementsize"} & fields.keys():
            say(f"{path}: has no voxel size; its voxels are taken as 1 mm long.")
        if any(float(size) < 0 for size in fields.get("elementspacing", "").split()):
            say(f"{path}: has a negative voxel size; that axis is taken to run the other way.")
        if not {"offset", "position", "origin"} & fields.keys():
            _say_unplaced(path, say)
    elif kind == "GDCMImageIO" and size[2:3] == (1,):
        raise InputError(
            f"{path}: is a single slice of a DICOM series; give the folder that holds the series."
        )
    elif kind in _WITHOUT_ORIENTATION:
        _say_unoriented(path, spacing, say)
    if factor != 1.0:
        say(f"{path}: is not in millimetres by its header; converted (1 unit is {factor:g} mm).")
        frame = UNKNOWN_UNIT
    if fields:
        _say_left_over(path, fields, voxels_at, reader, say)
    if len(size) == 4 and size[3] == 1:
        reader.SetExtractSize([*size[:3], 0])
        size = size[:3]

    def read() -> np.ndarray:
        array = sitk.GetArrayFromImage(reader.Execute())
        slope = np.float32(fields.get("elementtointensityfunctionslope", 1))
        offset = np.float32(fields.get("elementtointensityfunctionoffset", 0))
        return array if (slope, offset) == (1, 0) else array * slope + offset

    affine = _affine(reader) if stated is None else stated
    affine = np.diag([factor] * 3 + [1.0]) @ affine
    return Stored(size, reader.GetNumberOfComponents(), affine, read, frame)


def _affine(reader: sitk.ImageFileReader) -> np.ndarray:
    """(4, 4) of the first three axes, in the unit of the file; slices of a 2-D file are 1 apart."""
    dimension = reader.GetDimension()
    spatial = min(dimension, 3)
    affine = np.eye(4)
    direction = np.array(reader.GetDirection()).reshape(dimension, dimension)[:spatial, :spatial]
    affine[:spatial, :spatial] = direction * reader.GetSpacing()[:spatial]
    affine[:spatial, 3] = reader.GetOrigin()[:spatial]
    return affine


def _say_unoriented(path: Path, spacing: np.ndarray, say: Say, space: str | None = None) -> None:
    why = f"its space {space!r} is not anatomical" if space else "none is given"
    say(
        f"{path}: has no orientation ({why}); its axes are taken as L, P and S and its voxels as "
        f"{' x '.join(f'{s:.4g}' for s in spacing)} mm."
    )


def _say_unplaced(path: Path, say: Say) -> None:
    say(f"{path}: does not say where it lies; its first voxel is taken to be at 0, 0, 0 mm.")


def _say_left_over(
    path: Path, fields: dict[str, str], voxels_at: int, reader: sitk.ImageFileReader, say: Say
) -> None:
    """Say when uncompressed voxels are followed by more bytes, as where the header gives too few
    voxels, or does not tell what comes before them. ``voxels_at``: the length of the header."""
    beside = fields.get("data file") or fields.get("datafile") or fields.get("elementdatafile", "")
    file = path.parent / beside if beside.lower() not in ("", "local") else path
    skip = int(fields.get("byte skip") or fields.get("headersize") or 0)
    is_raw = fields.get("encoding", "raw").lower() == "raw"
    is_raw &= fields.get("compresseddata", "").lower() not in ("true", "1")
    is_raw &= fields.get("binarydata", "true").lower() in ("true", "1")
    if not is_raw or skip < 0 or "line skip" in fields or not file.is_file():
        return
    voxel = sitk.Image([1] * reader.GetDimension(), reader.GetPixelID())
    values = np.prod([float(n) for n in reader.GetSize()]) * reader.GetNumberOfComponents()
    needed = int(values) * voxel.GetSizeOfPixelComponent() + skip
    extra = file.stat().st_size - needed - (voxels_at if file == path else 0)
    if extra > 0:
        say(
            f"{file}: {extra} bytes follow the last voxel and were left unread; check that the "
            "header is right."
        )


def _fields(path: Path, separator: str) -> tuple[dict[str, str], int]:
    """The lines ``name separator value`` of a text header, names in lower case, and the length of
    the header in bytes."""
    with open(path, "rb") as stream:
        head = stream.read(_HEADER_BYTES)
    found, length = {}, 0
    for line in head.split(b"\n"):
        length += len(line) + 1
        name, here, value = line.decode("utf-8", "replace").strip().partition(separator)
        if here and not name.startswith("#") and not value.startswith("="):
            found[name.strip().lower()] = value.strip()
        if not name or "elementdatafile" in found:  # voxels follow
            break
    return found, length


def _quoted(text: str) -> list[str]:
    """The words between quotation marks, as NRRD lists units."""
    return text.split('"')[1::2]


def _factor(path: Path, units: list[str]) -> float:
    """Millimetres of the unit in which a header is written.

    Raises:
        InputError: a unit that is not known, or different ones.
    """
    known = {unit.strip().lower() for unit in units} - {"", "?", "none", "???"}
    if not known:
        return 1.0
    factors = {_MM[unit] for unit in known if unit in _MM}
    if not known <= _MM.keys() or len(factors) > 1:
        raise InputError(
            f"{path}: its unit of length is {', '.join(sorted(known))!r}, which is "
            "not known; write the header in mm."
        )
    return factors.pop()


def _lps_from(space: str) -> np.ndarray | None:
    """(3, 3) from an anatomical NRRD space to LPS; None for other spaces."""
    words = space.lower().replace("-time", "").split("-")
    if len(words) == 1:
        words = [_LETTERS.get(letter, "") for letter in words[0][:3]]
    if len(words) != 3 or not set(words) <= _AXES.keys():
        return None
    matrix = np.zeros((3, 3))
    for column, word in enumerate(words):
        axis, sign = _AXES[word]
        matrix[axis, column] = sign
    return matrix if abs(np.linalg.det(matrix)) == 1 else None


def _nrrd_affine(fields: dict[str, str]) -> np.ndarray | None:
    """(4, 4) voxel index to LPS in the unit of the file; None without an anatomical space.

    ITK turns the wrong axis of a file in left-anterior-superior.
    """
    space = _lps_from(fields.get("space", ""))
    columns = _vectors(fields.get("space directions", ""))
    if space is None or columns.shape != (3, 3):
        return None
    affine = np.eye(4)
    affine[:3, :3] = space @ columns.T
    origin = _vectors(fields.get("space origin", ""))
    affine[:3, 3] = space @ origin[0] if origin.shape == (1, 3) else 0.0
    return affine


def _vectors(text: str) -> np.ndarray:
    """The vectors ``(x,y,z)`` in a line of an NRRD header, one a row; ``none`` is left out."""
    try:
        return np.array(
            [
                [float(value) for value in vector.split(")")[0].split(",")]
                for vector in text.split("(")[1:]
            ]
        )
    except ValueError:
        return np.zeros((0, 0))


def _vector_frame(fields: dict[str, str]) -> np.ndarray | str:
    """(3, 3) that turns components of an NRRD's vectors to LPS, or why that is not known.

    ITK turns the geometry of a file to LPS, but never its vectors. Without a measurement frame
    they are taken as LPS in a file in LPS, as ITK writes them.
    """
    space = _lps_from(fields.get("space", ""))
    text = fields.get("measurement frame", "")
    if not text:
        if space is not None and np.array_equal(space, LPS):
            return LPS
        return (
            "its space is not LPS and it has no measurement frame, so the frame of its "
            "vectors is not known; save it in the space left-posterior-superior"
        )
    frame = _vectors(text).T
    if space is None or frame.shape != (3, 3) or not np.allclose(frame.T @ frame, LPS, atol=1e-3):
        return f"its measurement frame {text} in its space is no usable frame; correct the header"
    return space @ frame
