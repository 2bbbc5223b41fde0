"""B-spline free-form deformation of SimpleITK, coarse to fine, with an affine start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..geometry import DisplacementField, Image
from ..geometry.image import set_geometry, to_sitk
from .facts import Facts
from .linear import affine_alignment
from .prepare import normalise

LEVELS = ((4, 2.0, 1), (2, 1.0, 2), (1, 0.0, 4))  # shrink, smoothing (voxels), mesh factor


@dataclass(frozen=True)
class BSpline:
    """Rueckert's free-form deformation, refined over three levels, by LBFGS.

    Attributes:
        affine: estimate an affine map first.
        control_mm: control-point spacing of the finest level.
        metric: "correlation" (same modality) or "mutual information" (any).
        iterations: LBFGS steps at each level.
        voxels: size of the working grid, about.
    """

    affine: bool = True
    control_mm: float = 15.0
    metric: str = "correlation"
    iterations: int = 30
    voxels: int = 500_000

    facts = Facts(
        name="bspline", title="B-spline (SimpleITK)", modality="same in both; or any, by setting",
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
        start = sitk.AffineTransform(3)
        if self.affine:
            matrix = affine_alignment(fixed, moving)
            start.SetMatrix(matrix[:3, :3].ravel().tolist())
            start.SetTranslation(matrix[:3, 3].tolist())
        target = to_sitk(fixed)
        mesh = np.maximum(1, np.round(fixed.grid.extent_mm / (4 * self.control_mm))).astype(int)
        spline = sitk.BSplineTransformInitializer(target, mesh.tolist(), order=3)
        method = sitk.ImageRegistrationMethod()
        method.SetMovingInitialTransform(start)
        method.SetInitialTransformAsBSpline(spline, inPlace=True,
                                            scaleFactors=[level[2] for level in LEVELS])
        method.SetShrinkFactorsPerLevel([level[0] for level in LEVELS])
        method.SetSmoothingSigmasPerLevel([level[1] for level in LEVELS])
        method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
        if self.metric == "correlation":
            method.SetMetricAsCorrelation()
        else:
            method.SetMetricAsMattesMutualInformation(32)
        method.SetMetricSamplingStrategy(method.NONE)
        method.SetInterpolator(sitk.sitkLinear)
        if fixed.mask is not None:
            method.SetMetricFixedMask(set_geometry(
                sitk.GetImageFromArray((fixed.mask > 0).astype(np.uint8)), fixed.grid))
        method.SetOptimizerAsLBFGS2(numberOfIterations=self.iterations,
                                    solutionAccuracy=1e-4, deltaConvergenceTolerance=1e-4)
        try:
            found = method.Execute(target, to_sitk(moving))
        except RuntimeError as error:
            raise ValueError("B-spline registration failed: the images may not overlap, or one "
                             "is constant.") from error
        whole = sitk.CompositeTransform([start, found])
        vectors = sitk.TransformToDisplacementField(
            whole, sitk.sitkVectorFloat64, target.GetSize(), target.GetOrigin(),
            target.GetSpacing(), target.GetDirection())
        return DisplacementField(sitk.GetArrayFromImage(vectors).astype(np.float32), fixed.grid)
