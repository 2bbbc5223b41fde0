"""Symmetric normalisation (SyN; Avants et al., MedIA 2008), through the antspyx package."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..geometry import DisplacementField, Image
from .facts import Facts
from .prepare import normalise


@dataclass(frozen=True)
class AntsSyN:
    """ANTs' affine stage, then SyN.

    Attributes:
        affine: run the affine stage first.
        metric: "CC" (local correlation, same modality) or "mattes" (mutual information, any).
        iterations: SyN steps from the coarsest to the finest level.
        seed: of the affine stage's random sampling.
        voxels: size of the working grid, about.
    """

    affine: bool = True
    metric: str = "CC"
    iterations: tuple[int, ...] = (40, 20, 10)
    seed: int = 1
    voxels: int = 1_000_000

    facts = Facts(
        name="ants", title="ANTs SyN", modality="same in both; or any, by setting",
        packages=("ants",), working_grid="the fixed field of view, about a million voxels",
    )

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Both images on their working grids, intensities normalised to [0, 1]."""
        return normalise(*(image.resample(image.grid.at_most(self.voxels))
                           for image in (fixed, moving)))

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on the grid of the prepared fixed image."""
        import ants

        with tempfile.TemporaryDirectory() as folder:
            found = ants.registration(
                _to_ants(fixed), _to_ants(moving), outprefix=str(Path(folder) / "syn"),
                type_of_transform="SyN" if self.affine else "SyNOnly", syn_metric=self.metric,
                reg_iterations=tuple(self.iterations), random_seed=self.seed)
            field = None
            grid = fixed.grid
            points = grid.points().astype(np.float64)
            moved = points
            for path in found["fwdtransforms"]:  # the warp first, then the affine map
                if path.endswith((".nii", ".nii.gz")):
                    field = sitk.ReadImage(path, sitk.sitkVectorFloat64)
                    field = DisplacementField(
                        sitk.GetArrayFromImage(field).astype(np.float32), grid)
                    moved = moved + field.vectors
                else:
                    moved = _linear(path, moved)
        return DisplacementField((moved - points).astype(np.float32), grid)


def _linear(path: str, points: np.ndarray) -> np.ndarray:
    """Points (Z, Y, X, 3), LPS mm, through the affine map of a .mat file."""
    affine = sitk.AffineTransform(sitk.ReadTransform(path))
    matrix = np.array(affine.GetMatrix()).reshape(3, 3)
    center, shift = np.array(affine.GetCenter()), np.array(affine.GetTranslation())
    return (points - center) @ matrix.T + center + shift


def _to_ants(image: Image):
    """ants image with the same values and geometry (LPS)."""
    import ants

    grid = image.grid
    array = np.ascontiguousarray(image.array.transpose(2, 1, 0), dtype=np.float32)
    return ants.from_numpy(array, origin=grid.origin.tolist(), spacing=grid.spacing.tolist(),
                           direction=grid.direction)
