"""Diffeomorphic demons of SimpleITK, coarse to fine, with an optional affine start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..contracts import Backbone
from ..geometry import DisplacementField, Image, interpolate
from ..geometry.image import set_geometry, to_sitk
from .facts import Facts
from .linear import affine_alignment
from .prepare import prepared

LEVELS = ((4.0, 60), (2.0, 40), (1.0, 30))  # coarsening of the working grid, iterations
MIN_LEVEL_VOXELS = 16  # a level whose grid is shorter than that along an axis is skipped


@dataclass(frozen=True)
class Demons(Backbone):
    """Vercauteren's diffeomorphic demons on intensities normalised to [0, 1].

    Attributes:
        affine: estimate an affine map first (also for every perturbed image: it is part of the
            method whose disagreement is measured).
        smoothing_voxels: Gaussian sigma of the displacement field, in voxels of each level.
        voxels: size of the working grid, about; the fixed image is resampled to it.
    """

    affine: bool = True
    smoothing_voxels: float = 1.0
    voxels: int = 1_000_000

    place = 1
    facts = Facts(
        name="demons",
        title="Demons (SimpleITK)",
        modality="same in both images",
        working_grid="the fixed field of view, about a million voxels",
    )

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Both images on their working grids, intensities in [0, 1], see ``prepare``.

        Masks guide the affine start alone: what surrounds an organ helps to find its outline.
        """
        return prepared(fixed, moving, self.voxels, self.affine)

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on the grid of the prepared fixed image."""
        start = np.eye(4)
        if self.affine:
            start = affine_alignment(fixed, moving)
        field = None
        for factor, iterations in LEVELS:
            grid = fixed.grid.at_spacing(factor * float(np.cbrt(np.prod(fixed.grid.spacing))))
            grid = fixed.grid if factor == 1.0 else grid
            if factor > 1.0 and min(grid.shape) < MIN_LEVEL_VOXELS:
                continue
            moved = Image(
                interpolate(
                    moving.array,
                    grid.affine_points(np.linalg.inv(moving.grid.affine) @ start @ grid.affine),
                ),
                grid,
            )
            demons = sitk.DiffeomorphicDemonsRegistrationFilter()
            demons.SetNumberOfIterations(iterations)
            demons.SetStandardDeviations(self.smoothing_voxels)
            images = [to_sitk(fixed.resample(grid)), to_sitk(moved)]
            if field is not None:
                images.append(_to_sitk_vector(field.resample(grid)))
            result = sitk.GetArrayFromImage(demons.Execute(*images)).astype(np.float32)
            field = DisplacementField(result, grid)
        # demons maps x to x + v in the affinely aligned space: phi(x) = start(x + v)
        change = start - np.eye(4)
        moved = field.vectors @ start[:3, :3].T.astype(np.float32)
        return DisplacementField(
            moved + fixed.grid.affine_points(change @ fixed.grid.affine), fixed.grid
        )


def _to_sitk_vector(field: DisplacementField) -> sitk.Image:
    return set_geometry(
        sitk.GetImageFromArray(field.vectors.astype(np.float64), isVector=True), field.grid
    )
