"""NIfTI-1, NIfTI-2 and ANALYZE: what their headers say about space, and the voxels.

ITK does not read these files here. Of a qform and an sform that disagree it takes one without a
word, it refuses or drops a sheared one, fills what is missing with 0, reads NaN as 0, and does
not know NIfTI-2.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .errors import InputError, Say
from .grid import largest_shift
from .stored import LPS, RAS_TO_LPS, UNKNOWN_UNIT, Stored

BLOCK_BYTES = 1 << 24
ORDERS: tuple[Literal["<", ">"], ...] = ("<", ">")
AGREEMENT_VOXELS = 0.1  # headers that differ by less, anywhere in the image, say the same

_KINDS = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
_COLOURS = {128: 3, 2304: 4}
_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # by the lowest three bits of xyzt_units
_VECTOR_INTENTS = {1006: RAS_TO_LPS, 1007: LPS}


def _layout(size: int, **fields: tuple[int, str]) -> np.dtype:
    return np.dtype(
        {
            "names": list(fields),
            "formats": [kind for _, kind in fields.values()],
            "offsets": [offset for offset, _ in fields.values()],
            "itemsize": size,
        }
    )


_LAYOUTS = {
    348: _layout(
        348,
        dim=(40, "8i2"),
        intent_code=(68, "i2"),
        datatype=(70, "i2"),
        pixdim=(76, "8f4"),
        vox_offset=(108, "f4"),
        scl_slope=(112, "f4"),
        scl_inter=(116, "f4"),
        xyzt_units=(123, "u1"),
        qform_code=(252, "i2"),
        sform_code=(254, "i2"),
        quatern=(256, "3f4"),
        qoffset=(268, "3f4"),
        srow=(280, "(3,4)f4"),
        magic=(344, "S4"),
    ),
    540: _layout(
        540,
        magic=(4, "S4"),
        datatype=(12, "i2"),
        dim=(16, "8i8"),
        pixdim=(104, "8f8"),
        vox_offset=(168, "i8"),
        scl_slope=(176, "f8"),
        scl_inter=(184, "f8"),
        qform_code=(344, "i4"),
        sform_code=(348, "i4"),
        quatern=(352, "3f8"),
        qoffset=(376, "3f8"),
        srow=(400, "(3,4)f8"),
        xyzt_units=(500, "i4"),
        intent_code=(504, "i4"),
    ),
}


@dataclass(frozen=True)
class Header:
    """A header, ``fields`` of one of the two layouts, and the file that it is in."""

    path: Path
    fields: np.void
    order: Literal["<", ">"]

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels along all axes that are there."""
        return tuple(int(n) for n in self["dim"][1 : 1 + int(self["dim"][0])])

    @property
    def is_analyze(self) -> bool:
        """Is it the older ANALYZE 7.5, where the places of the orientation hold other things?"""
        return bytes(self["magic"])[:1] != b"n"

    @property
    def in_one_file(self) -> bool:
        """Do the voxels follow the header, or are they in an .img file beside it?"""
        return bytes(self["magic"])[1:2] == b"+"


def read_header(path: Path) -> Header | None:
    """The header of a NIfTI file, of either version and byte order; None for other files.

    Raises:
        OSError, EOFError, zlib.error: the file cannot be read.
    """
    if path.name.lower().endswith((".img", ".img.gz")):
        beside = path.with_name(path.name[: path.name.lower().rindex(".img")] + ".hdr")
        path = beside if beside.is_file() else path
    with _opened(path) as stream:
        head = stream.read(540)
    for order in ORDERS:
        layout = _LAYOUTS.get(int(np.frombuffer(head[:4].ljust(4), f"{order}i4")[0]))
        if layout is not None and len(head) >= layout.itemsize:
            fields = np.frombuffer(head, layout.newbyteorder(order), 1)[0]
            if bytes(fields["magic"])[:3] in (
                b"n+1",
                b"ni1",
                b"n+2",
                b"ni2",
            ) or path.name.lower().endswith((".hdr", ".hdr.gz")):
                return Header(path, fields, order)
    return None


