"""B-spline free-form deformation of SimpleITK, coarse to fine, with an affine start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..geometry import DisplacementField, Grid, Image, compose, identity, warp
from ..geometry.image import set_geometry, to_sitk
from .facts import Facts
from .linear import affine_alignment
from .prepare import normalise

# voxels and control-point spacing of each level, relative to those of the finest
LEVELS = ((0.2, 4.0), (0.5, 2.0), (1.0, 1.0))


@dataclass(frozen=True)
class BSpline:
    """Rueckert's free-form deformations (TMI 1999), one after the other, by LBFGS-B.

    SimpleITK cannot refine the mesh of a spline under LBFGS-B, nor optimise one below another;
    so each level registers what the levels before it leave, and the maps are composed.

    Attributes:
        affine: estimate an affine map first.
        control_mm: control-point spacing of the finest level.
        metric: "mutual information" (any modality) or "correlation" (same modality).
        iterations: LBFGS-B steps at each level.
        sampled: fraction of voxels that the metric reads, on a regular pattern.
        voxels: size of the working grid, about.
    """

    affine: bool = True
    control_mm: float = 12.0
    metric: str = "mutual information"
    iterations: int = 30
    sampled: float = 0.1
    voxels: int = 500_000

    facts = Facts(
        name="bspline", title="B-spline (SimpleITK, slow)", modality="any, also different ones",
        working_grid="the fixed field of view, about half a million voxels",
    )

    def __post_init__(self) -> None:
        if self.metric not in ("correlation", "mutual information"):
            raise ValueError("The metric of bspline is 'correlation' or 'mutual information', "
                             f"not {self.metric!r}.")

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Both images on their working grids, intensities normalised to [0, 1]."""
        return normalise(*(image.resample(image.grid.at_most(self.voxels))
                           for image in (fixed, moving)))

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on the grid of the prepared fixed image."""
        start = affine_alignment(fixed, moving) if self.affine else np.eye(4)
        aligned = seen_through(moving, start)
        field = identity(fixed.grid)
        for voxels, control in LEVELS:
            grid = fixed.grid.at_most(int(voxels * self.voxels))
            moved = warp(aligned, field.resample(grid))
            spline = self._level(fixed.resample(grid), moved, control * self.control_mm)
            field = compose(field, spline.resample(fixed.grid))
        return after(start, field)

    def _level(self, fixed: Image, moving: Image, control_mm: float) -> DisplacementField:
        target = to_sitk(fixed)
        mesh = np.maximum(1, np.round(fixed.grid.extent_mm / control_mm)).astype(int)
        spline = sitk.BSplineTransformInitializer(target, mesh.tolist(), order=3)
        method = sitk.ImageRegistrationMethod()
        method.SetInitialTransform(spline, inPlace=True)
        if self.metric == "correlation":
            method.SetMetricAsCorrelation()
        else:
            method.SetMetricAsMattesMutualInformation(32)
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(min(1.0, self.sampled * self.voxels
                                               / np.prod(fixed.grid.shape)), 1)
        method.SetInterpolator(sitk.sitkLinear)
        if fixed.mask is not None:
            method.SetMetricFixedMask(set_geometry(
                sitk.GetImageFromArray((fixed.mask > 0).astype(np.uint8)), fixed.grid))
        method.SetOptimizerAsLBFGSB(
            numberOfIterations=self.iterations, costFunctionConvergenceFactor=1e5,
            gradientConvergenceTolerance=1e-9,
            maximumNumberOfFunctionEvaluations=2 * self.iterations)
        try:
            method.Execute(target, to_sitk(moving))
        except RuntimeError as error:
            raise ValueError("B-spline registration failed: the images may not overlap, or one "
                             "is constant.") from error
        vectors = sitk.TransformToDisplacementField(
            spline, sitk.sitkVectorFloat64, target.GetSize(), target.GetOrigin(),
            target.GetSpacing(), target.GetDirection())
        return DisplacementField(sitk.GetArrayFromImage(vectors).astype(np.float32), fixed.grid)


def seen_through(moving: Image, affine: np.ndarray) -> Image:
    """The moving image as it lies after an affine map (4x4, LPS mm) from fixed to moving space."""
    return Image(moving.array, Grid(moving.grid.shape, np.linalg.inv(affine) @ moving.grid.affine),
                 moving.mask)


def after(affine: np.ndarray, field: DisplacementField) -> DisplacementField:
    """The map affine(x + d(x)) as a displacement field."""
    moved = field.vectors @ affine[:3, :3].T.astype(np.float32)
    change = field.grid.affine_points((affine - np.eye(4)) @ field.grid.affine)
    return DisplacementField((moved + change).astype(np.float32), field.grid)
