"""B-spline free-form deformation of SimpleITK, coarse to fine, with an affine start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..contracts import Backbone
from ..geometry import DisplacementField, Image
from ..geometry.image import set_geometry, to_sitk
from .facts import Facts
from .linear import affine_alignment, after, seen_through
from .prepare import prepared

REFINEMENTS = (1, 2, 4)  # of the control-point grid, from the coarsest level to the finest
SHRINKS = (4, 2, 1)  # of the images at the same levels
SMALLEST = 8  # voxels an axis keeps when an image is shrunk


@dataclass(frozen=True)
class BSpline(Backbone):
    """Rueckert's free-form deformation (TMI 1999), refined twice, by limited-memory BFGS.

    Attributes:
        affine: estimate an affine map first.
        control_mm: control-point spacing of the finest level.
        metric: "mutual information" (any modality) or "correlation" (same modality).
        iterations: steps at each level, at most.
        sampled: fraction of voxels that the metric reads at the finest level, on a regular
            pattern; as many voxels are read at the coarser ones. ITK computes a gradient for all
            control points at every voxel, so this and ``control_mm`` decide the time.
        voxels: size of the working grid, about.
    """

    affine: bool = True
    control_mm: float = 12.0
    metric: str = "mutual information"
    iterations: int = 30
    sampled: float = 0.05
    voxels: int = 500_000

    place = 2
    facts = Facts(
        name="bspline",
        title="B-spline (SimpleITK, slow)",
        modality="any, also different ones",
        working_grid="the fixed field of view, about half a million voxels",
    )

    def __post_init__(self) -> None:
        if self.metric not in ("correlation", "mutual information"):
            raise ValueError(
                "The metric of bspline is 'correlation' or 'mutual information', "
                f"not {self.metric!r}."
            )

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Both images on their working grids, intensities normalised to [0, 1]."""
        return prepared(fixed, moving, self.voxels, self.affine)

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on the grid of the prepared fixed image."""
        start = affine_alignment(fixed, moving) if self.affine else np.eye(4)
        return after(start, self._deformed(fixed, seen_through(moving, start)))

    def _deformed(self, fixed: Image, moving: Image) -> DisplacementField:
        target = to_sitk(fixed)
        coarsest = self.control_mm * REFINEMENTS[-1]
        mesh = np.maximum(1, np.round(fixed.grid.extent_mm / coarsest)).astype(int)
        spline = sitk.BSplineTransformInitializer(target, mesh.tolist(), order=3)
        shrinks = [max(1, min(s, min(fixed.grid.shape) // SMALLEST)) for s in SHRINKS]
        method = sitk.ImageRegistrationMethod()
        method.SetInitialTransformAsBSpline(spline, inPlace=True, scaleFactors=list(REFINEMENTS))
        if self.metric == "correlation":
            method.SetMetricAsCorrelation()
        else:
            method.SetMetricAsMattesMutualInformation(32)
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentagePerLevel(
            [min(1.0, self.sampled * s**3) for s in shrinks], 1
        )
        method.SetInterpolator(sitk.sitkLinear)
        method.SetShrinkFactorsPerLevel(shrinks)
        method.SetSmoothingSigmasPerLevel([s / 2 for s in shrinks])
        method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
        if fixed.mask is not None:
            method.SetMetricFixedMask(
                set_geometry(sitk.GetImageFromArray((fixed.mask > 0).astype(np.uint8)), fixed.grid)
            )
        # The steps end when three of them gain less than 1e-5; gradients per mm are tiny.
        method.SetOptimizerAsLBFGS2(
            solutionAccuracy=1e-9,
            numberOfIterations=self.iterations,
            deltaConvergenceDistance=3,
            deltaConvergenceTolerance=1e-5,
        )
        try:
            method.Execute(target, to_sitk(moving))
        except RuntimeError as error:
            raise ValueError(
                "B-spline registration failed: the images may not overlap, or one is constant."
            ) from error
        vectors = sitk.TransformToDisplacementField(
            spline,
            sitk.sitkVectorFloat64,
            target.GetSize(),
            target.GetOrigin(),
            target.GetSpacing(),
            target.GetDirection(),
        )
        return DisplacementField(sitk.GetArrayFromImage(vectors).astype(np.float32), fixed.grid)
