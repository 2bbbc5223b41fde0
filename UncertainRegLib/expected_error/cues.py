"""What a pair tells, without any truth, of how far its registration may be off: one map a cue.

All are computed on the working grid from what a run has at hand: the prepared images, the
registration, and the disagreement of its samples.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from ..geometry import DisplacementField, Grid, Image, jacobian_determinant, warp
from ..geometry.foreground import above_mean

SIGMA = 2.0  # voxels: what is a cue, and no longer noise of one voxel
DETAIL = 1.0  # voxels: over so few, the likeness of the images tells one place from the next
FINE = 0.7  # voxels: slopes of the fixed image are taken at this scale
MOST_SQUEEZED = 10.0  # times: folds have no logarithm
FLATTEST = 1e-3  # slope of prepared intensities a mm below which an image tells nothing
NOISE = 1e-4  # variance of prepared intensities that a correlation takes for no structure
FLOORS = {  # added to a cue before its logarithm: about the smallest value that means anything
    "gap": 0.05,
    "unlike": 0.05,
    "unlike_in_detail": 0.05,
    "strain": 0.02,
    "squeeze": 0.0,
    "disagreement": 0.1,
}


def logs(cues: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """log(cue + floor) of every cue that a model may use."""
    return {name: np.log(cues[name] + floor) for name, floor in FLOORS.items()}


def anatomy_of(fixed: Image, grid: Grid) -> np.ndarray:
    """(Z, Y, X) booleans on ``grid``: where the prepared fixed image shows the patient; everywhere
    where it shows nothing."""
    found = above_mean(fixed.resample(grid))
    return found if found.any() else np.ones_like(found)


def means(cues: Mapping[str, np.ndarray], anatomy: np.ndarray) -> dict[str, float]:
    """What the cues say of the pair as a whole: the mean of each over the anatomy."""
    return {name: float(values[anatomy].mean()) for name, values in cues.items()}


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
        - unlike_in_detail: the same over half the distance
        - residual: what is left of their difference, in prepared intensities; no model uses it,
          because how much contrast there is differs between anatomies
        - strain: norm of the symmetric part of the slopes of the displacement
        - squeeze: how many times less room the moving image has for the anatomy there
    """
    grid = registration.grid
    here = fixed.resample(grid).array.astype(np.float32)
    warped = warp(moving, registration, outside=None).array.astype(np.float32)
    fine = ndimage.gaussian_filter(here, FINE, mode="nearest")
    slope = _root_mean_square(np.sqrt(sum(s**2 for s in _slopes(fine, grid.spacing))))
    difference = _root_mean_square(warped - here)
    room = np.clip(jacobian_determinant(registration), 1 / MOST_SQUEEZED, MOST_SQUEEZED)
    found = {
        "gap": difference / (slope + FLATTEST) / grid.voxel_mm,
        "unlike": 1.0 - _correlation(here, warped, SIGMA),
        "unlike_in_detail": 1.0 - _correlation(here, warped, DETAIL),
        "residual": difference,
        "strain": _root_mean_square(_strain(registration)),
        "squeeze": np.exp(-_smooth(np.log(room))),
    }
    return {name: values.astype(np.float32) for name, values in found.items()}


def cues_of_samples(uncertainty_mm: np.ndarray, voxel_mm: float) -> dict[str, np.ndarray]:
    """Cues of the samples, like `cues_of_images`.

    Args:
        uncertainty_mm: (Z, Y, X) their disagreement u, on the grid of the registration.
        voxel_mm: of that grid (`geometry.Grid.voxel_mm`).

    Returns:
        - disagreement: u in voxels, smoothed
    """
    return {"disagreement": (_root_mean_square(uncertainty_mm) / voxel_mm).astype(np.float32)}


def _smooth(values: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    return ndimage.gaussian_filter(values.astype(np.float32), sigma, mode="nearest")


def _root_mean_square(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(_smooth(values**2), 0.0))


def _slopes(values: np.ndarray, spacing: np.ndarray) -> list[np.ndarray]:
    """Derivatives a mm along (k, j, i); 0 along an axis of one voxel."""
    return [
        np.gradient(values, step, axis=axis) if values.shape[axis] > 1 else np.zeros_like(values)
        for axis, step in enumerate(spacing[::-1])
    ]


def _correlation(first: np.ndarray, second: np.ndarray, sigma: float) -> np.ndarray:
    """Local correlation of two images, -1 to 1; 0 where one of them is flat."""
    mean, other = _smooth(first, sigma), _smooth(second, sigma)
    variances = [
        np.maximum(_smooth(values**2, sigma) - middle**2, 0.0) + NOISE
        for values, middle in ((first, mean), (second, other))
    ]
    both = _smooth(first * second, sigma) - mean * other
    return np.clip(both / np.sqrt(variances[0] * variances[1]), -1.0, 1.0)


def _strain(field: DisplacementField) -> np.ndarray:
    """Norm of the symmetric part of the slopes of a displacement, along the axes of its grid."""
    along = field.vectors @ field.grid.direction.astype(np.float32)  # components along (i, j, k)
    slopes = [_slopes(along[..., c], field.grid.spacing)[::-1] for c in range(3)]
    return np.sqrt(
        sum((0.5 * (slopes[a][b] + slopes[b][a])) ** 2 for a in range(3) for b in range(3))
    )