def open_nifti(header: Header, say: Say) -> Stored:
    """What a NIfTI header says; ``say`` hears what had to be chosen.

    Raises:
        InputError: values of a kind that is no number a voxel, or no usable geometry.
    """
    path, code, shape = header.path, int(header["datatype"]), header.shape
    if not 1 <= header["dim"][0] <= 7 or min(shape) < 1:
        raise InputError(
            f"{path}: its header gives the sizes {list(map(int, header['dim']))}, "
            "which is impossible; export it again."
        )
    if code not in _KINDS and code not in _COLOURS:
        raise InputError(
            f"{path}: its values are of NIfTI type {code} (complex or unknown), which "
            "is not supported; convert it to float."
        )
    components = _COLOURS.get(code, 1)
    intent = int(header["intent_code"])
    if len(shape) >= 5 and shape[3] == 1 and shape[4] > 1 and set(shape[5:]) <= {1}:
        shape, components = shape[:3], shape[4]
    elif len(shape) == 4 and shape[3] == 3 and intent in _VECTOR_INTENTS:
        shape, components = shape[:3], 3
    else:
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
    frame = _VECTOR_INTENTS.get(
        intent,
        f"its NIfTI intent is {intent}, which does not say in "
        "which frame the vectors are; set it to 1007 (vectors in LPS, as "
        "ITK and ANTs write) or to 1006 (in RAS)",
    )
    if code in _COLOURS:
        frame = "it is a colour image, not a displacement field"
    affine, mm = _affine(header, say), _unit_mm(header)
    if mm != 1.0:
        say(f"{path}: is not in millimetres by its header; converted (1 unit is {mm:g} mm).")
        frame = UNKNOWN_UNIT
    return Stored(
        shape,
        components,
        np.diag([mm, mm, mm, 1.0]) @ affine,
        lambda: _voxels(header, components, say),
        frame,
    )


def _unit_mm(header: Header) -> float:
    """Millimetres of the unit of length."""
    unit = 0 if header.is_analyze else int(header["xyzt_units"]) & 7
    if unit not in _MM:
        raise InputError(
            f"{header.path}: its unit of length has the unknown code {unit}; set "
            "xyzt_units to 2 (mm)."
        )
    return _MM[unit]


def _affine(header: Header, say: Say) -> np.ndarray:
    """(4, 4) voxel index to LPS in the unit of the file, from the sform or else the qform.

    The sform is used where its code is not 0. That is the order of nibabel, FSL, SPM and
    FreeSurfer, and the sform is the one that an affine registration updates and that can hold its
    shear. (ITK, so also Slicer and ANTs, takes the qform unless its code is 0 or the sform's is 1.)
    """
    path = header.path
    given: dict[str, np.ndarray | None] = {}
    if header["sform_code"] > 0 and not header.is_analyze:
        given["sform"] = _sform(header)
    if header["qform_code"] > 0 and not header.is_analyze:
        given["qform"] = _qform(header)
    usable = {
        name: matrix
        for name, matrix in given.items()
        if matrix is not None and _is_invertible(matrix)
    }
    for name in given.keys() - usable.keys():
        wrong = (
            f"{path}: its {name} is no geometry (a voxel size of 0 or below, or a value that "
            "is not a number)"
        )
        if not usable:
            raise InputError(f"{wrong}; correct the header.")
        say(f"{wrong}, so its {next(iter(usable))} is used; correct the header.")
    affine = next(iter(usable.values()), None)  # the sform comes first
    if affine is None:
        sizes = header["pixdim"][1:4].astype(float)
        if not (sizes > 0).all():
            raise InputError(
                f"{path}: gives voxel sizes of {_listed(sizes)} and no orientation; "
                "correct the header."
            )
        kind = "ANALYZE holds none" if header.is_analyze else "neither sform nor qform"
        say(
            f"{path}: has no orientation ({kind}); its axes are taken as L, P and S from 0 as ITK "
            "does, so left and right may be swapped."
        )
        affine = np.diag([*(RAS_TO_LPS @ sizes), 1.0])
    elif "sform" in usable:
        _compare(header, affine, usable.get("qform"), say)
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _compare(header: Header, sform: np.ndarray, qform: np.ndarray | None, say: Say) -> None:
    """Say when the sform, which is used, and the rest of the header differ."""
    size = np.array((*header.shape, 1, 1)[:3])
    if qform is not None:
        voxels, units = largest_shift(sform, qform, size)
        if voxels > AGREEMENT_VOXELS:
            mm = units * _unit_mm(header)
            say(
                f"{header.path}: its two headers differ by up to {mm:.3g} mm; the sform (code "
                f"{header['sform_code']}) is used, as nibabel, FSL and SPM do, and not the qform "
                f"(code {header['qform_code']}), which Slicer and other ITK programs may use; make "
                "them equal."
            )
        return
    lengths = np.linalg.norm(sform[:3, :3], axis=0)
    sizes = header["pixdim"][1:4].astype(float)
    if (np.abs(sizes / lengths - 1) * size).max() > AGREEMENT_VOXELS:
        say(
            f"{header.path}: its voxel sizes are {_listed(lengths)} in the sform, which is used, "
            f"but {_listed(sizes)} in pixdim; correct the header."
        )


def _sform(header: Header) -> np.ndarray:
    """(4, 4) voxel index to RAS, in the unit of the file."""
    return np.vstack([header["srow"].astype(float), [0, 0, 0, 1]])


