"""Is the disagreement so small that it cannot be the uncertainty?"""

from __future__ import annotations

import numpy as np

from ..geometry import Image
from ..geometry.foreground import above_mean
from .summary import Summary

# Of a fixed voxel. The smallest mean error in the studies with known deformations (one image
# deformed smoothly and found again, the easiest truth there is) was 0.41 of one.
LEAST_VOXELS = 0.2


def warnings(summary: Summary) -> tuple[str, ...]:
    """A sentence where the samples of a run differ by less than any registration errs; else
    none. Judged inside the fixed image's mask, or above its mean intensity."""
    stream = summary.stream
    if not stream.has_spread:
        return ()
    fixed = summary.inputs.fixed
    inside = Image(above_mean(fixed).astype(np.float32), fixed.grid)
    inside = inside.resample(stream.grid, "nearest", 0.0)
    return too_certain(
        stream.uncertainty_mm(),
        (inside.array > 0) & stream.validity.inside,
        float(np.cbrt(np.prod(fixed.grid.spacing))),
    )


def too_certain(
    uncertainty_mm: np.ndarray, anatomy: np.ndarray, voxel_mm: float
) -> tuple[str, ...]:
    """The sentence, from a map.

    Args:
        uncertainty_mm: disagreement (Z, Y, X).
        anatomy: booleans of the same shape: where it counts.
        voxel_mm: size of a voxel of the fixed image, geometric mean of its edges.
    """
    if not anatomy.any():
        return ()
    median = float(np.median(uncertainty_mm[anatomy]))
    if median >= LEAST_VOXELS * voxel_mm:
        return ()
    return (
        f"The samples differ by only {median:.2g} mm (median), {median / voxel_mm:.2g} of a "
        "voxel of the fixed image: no registration is known to be that exact, so small values "
        "say nothing here. Try another sampling method as well (equivariance with the "
        "perturbation deform), or calibrate.",
    )
