"""What a pair tells, without any truth, of how far its registration may be off: one map a cue.

All are computed on the working grid from what a run has at hand: the prepared images, the
registration, and mean and covariance of its samples.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..geometry import DisplacementField, Image, warp

SIGMA = 2.0  # voxels: what is a cue of a place, and no longer noise of one voxel
FINE = 0.7  # voxels: slopes of the fixed image are taken at this scale
FLATTEST = 1e-3  # slope of prepared intensities a mm below which an image tells nothing
NOISE = 1e-4  # variance of prepared intensities that a correlation takes for no structure


def cues_of_images(
    fixed: Image, moving: Image, registration: DisplacementField
) -> dict[str, np.ndarray]:
    """Cues of a registration alone, by name, each (Z, Y, X) float32, larger where more error is
    likely. Lengths are in voxels of the working grid: a registration twice as coarse errs twice
    as far.

    Args:
        fixed, moving: as returned by ``backbone.prepare``, numpy: intensities of order 1.
        registration: the unperturbed one, numpy; its grid is that of the cues.

    Returns:
        - gap: by how many voxels the images would have to move here to explain what is left of
          their difference: root mean square of it over that of the slope
        - unlike: 1 − the local correlation of the intensities, 0 to 2
        - residual: what is left of their difference, in prepared intensities; no model uses it,
          because how much contrast there is differs between anatomies
        - strain: norm of the symmetric part of the slopes of the displacement
    """
    grid = registration.grid
    here = fixed.resample(grid).array.astype(np.float32)
    warped = warp(moving, registration, outside=None).array.astype(np.float32)
    fine = ndimage.gaussian_filter(here, FINE, mode="nearest")
    slope = _root_mean_square(np.sqrt(sum(s**2 for s in _slopes(fine, grid.spacing))))
    difference = _root_mean_square(warped - here)
    found = {
        "gap": difference / (slope + FLATTEST) / grid.voxel_mm,
        "unlike": 1.0 - _correlation(here, warped),
        "residual": difference,
        "strain": _root_mean_square(_strain(registration)),
    }
    return {name: values.astype(np.float32) for name, values in found.items()}


def cues_of_samples(
    registration: DisplacementField, mean: DisplacementField, uncertainty_mm: np.ndarray
) -> dict[str, np.ndarray]:
    """Cues of the samples, like `cues_of_images`.

    Args:
        registration: the unperturbed one, numpy.
        mean: mean of the samples, on its grid.
        uncertainty_mm: their disagreement u, on its grid.

    Returns:
        - disagreement: u in voxels, smoothed
        - offset: distance in voxels of the samples' mean from the registration, smoothed
    """
    voxel_mm = registration.grid.voxel_mm
    offset = np.linalg.norm(mean.vectors - registration.vectors, axis=-1)
    found = {"disagreement": uncertainty_mm, "offset": offset}
    return {
        name: (_root_mean_square(values) / voxel_mm).astype(np.float32)
        for name, values in found.items()
    }


def _smooth(values: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(values.astype(np.float32), SIGMA, mode="nearest")


def _root_mean_square(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(_smooth(values**2), 0.0))


def _slopes(values: np.ndarray, spacing: np.ndarray) -> list[np.ndarray]:
    """Derivatives a mm along (k, j, i); 0 along an axis of one voxel."""
    return [
        np.gradient(values, step, axis=axis) if values.shape[axis] > 1 else np.zeros_like(values)
        for axis, step in enumerate(spacing[::-1])
    ]


def _correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Local correlation of two images, -1 to 1; 0 where one of them is flat."""
    mean, other = _smooth(first), _smooth(second)
    variances = [
        np.maximum(_smooth(values**2) - middle**2, 0.0) + NOISE
        for values, middle in ((first, mean), (second, other))
    ]
    return (_smooth(first * second) - mean * other) / np.sqrt(variances[0] * variances[1])


def _strain(field: DisplacementField) -> np.ndarray:
    """Norm of the symmetric part of the slopes of a displacement, along the axes of its grid."""
    along = field.vectors @ field.grid.direction.astype(np.float32)  # components along (i, j, k)
    slopes = [_slopes(along[..., c], field.grid.spacing)[::-1] for c in range(3)]
    return np.sqrt(
        sum((0.5 * (slopes[a][b] + slopes[b][a])) ** 2 for a in range(3) for b in range(3))
    )
