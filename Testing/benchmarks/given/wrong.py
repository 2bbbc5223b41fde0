"""Mistakes with the files of a good registration (that of Greedy), as people make them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from UncertainRegLib.geometry import DisplacementField, Grid, invert, read_volume, write_field
from UncertainRegLib.geometry.image import to_sitk
from UncertainRegLib.geometry.transform_file import FLIP, read_transform

from .files import greedy, made
from .pairs import Pair

SOURCE = "greedy"
# mistake: what must be named (one of several, between |). The first four are those that must be;
# the others were tried next.
MISTAKES = {
    "inverse": "as its inverse",
    "RAS for LPS": "turned from RAS to LPS",
    "voxels for mm": "in voxels along the axes",
    "other patient": "probably belongs to other images",
    "sign reversed": "as its inverse|their sign is reversed",
    "cm for mm": "in cm instead of mm",
    "half resolution": "half the resolution",
    "voxels z y x": "in the order z, y, x",
    "header lost": "its header places it elsewhere",
    "warp without affine": "its affine file is missing",
    "affine without warp": None,
    "affine in RAS": "in RAS as a whole",
    "other order": "in the other order",
    "inverse affine": "as its inverse",
}


def mistaken(name: str, pair: Pair, data: Path, out: Path) -> list[Path]:
    """The files of a mistake for a pair; made once."""
    files = made(SOURCE, pair, out)
    warp, affine = files
    folder = out / "files" / pair.name / "mistakes"
    folder.mkdir(parents=True, exist_ok=True)
    if name == "warp without affine":
        return [warp]
    if name == "affine without warp":
        return [affine]
    if name == "other order":
        return [affine, warp]
    matrix = read_transform([affine]).parts[0]
    if name in ("affine in RAS", "inverse affine"):
        matrix = FLIP @ matrix @ FLIP if name == "affine in RAS" else np.linalg.inv(matrix)
        transform = sitk.AffineTransform(3)
        transform.SetMatrix(matrix[:3, :3].ravel().tolist())
        transform.SetTranslation(matrix[:3, 3].tolist())
        file = folder / f"{name.replace(' ', '_')}.tfm"
        sitk.WriteTransform(transform, str(file))
        return [file]
    fixed, moving = (read_volume(pair.inputs[role]).grid for role in ("fixed", "moving"))
    whole, _ = read_transform(files).on(fixed)
    file = folder / f"{name.replace(' ', '_')}.nii.gz"
    if not file.is_file():
        write_field(_changed(name, whole, fixed, moving, data, out), file)
    return [file]


def _changed(
    name: str, field: DisplacementField, fixed: Grid, moving: Grid, data: Path, out: Path
) -> DisplacementField:
    vectors = field.vectors
    to_voxels = np.linalg.inv(fixed.affine[:3, :3]).T
    if name == "inverse":
        return invert(field, moving, iterations=60)[0]
    if name == "other patient":
        return DisplacementField(_of_others(data, out, fixed), fixed)
    if name == "header lost":
        return DisplacementField(
            vectors, Grid.from_spacing(fixed.shape, fixed.spacing, _near(fixed))
        )
    changed = {
        "RAS for LPS": lambda: vectors * (-1, -1, 1),
        "voxels for mm": lambda: vectors @ to_voxels,
        "sign reversed": lambda: -vectors,
        "cm for mm": lambda: vectors / 10,
        "half resolution": lambda: vectors / 2,
        "voxels z y x": lambda: (vectors @ to_voxels)[..., ::-1],
    }[name]()
    return DisplacementField(np.ascontiguousarray(changed, np.float32), fixed)


def _near(fixed: Grid) -> np.ndarray:
    """Origin of a grid along L, P and S that shares the centre of the fixed image, and 20 mm more."""
    return fixed.center - (fixed.size - 1) / 2 * fixed.spacing + 20


def _of_others(data: Path, out: Path, fixed: Grid) -> np.ndarray:
    """Displacements between two other heads (label maps as images), laid over the fixed image."""
    folder = out / "files" / "others"
    warp = folder / "warp.nii.gz"
    if not warp.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        images = [
            _head(data / "brain_labelmaps" / f"{name}.nii.gz") for name in ("subj06", "subj08")
        ]
        greedy(*images, np.zeros(3), folder)
    found = read_transform([warp, folder / "affine.mat"])
    grid = read_transform([warp]).field.grid
    field, _ = found.on(grid)
    return DisplacementField(field.vectors, fixed.resized(grid.shape)).resample(fixed).vectors


def _head(file: Path) -> sitk.Image:
    image = read_volume(file)
    values = ndimage.gaussian_filter((image.array % 23).astype(np.float32), 1.0)
    coarse = type(image)(values, image.grid)
    return to_sitk(coarse.resample(coarse.grid.at_most(200_000)))
