"""Volume files with headers of every kind, each with a known place in space.

All scalar ones hold a Gaussian blob; where its centre ``AT`` (voxels) lies in LPS mm is what a
reader has to find.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

SHAPE = (22, 24, 26)  # Z, Y, X
AT = np.array([13.0, 11.0, 10.0])  # i, j, k
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

_offset = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1)[..., ::-1] - AT
BLOB = (1000 * np.exp(-0.5 * (_offset**2).sum(-1) / 2.5**2)).astype(np.float32)

# Voxel index to RAS mm, as NIfTI has it
PLAIN = np.eye(4)
PLAIN[:3, :3] = Rotation.from_euler("xyz", (11, -7, 5), degrees=True).as_matrix() @ np.diag(
    [1.0, 1.5, 2.0]
)
PLAIN[:3, 3] = (-20.0, -30.0, 15.0)


def shifted(affine: np.ndarray, mm: float) -> np.ndarray:
    """The same, ``mm`` further along every axis."""
    moved = affine.copy()
    moved[:3, 3] += mm
    return moved


def tilted(affine: np.ndarray, degrees: float) -> np.ndarray:
    """Sheared as by a tilted gantry: slices slide along j."""
    shear = np.eye(4)
    shear[1, 2] = np.tan(np.radians(degrees)) * 2.0 / 1.5
    return affine @ shear


def lps_of(affine_ras: np.ndarray, at=AT) -> np.ndarray:
    """LPS mm of a voxel index under an index-to-RAS matrix."""
    return (TO_LPS @ affine_ras @ [*at, 1.0])[:3]


def nifti(
    path: Path,
    sform=(PLAIN, 1),
    qform=(PLAIN, 1),
    array: np.ndarray = BLOB,
    version=1,
    order="<",
    frames=(),
    tail=b"",
    **fields,
) -> Path:
    """A NIfTI file written byte by byte; ``fields`` overwrite fields of its header.

    Args:
        sform, qform: (4x4 index-to-RAS matrix, code).
        array: (Z, Y, X) or, with ``frames``, (..., Z, Y, X).
        frames: sizes of the axes after the third.
        tail: bytes after the last voxel.
    """
    import nibabel

    header = (nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header)(
        endianness=order, check=False
    )
    header.set_data_dtype(array.dtype)
    header.set_data_shape((*array.shape[-3:][::-1], *frames))
    header.set_qform(*qform)
    header.set_sform(*sform)
    header["xyzt_units"] = 2
    single = path.name.endswith((".nii", ".nii.gz"))
    header["vox_offset"] = header.template_dtype.itemsize + 4 if single else 0
    header["magic"] = header.single_magic if single else header.pair_magic
    for name, value in fields.items():
        header[name] = value
    head = header.binaryblock + bytes(4)
    voxels = array.astype(array.dtype.newbyteorder(order)).tobytes() + tail
    zipped = gzip.compress if path.name.endswith(".gz") else bytes
    if single:
        path.write_bytes(zipped(head + voxels))
        return path
    path.with_name(path.name.replace(".img", ".hdr").replace(".gz", "")).write_bytes(head)
    path.write_bytes(zipped(voxels))
    return path


def nrrd(
    path: Path,
    *lines: str,
    array: np.ndarray = BLOB,
    affine=TO_LPS @ PLAIN,
    space="left-posterior-superior",
) -> Path:
    """An NRRD file with more header ``lines``; ``affine`` in its own space, or None."""
    kinds = {"float32": "float", "uint8": "uchar", "int16": "short", "float64": "double"}
    sizes = array.shape[::-1]
    head = ["NRRD0005", f"type: {kinds[array.dtype.name]}", f"dimension: {array.ndim}"]
    head += [f"space: {space}"] if space else []
    head += ["sizes: " + " ".join(map(str, sizes)), "endian: little", "encoding: raw"]
    if affine is not None:
        columns = ["none"] * (array.ndim - 3) + [_vector(c) for c in affine[:3, :3].T]
        head += [
            "space directions: " + " ".join(columns),
            f"space origin: {_vector(affine[:3, 3])}",
        ]
    if array.ndim == 4 and not any(line.startswith("kinds") for line in lines):
        head += ["kinds: vector domain domain domain"]
    path.write_bytes("\n".join([*head, *lines, "", ""]).encode() + array.tobytes())
    return path


def _vector(values) -> str:
    return "(" + ",".join(repr(float(value)) for value in values) + ")"


def without(path: Path, *names: str) -> Path:
    """A file with a text header, without those of its lines that begin with one of the names."""
    head, end, voxels = path.read_bytes().partition(
        b"\n\n" if path.suffix == ".nrrd" else b"LOCAL\n"
    )
    lines = [
        line for line in head.split(b"\n") if not line.startswith(tuple(map(str.encode, names)))
    ]
    path.write_bytes(b"\n".join(lines) + end + voxels)
    return path


def detached(path: Path, skipped: bytes = b"", more: bytes = b"") -> Path:
    """An NRRD or MetaImage header beside its voxels, which other bytes precede or follow."""
    data = path.with_suffix(".raw")
    if path.suffix == ".nhdr":
        head, _, voxels = nrrd(path).read_bytes().partition(b"\n\n")
        path.write_bytes(head + b"\ndata file: " + data.name.encode() + b"\n")
    else:
        head, _, voxels = mha(path).read_bytes().partition(b"LOCAL\n")
        path.write_bytes(head + data.name.encode() + b"\n")
    data.write_bytes(skipped + voxels + more)
    return path


def mha(path: Path, *lines: str, array: np.ndarray = BLOB, affine=TO_LPS @ PLAIN) -> Path:
    """A MetaImage file with more header ``lines``; without ``affine`` it has no orientation."""
    head = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "ElementSpacing = 1 1.5 2",
    ]
    if affine is not None:
        direction = affine[:3, :3] / [1.0, 1.5, 2.0]  # of a sheared one not of unit length
        head += [
            "TransformMatrix = " + " ".join(map(repr, direction.T.ravel().tolist())),
            "Offset = " + " ".join(map(repr, affine[:3, 3].tolist())),
        ]
    if array.ndim == 4:
        head += [f"ElementNumberOfChannels = {array.shape[-1]}"]
    head += [
        *lines,
        "DimSize = " + " ".join(map(str, array.shape[:3][::-1])),
        "ElementType = MET_FLOAT",
        "ElementDataFile = LOCAL",
        "",
    ]
    path.write_bytes("\n".join(head).encode() + array.astype("<f4").tobytes())
    return path


DICOM = np.diag([1.0, 1.5, 2.0, 1.0])
DICOM[:3, 3] = (-5.0, -6.0, -7.0)  # voxel index to LPS mm


def dicom(
    folder: Path,
    series: str = "1",
    affine: np.ndarray = DICOM,
    places=None,
    array: np.ndarray = BLOB,
    rotated_last: bool = False,
) -> Path:
    """A series of DICOM slices in ``folder``.

    Args:
        affine: voxel index to LPS mm; the slice step may be oblique to the slices.
        places: index k at which each slice lies; default 0, 1, 2, …
    """
    folder.mkdir(exist_ok=True)
    axes = (affine[:3, :2] / np.linalg.norm(affine[:3, :2], axis=0)).T.ravel()
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for number, place in enumerate(range(len(array)) if places is None else places):
        image = sitk.GetImageFromArray(np.round(array[number]).astype(np.int16))
        image.SetSpacing((1.0, 1.5))
        position = (affine @ [0, 0, place, 1])[:3]
        turned = rotated_last and number == len(array) - 1
        tags = {
            "0020|000d": "1.2.3",
            "0020|000e": f"1.2.3.{series}",
            "0020|0052": f"1.2.3.{series}.9",
            "0008|0060": "CT",
            "0008|0018": f"1.2.3.{series}.{number + 1}",
            "0008|103e": f"Series {series}",
            "0020|0032": "\\".join(f"{value:.6f}" for value in position),
            "0020|0037": "0\\1\\0\\1\\0\\0" if turned else "\\".join(f"{n:.9f}" for n in axes),
        }
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{series}-{(7 * number) % 100:02d}-{number}.dcm"))
        writer.Execute(image)
    return folder
