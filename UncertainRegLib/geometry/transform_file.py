"""A registration from files of other programs: ITK transforms, matrices, displacement fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .elastix_file import is_elastix, read_elastix
from .errors import InputError, Say, last_line, unsaid
from .field import DisplacementField
from .field_file import read_field
from .grid import Grid
from .image import grid_from_sitk
from .interpolate import inside_index, interpolate

ENDINGS = (".h5", ".hdf5", ".hdf", ".tfm", ".txt", ".mat", ".xfm")  # others are images of vectors
FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])  # RAS and LPS
SPLINE_STEPS = 8  # samples of a B-spline between two of its knots, where those are not below 1 mm


@dataclass(frozen=True)
class GivenTransform:
    """A map of fixed points to moving points, in parts.

    Attributes:
        parts: in the order in which a fixed point meets them: (4, 4) matrices and displacement
            fields, all mm LPS.
        files: where they come from.
    """

    parts: tuple[np.ndarray | DisplacementField, ...]
    files: tuple[str, ...] = ()

    @property
    def is_linear(self) -> bool:
        """No part deforms."""
        return all(isinstance(part, np.ndarray) for part in self.parts)

    @property
    def field(self) -> DisplacementField | None:
        """The displacement field, if that is all; else None."""
        only = self.parts[0] if len(self.parts) == 1 else None
        return only if isinstance(only, DisplacementField) else None

    def map(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where LPS mm points (..., 3) go, and (...) booleans: whether all parts reach them.

        Beyond a field the vectors of its border go on.
        """
        covered = np.ones(points.shape[:-1], bool)
        for part in self.parts:
            if isinstance(part, np.ndarray):
                points = points @ part[:3, :3].T.astype(points.dtype) + part[:3, 3].astype(
                    points.dtype
                )
            else:
                index = part.grid.to_index(points)
                covered &= inside_index(part.grid.shape, index)
                points = points + interpolate(part.vectors, index)
        return points, covered

    def on(self, grid: Grid) -> tuple[DisplacementField, np.ndarray]:
        """As a displacement field on a grid of the fixed space, and (Z, Y, X) booleans: where all
        parts reach."""
        points = grid.points()
        moved, covered = self.map(points)
        return DisplacementField((moved - points).astype(np.float32), grid), covered


def read_transform(paths: Sequence[str | Path], say: Say = unsaid) -> GivenTransform:
    """Read a registration; several files are one after the other.

    Args:
        paths: in the order of ``antsApplyTransforms``: a fixed point meets the first one first (so
            the warp comes before the affine matrix of the same registration).
        say: hears what had to be decided.

    Raises:
        InputError: missing, damaged, of a kind that cannot be read, or not of three dimensions.
    """
    parts = [part for path in paths for part in _parts(Path(path), say)]
    if not parts:
        raise InputError(f"{paths[0]}: holds no transform.")
    return GivenTransform(tuple(parts), tuple(map(str, paths)))


def _parts(path: Path, say: Say) -> list[np.ndarray | DisplacementField]:
    if path.suffix.lower() not in ENDINGS:
        return [read_field(path, say)]
    if not path.is_file():
        raise InputError(f"{path}: is not there; give the file of a transform.")
    text = _text(path)
    if is_elastix(text):
        return [part for one in read_elastix(path) for part in _of_sitk(one)]
    matrix = _plain_matrix(text)
    if matrix is not None:
        say(
            f"{path}: is a plain 4x4 matrix, taken as RAS mm from fixed to moving, as Greedy and "
            "c3d write it; one of FSL is none (c3d_affine_tool converts it)."
        )
        return [FLIP @ matrix @ FLIP]
    try:
        transform = sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise InputError(
            f"{path}: cannot be read as a transform ({last_line(error)}); in 3D Slicer convert it to "
            "a displacement field (Transforms, Convert) and save that."
        ) from None
    if transform.GetDimension() != 3:
        raise InputError(f"{path}: is a transform of {transform.GetDimension()} dimensions, not 3.")
    return _of_sitk(transform)


def _text(path: Path) -> str:
    """The beginning of a text file; empty for others."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read(4096)
    except UnicodeDecodeError:
        return ""


def _plain_matrix(text: str) -> np.ndarray | None:
    """Four lines of four numbers, the last one 0 0 0 1; None for anything else."""
    try:
        rows = [[float(word) for word in line.split()] for line in text.split("\n") if line.strip()]
        matrix = np.array(rows)
    except ValueError:
        return None
    is_one = matrix.shape == (4, 4) and np.allclose(matrix[3], (0, 0, 0, 1), atol=1e-6)
    return matrix if is_one else None


def _of_sitk(transform: sitk.Transform) -> list[np.ndarray | DisplacementField]:
    """The parts of a SimpleITK transform; of a composite one the last is applied first."""
    transform = transform.Downcast()
    if isinstance(transform, sitk.CompositeTransform):
        numbers = reversed(range(transform.GetNumberOfTransforms()))
        return [part for n in numbers for part in _of_sitk(transform.GetNthTransform(n))]
    if transform.IsLinear():
        return [_matrix(transform)]
    if isinstance(transform, sitk.DisplacementFieldTransform):
        image = transform.GetDisplacementField()
        vectors = sitk.GetArrayFromImage(image).astype(np.float32)
        return [DisplacementField(vectors, grid_from_sitk(image))]
    if isinstance(transform, sitk.BSplineTransform):
        return [_sampled(transform)]
    raise InputError(f"{transform.GetName()}: is a transform that cannot be read here.")


def _matrix(transform: sitk.Transform) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    for axis, unit in enumerate(np.eye(3)):
        matrix[:3, axis] = np.array(transform.TransformPoint(unit.tolist())) - matrix[:3, 3]
    return matrix


def _sampled(spline: sitk.BSplineTransform) -> DisplacementField:
    """A B-spline as a field over its domain, edge to edge."""
    mesh = np.array(spline.GetTransformDomainMeshSize())
    extent = np.array(spline.GetTransformDomainPhysicalDimensions())
    steps = np.clip(np.round(extent / mesh), 2, SPLINE_STEPS).astype(int)
    size = mesh * steps + 1  # voxel centres on both ends of the domain
    spacing = extent / (size - 1)
    origin, direction = spline.GetTransformDomainOrigin(), spline.GetTransformDomainDirection()
    grid = Grid.from_spacing(size[::-1], spacing, origin, direction)
    # At the very end of the domain ITK gives no displacement: a hair inside is asked instead.
    inner = (size - 1) / 2.0 * 1e-6 * spacing
    field = sitk.TransformToDisplacementField(
        spline,
        sitk.sitkVectorFloat32,
        size.tolist(),
        (np.array(origin) + grid.direction @ inner).tolist(),
        (spacing * (1 - 1e-6)).tolist(),
        direction,
    )
    return DisplacementField(sitk.GetArrayFromImage(field), grid)
