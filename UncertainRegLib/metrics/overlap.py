"""Agreement of two segmentations."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..geometry.arrays import counts_of


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Dice coefficient 2 |A ∩ B| / (|A| + |B|) of two masks; NaN when both are empty.

    Raises:
        ValueError: the shapes differ.
    """
    first, second = _masks(first, second)
    size = np.count_nonzero(first) + np.count_nonzero(second)
    return 2.0 * np.count_nonzero(first & second) / size if size else float("nan")


def dice_per_label(
    first: np.ndarray, second: np.ndarray, labels: list[int] | None = None
) -> dict[int, float]:
    """Dice coefficient of every label of two label maps, counted in one pass.

    Args:
        first: integers (Z, Y, X), 0 = background.
        second: integers, same shape.
        labels: which labels; None takes all found in either map, without 0.

    Returns:
        label -> Dice; NaN for a label that is in neither map.

    Raises:
        ValueError: the shapes differ.
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape:
        raise ValueError(f"label maps have shapes {first.shape} and {second.shape}: resample one")
    count_first, count_second = counts_of(first), counts_of(second)
    count_shared = counts_of(first[first == second])
    if labels is None:
        labels = sorted((count_first.keys() | count_second.keys()) - {0})
    result = {}
    for label in labels:
        size = count_first.get(label, 0) + count_second.get(label, 0)
        result[label] = 2.0 * count_shared.get(label, 0) / size if size else float("nan")
    return result


@dataclass(frozen=True)
class SurfaceDistance:
    """Distances between two surfaces in mm.

    Attributes:
        hausdorff: largest distance of any surface voxel to the other surface.
        hausdorff95: the larger of the two directed 95 % quantiles.
        average: mean over the surface voxels of both (average symmetric surface distance).
        one_sided: mean over those of the first alone, to the second: the "ASD" of medpy and so of
            the heteroscedastic and AdaCS papers.
    """

    hausdorff: float
    hausdorff95: float
    average: float
    one_sided: float


def surface_distance(
    first: np.ndarray, second: np.ndarray, spacing: tuple[float, float, float]
) -> SurfaceDistance:
    """Hausdorff, 95 % Hausdorff and average symmetric surface distance of two masks.

    A surface is the mask's voxels with a face neighbour outside; distances are exact Euclidean
    between voxel centres (SimpleITK: Maurer distance map). Of a slice it is the outline: along an
    axis of one voxel nothing is outside.

    Args:
        first: booleans (Z, Y, X).
        second: booleans, same shape.
        spacing: (i, j, k) voxel size in mm, as in SimpleITK.

    Raises:
        ValueError: the shapes differ or a mask is empty.
    """
    first, second = _masks(first, second)
    if not first.any() or not second.any():
        raise ValueError("a surface distance needs two masks that are not empty")
    # The box around both, with a margin so that every surface voxel has an outside neighbour.
    box = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        filled = np.flatnonzero((first | second).any(axis=others))
        box.append(slice(filled[0], filled[-1] + 1))
    flat = tuple(axis for axis in range(3) if first.shape[axis] == 1)
    flat = flat if len(flat) == 1 else ()  # a line or a point is no slice
    images = []
    for mask in (first, second):
        mask = mask[tuple(box)].squeeze(flat)
        image = sitk.GetImageFromArray(np.pad(mask.astype(np.uint8), 1))
        image.SetSpacing([float(spacing[2 - axis]) for axis in (2, 1, 0) if axis not in flat])
        images.append(image)
    surfaces = [sitk.LabelContour(image) for image in images]
    directed = [_distances(*surfaces), _distances(*surfaces[::-1])]
    return SurfaceDistance(
        hausdorff=float(max(d.max() for d in directed)),
        hausdorff95=float(max(np.percentile(d, 95.0) for d in directed)),
        average=float(np.concatenate(directed).mean()),
        one_sided=float(directed[0].mean()),
    )


def _distances(surface: sitk.Image, other: sitk.Image) -> np.ndarray:
    """Distance in mm of every voxel of a surface to the nearest voxel of the other."""
    # Of a whole mask the filter would measure the inside to the nearest background voxel.
    distance = sitk.SignedMaurerDistanceMap(
        other, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
    )
    here = sitk.GetArrayViewFromImage(surface) != 0
    return np.abs(sitk.GetArrayViewFromImage(distance)[here]).astype(np.float64)


def _masks(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if first.shape != second.shape:
        raise ValueError(f"masks have shapes {first.shape} and {second.shape}: resample one")
    return first, second
