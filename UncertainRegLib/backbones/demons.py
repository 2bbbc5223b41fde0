"""Diffeomorphic demons of SimpleITK, coarse to fine, with an optional affine start."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
import SimpleITK as sitk

from ..contracts import Backbone
from ..geometry import DisplacementField, Image, interpolate
from ..geometry.image import set_geometry, to_sitk
from .facts import Facts
from .linear import affine_again, affine_alignment, coarse, rough_alignment
from .prepare import prepared

LEVELS = ((4.0, 30), (2.0, 20), (1.0, 10))  # coarsening of the working grid, iterations
# Voxels that an iteration moves at most. ITK's default is 0.5; twice as far needs half the
# iterations or fewer, and smoothing of 1.15 voxels keeps the field as regular as 1.0 does with more.
STEP = 1.0
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
    smoothing_voxels: float = 1.15
    voxels: int = 1_000_000

    place, one_core = 1, True
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
        start = self._affine(fixed, moving) if self.affine else np.eye(4)
        found = None
        for level, iterations in self._pyramid(fixed):
            grid = level.grid
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
            demons.SetMaximumUpdateStepLength(STEP)
            demons.SetUseFirstOrderExp(True)  # a quarter faster; the fields differ by 0.05 mm
            images = [to_sitk(level), to_sitk(moved)]
            if found is not None:
                images.append(_to_sitk_vector(found.resample(grid)))
            result = sitk.GetArrayFromImage(demons.Execute(*images)).astype(np.float32)
            found = DisplacementField(result, grid)
        # demons maps x to x + v in the affinely aligned space: phi(x) = start(x + v)
        change = start - np.eye(4)
        moved = found.vectors @ start[:3, :3].T.astype(np.float32)
        return DisplacementField(
            moved + fixed.grid.affine_points(change @ fixed.grid.affine), fixed.grid
        )

    def for_samples(self, fixed: Image, moving: Image) -> Backbone:
        """The same; with an affine map, which is searched from that of the original, the fixed image
        is coarsened once."""
        if not self.affine:
            return self
        return _Again(
            **asdict(self),
            pyramid=self._pyramid(fixed),
            fixed=coarse(fixed),
            original=rough_alignment(fixed, moving),
        )

    def _pyramid(self, fixed: Image) -> list[tuple[Image, int]]:
        """The fixed image at each level, and the number of iterations there."""
        levels = []
        for factor, iterations in LEVELS:
            grid = fixed.grid.at_spacing(factor * float(np.cbrt(np.prod(fixed.grid.spacing))))
            grid = fixed.grid if factor == 1.0 else grid
            if factor == 1.0 or min(grid.shape) >= MIN_LEVEL_VOXELS:
                levels.append((fixed.resample(grid), iterations))
        return levels

    def _affine(self, fixed: Image, moving: Image) -> np.ndarray:
        return affine_alignment(fixed, moving)


@dataclass(frozen=True)
class _Again(Demons):
    """Registers perturbed images to one fixed image.

    Attributes:
        pyramid: of the fixed image, see `Demons._pyramid`.
        fixed: the same, for the search of an affine map.
        original: (4, 4) affine map of the moving image that was perturbed.
    """

    pyramid: list[tuple[Image, int]] = field(default_factory=list)
    fixed: Image | None = None
    original: np.ndarray = field(default_factory=lambda: np.eye(4))

    def _pyramid(self, fixed: Image) -> list[tuple[Image, int]]:
        return self.pyramid

    def _affine(self, fixed: Image, moving: Image) -> np.ndarray:
        return affine_again(self.fixed, moving, self.original)


def _to_sitk_vector(field: DisplacementField) -> sitk.Image:
    return set_geometry(
        sitk.GetImageFromArray(field.vectors.astype(np.float64), isVector=True), field.grid
    )