def _qform(header: Header) -> np.ndarray | None:
    """(4, 4) voxel index to RAS, in the unit of the file; None without positive voxel sizes."""
    sizes = header["pixdim"][1:4].astype(float)
    if not (sizes > 0).all():
        return None
    b, c, d = header["quatern"].astype(float)
    square = b * b + c * c + d * d
    if square > 1:
        b, c, d = np.array([b, c, d]) / np.sqrt(square)
    a = np.sqrt(max(0.0, 1.0 - square))
    affine = np.eye(4)
    affine[:3, :3] = (
        np.array(
            [
                [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
                [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
            ]
        )
        * sizes
    )
    affine[:3, 2] *= -1 if header["pixdim"][0] < 0 else 1
    affine[:3, 3] = header["qoffset"]
    return affine


def _is_invertible(affine: np.ndarray) -> bool:
    if not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return bool(lengths.min() > 0 and abs(np.linalg.det(affine[:3, :3] / lengths)) > 1e-3)


def _voxels(header: Header, components: int, say: Say) -> np.ndarray:
    """(Z, Y, X), (T, Z, Y, X) or (Z, Y, X, components), with slope and intercept of the header.

    Raises:
        InputError: the header puts the voxels where they cannot be.
        EOFError, OSError, zlib.error: voxels are missing, or compressed data are damaged.
    """
    code, shape = int(header["datatype"]), header.shape
    colours = _COLOURS.get(code, 1)
    kind = np.dtype(_KINDS.get(code, "u1")).newbyteorder(header.order)
    missing = int(np.prod(shape)) * colours * kind.itemsize
    data = _data_file(header)
    with _opened(data) as stream:
        stream.seek(_offset(header, stream))
        raw = stream.read(missing)
        if len(raw) < missing:
            raise EOFError(f"{missing - len(raw)} bytes are missing")
        extra = 0
        while block := stream.read(BLOCK_BYTES):  # at the end of compressed data is their checksum
            extra += len(block)
    if extra:
        say(
            f"{data}: {extra} bytes follow the last voxel and were left unread; check that its "
            "header is right."
        )
    array = np.frombuffer(raw, kind)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    spatial = (*shape, 1, 1)[:3][::-1]
    if colours > 1:
        return array.reshape(*spatial, colours)
    array = _scaled(header, array, say)
    if components > 1:
        return np.moveaxis(array.reshape(components, *spatial), 0, -1)
    return array.reshape(spatial if array.size == np.prod(spatial) else (-1, *spatial))


def _offset(header: Header, stream: BufferedIOBase) -> int:
    """Where the voxels begin: after the header and its extensions."""
    offset, first = float(header["vox_offset"]), header.fields.dtype.itemsize + 4
    if not header.in_one_file:
        first = 0
    elif offset == 0:
        offset = first  # "at the usual place"
    if not np.isfinite(offset) or offset < first or offset != int(offset):
        raise InputError(
            f"{header.path}: its header says that the voxels begin at byte "
            f"{offset:g} (vox_offset), which is impossible; it must be {first} or "
            "more. Export it again."
        )
    if header.in_one_file and offset > first:
        stream.seek(first - 4)
        if stream.read(4)[:1] not in (b"", b"\0"):
            length = int.from_bytes(stream.read(4), "little" if header.order == "<" else "big")
            if first + length > offset:
                raise InputError(
                    f"{header.path}: its header says that the voxels begin at byte "
                    f"{offset:g} (vox_offset), inside an extension of the header. "
                    "Export it again."
                )
    return int(offset)


def _scaled(header: Header, array: np.ndarray, say: Say) -> np.ndarray:
    """Values with slope and intercept; a slope of 0 means that there are none."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if header.is_analyze or slope == 0 or (slope, intercept) == (1.0, 0.0):
        if not header.is_analyze and slope == 0 and intercept != 0:
            say(
                f"{header.path}: has an intercept of {intercept:g} but a slope of 0, which means "
                "unscaled values; they are read as stored."
            )
        return array
    if not np.isfinite([slope, intercept]).all():
        say(
            f"{header.path}: its slope ({slope:g}) or intercept ({intercept:g}) is not a number; "
            "its values are read as stored."
        )
        return array
    kind = np.dtype("f8" if array.dtype.itemsize > 2 and array.dtype != np.float32 else "f4")
    return array.astype(kind) * kind.type(slope) + kind.type(intercept)


def _data_file(header: Header) -> Path:
    """The file with the voxels."""
    if header.in_one_file:
        return header.path
    name = header.path.name
    stem = name[: name.lower().rindex(".hdr")] if ".hdr" in name.lower() else header.path.stem
    for ending in (".img", ".img.gz", ".IMG"):
        if header.path.with_name(stem + ending).is_file():
            return header.path.with_name(stem + ending)
    raise InputError(f"{header.path}: holds only the header of an image; put {stem}.img beside it.")


def _opened(path: Path) -> BufferedIOBase:
    """The file for reading, uncompressed whatever its name says."""
    with open(path, "rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    return (gzip.open if compressed else open)(path, "rb")


def _listed(sizes: np.ndarray) -> str:
    return " x ".join(f"{size:.4g}" for size in sizes)
