"""Affine alignment of two images, the first step of a classical registration (SimpleITK)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import DisplacementField, Grid, Image, inside_index
from ..geometry.arrays import turned
from ..geometry.image import mask_of, set_geometry, to_sitk

COARSE_VOXELS = 250_000  # affine alignment needs no more
ROUGH_VOXELS = 30_000  # to half a millimetre
LARGEST_STRETCH = 3.0  # between two images of one anatomy; more is a search gone astray
LARGEST_ROTATION = 45.0  # degrees: patients are scanned on their backs, heads turn less
LEAST_OVERLAP = 0.3  # of the smaller image; correlation likes a small overlap too well
SAME_START_MM = 2.0  # starts nearer to each other are one


class Stage(NamedTuple):
    """A search by gradients: its first step in mm, and on which voxels of images smoothed how."""

    step_mm: float
    every: int
    sigma_voxels: float


COARSE, FINE = Stage(4.0, 2, 1.0), Stage(1.0, 1, 0.0)
AGAIN = Stage(0.5, 2, 0.0)  # from an end of the fine one


def affine_alignment(fixed: Image, moving: Image) -> np.ndarray:
    """(4, 4) LPS mm matrix that maps fixed points to moving points.

    The coarse search begins twice, with the images as they lie and with their centres brought
    together (of the masks, where both have one), and the better end is refined. Only masked voxels
    count; of two masks the outlines count as well. Where one image alone has a mask, the search
    begins from the alignment of the whole images. Correlation of intensities is the similarity
    measure, so the modalities must agree.

    Raises:
        ValueError: the search found no plausible map (see `implausible`).
    """
    fixed, moving = _outlined(coarse(fixed), coarse(moving))
    if (fixed.mask is None) != (moving.mask is None):
        whole = affine_alignment(*(Image(each.array, each.grid) for each in (fixed, moving)))
        starts = [whole]
    else:
        starts = _starts(fixed, moving)
    found = [_search(fixed, moving, start, COARSE) for start in starts]
    found += [_search(fixed, moving, best, FINE) for best in _by_merit(fixed, moving, found)[:1]]
    ranked = _by_merit(fixed, moving, found)
    plausible = [matrix for matrix in ranked if not implausible(matrix)]
    if not plausible:
        problem = implausible(ranked[0]) if ranked else "they hardly overlap"
        raise ValueError(
            f"The affine alignment of the two images failed: {problem}. Use images of "
            "the same anatomy that overlap, give both a mask of it, or align them first and leave "
            'this step out (command line: --parameters \'{"backbone": {"affine": false}}\').'
        )
    return _by_merit(fixed, moving, plausible + starts)[0]


def coarse(image: Image) -> Image:
    """An image on a grid that is fine enough to be aligned on."""
    return image.resample(image.grid.at_most(COARSE_VOXELS))


def rough_alignment(fixed: Image, moving: Image) -> np.ndarray:
    """Like `affine_alignment`, to half a millimetre or so for a tenth of its time."""
    return affine_alignment(
        *(each.resample(each.grid.at_most(ROUGH_VOXELS)) for each in (fixed, moving))
    )


def affine_again(fixed: Image, moving: Image, start: np.ndarray) -> np.ndarray:
    """The affine map of a moving image that was perturbed, by a search from that of the original.

    Every second voxel along each axis is looked at, and none is smoothed: measured, that ends within
    0.1 mm of `affine_alignment`, for a fifteenth of its time.

    Args:
        fixed: may be `coarse` already.
        start: (4, 4) LPS mm, of the original.

    Raises:
        ValueError: the search found no plausible map.
    """
    matrix = _search(*_outlined(coarse(fixed), coarse(moving)), start, AGAIN)
    problem = implausible(matrix)
    if problem:
        raise ValueError(f"The affine alignment of the perturbed image failed: {problem}.")
    return matrix


def implausible(matrix: np.ndarray) -> str:
    """Why an affine map (4x4) is none between two images of one anatomy, in words; "" if it may
    be: it mirrors, stretches by more than three, or turns by more than 45 degrees."""
    u, stretch, v = np.linalg.svd(matrix[:3, :3])
    if np.linalg.det(matrix[:3, :3]) <= 0:
        return "its best map mirrors the image"
    if stretch[0] > LARGEST_STRETCH or stretch[2] < 1 / LARGEST_STRETCH:
        return f"its best map scales the image by {stretch[2]:.2g} to {stretch[0]:.2g}"
    degrees = np.degrees(np.arccos(np.clip((np.trace(u @ v) - 1) / 2, -1, 1)))
    return (
        f"its best map turns the image by {degrees:.0f} degrees"
        if degrees > LARGEST_ROTATION
        else ""
    )


def seen_through(moving: Image, affine: np.ndarray) -> Image:
    """The moving image as it lies after an affine map (4x4, LPS mm) from fixed to moving space."""
    return Image(
        moving.array,
        Grid(moving.grid.shape, np.linalg.inv(affine) @ moving.grid.affine),
        moving.mask,
    )


def after(affine: np.ndarray, field: DisplacementField) -> DisplacementField:
    """The map affine(x + d(x)) as a displacement field."""
    moved = turned(field.vectors, affine[:3, :3].T)
    change = field.grid.affine_points((affine - np.eye(4)) @ field.grid.affine)
    return DisplacementField((moved + change).astype(np.float32), field.grid)


def _starts(fixed: Image, moving: Image) -> list[np.ndarray]:
    """Shifts to begin with: none, and the one that brings the centres together."""
    centred = np.eye(4)
    centred[:3, 3] = _center(moving) - _center(fixed)
    far = np.linalg.norm(centred[:3, 3]) > SAME_START_MM
    return [np.eye(4), centred] if far else [np.eye(4)]


def _by_merit(fixed: Image, moving: Image, matrices: list[np.ndarray]) -> list[np.ndarray]:
    """The affine maps with enough overlap, the one of best similarity first."""
    scored = [(_similarity(fixed, moving, matrix), n) for n, matrix in enumerate(matrices)]
    return [
        matrices[n]
        for score, n in sorted(scored, key=lambda each: (-each[0], each[1]))
        if score > -np.inf
    ]


def _similarity(fixed: Image, moving: Image, matrix: np.ndarray) -> float:
    """Squared correlation of intensities; -inf where too little of the images overlaps."""
    index = fixed.grid.affine_points(np.linalg.inv(moving.grid.affine) @ matrix @ fixed.grid.affine)
    both = inside_index(moving.grid.shape, index)
    smaller = min(
        fixed.array.size,
        moving.array.size
        * moving.grid.voxel_volume_ml
        / fixed.grid.voxel_volume_ml
        / abs(np.linalg.det(matrix[:3, :3])),
    )
    if both.sum() < LEAST_OVERLAP * smaller:
        return -np.inf
    method = _method(fixed, moving)
    method.SetInitialTransform(_transform(matrix, _center(fixed)))
    try:
        return -method.MetricEvaluate(to_sitk(fixed), to_sitk(moving))
    except RuntimeError:  # no voxel of the masks meets another
        return -np.inf


def _outlined(fixed: Image, moving: Image) -> tuple[Image, Image]:
    """Two images, dark outside of their masks where both have one."""
    if fixed.mask is None or moving.mask is None:
        return fixed, moving
    return tuple(
        Image(np.where(mask_of(each), each.array, 0), each.grid, each.mask)
        for each in (fixed, moving)
    )


def _search(fixed: Image, moving: Image, start: np.ndarray, stage: Stage) -> np.ndarray:
    """The affine map that a search by gradients finds from ``start``."""
    method = _method(fixed, moving)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=stage.step_mm,
        minStep=0.01,
        numberOfIterations=100,
        relaxationFactor=0.6,
        gradientMagnitudeTolerance=1e-8,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([stage.every])
    method.SetSmoothingSigmasPerLevel([stage.sigma_voxels])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    transform = _transform(start, _center(fixed))
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(to_sitk(fixed), to_sitk(moving))
    except RuntimeError:  # the search left the overlap: its start is judged instead
        return start
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    return matrix


def _method(fixed: Image, moving: Image) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    if fixed.mask is not None:
        method.SetMetricFixedMask(_mask(fixed))
    if moving.mask is not None:
        method.SetMetricMovingMask(_mask(moving))
    return method


def _transform(matrix: np.ndarray, center: np.ndarray) -> sitk.AffineTransform:
    """The map as a transform whose parameters turn about ``center``, LPS mm."""
    transform = sitk.AffineTransform(3)
    transform.SetCenter(center.tolist())
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation((matrix[:3, :3] @ center + matrix[:3, 3] - center).tolist())
    return transform


def _center(image: Image) -> np.ndarray:
    """LPS mm of the centroid of the mask, or of the field of view without one."""
    if image.mask is None:
        return image.grid.center
    return image.grid.to_world(np.argwhere(mask_of(image))[:, ::-1].mean(axis=0))


def _mask(image: Image) -> sitk.Image:
    return set_geometry(sitk.GetImageFromArray((image.mask > 0).astype(np.uint8)), image.grid)
