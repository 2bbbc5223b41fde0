"""Affine alignment of two images, the first step of a classical registration (SimpleITK)."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..geometry import Image
from ..geometry.image import mask_of, set_geometry, to_sitk

COARSE_VOXELS = 250_000  # affine alignment needs no more
LARGEST_STRETCH = 3.0  # between two images of one anatomy; more is a search gone astray


def affine_alignment(fixed: Image, moving: Image) -> np.ndarray:
    """(4, 4) LPS mm matrix that maps fixed points to moving points.

    With masks the centres of the masks are brought together first, and only masked voxels count;
    without, the search starts from the given positions. Local correlation of intensities is the
    similarity measure, so the modalities must agree.

    Raises:
        ValueError: the best map mirrors, collapses or blows up the image: the search went astray.
    """
    fixed = fixed.resample(fixed.grid.at_most(COARSE_VOXELS))
    moving = moving.resample(moving.grid.at_most(COARSE_VOXELS))
    center = _center(fixed)
    start = sitk.AffineTransform(3)
    start.SetCenter(center.tolist())
    if fixed.mask is not None and moving.mask is not None:
        start.SetTranslation((_center(moving) - center).tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=4.0, minStep=0.01, numberOfIterations=100, relaxationFactor=0.6,
        gradientMagnitudeTolerance=1e-8)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([1.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    if fixed.mask is not None:
        method.SetMetricFixedMask(_mask(fixed))
    if moving.mask is not None:
        method.SetMetricMovingMask(_mask(moving))
    method.SetInitialTransform(start, inPlace=True)
    method.Execute(to_sitk(fixed), to_sitk(moving))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(start.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = np.array(start.TransformPoint((0.0, 0.0, 0.0)))
    stretch = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    mirrored = np.linalg.det(matrix[:3, :3]) <= 0
    if mirrored or stretch[0] > LARGEST_STRETCH or stretch[2] < 1 / LARGEST_STRETCH:
        raise ValueError(
            "The affine alignment of the two images failed: its best map "
            + ("mirrors the image" if mirrored else
               f"scales the image by {stretch[2]:.2g} to {stretch[0]:.2g}")
            + ". Use images of the same anatomy that overlap, or align them first and turn "
            'this step off (setting "affine" of the backbone).')
    return matrix


def _center(image: Image) -> np.ndarray:
    """LPS mm of the centroid of the mask, or of the field of view without one."""
    if image.mask is None:
        return image.grid.center
    return image.grid.to_world(np.argwhere(mask_of(image))[:, ::-1].mean(axis=0))


def _mask(image: Image) -> sitk.Image:
    return set_geometry(sitk.GetImageFromArray((image.mask > 0).astype(np.uint8)), image.grid)
