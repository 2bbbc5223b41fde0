"""Where a registration that was made elsewhere stands among samples, place by place."""

from __future__ import annotations

import numpy as np

from ..geometry.arrays import to_numpy
from ..metrics.gaussian import mahalanobis_squared
from .region import FEWEST, LEVEL, region_level
from .stream import SampleStream


def standing(stream: SampleStream, vectors: np.ndarray) -> dict[str, np.ndarray]:
    """How far a registration is from the samples' mean, and which share of samples is nearer.

    Neither is an error: samples can all be wrong.

    Args:
        stream: two samples or more.
        vectors: (Z, Y, X, 3) of the registration, on the grid of the samples, mm LPS.

    Returns:
        - given_offset_mm: (Z, Y, X) distance from the mean of the samples
        - given_level: (Z, Y, X) probability of the smallest region (`region.prediction_radius`)
          that reaches there; with 0.95 the place is on the edge of the ellipsoid that would hold a
          further sample in 95 % of cases. Left out with fewer than five different samples.
    """
    offset = vectors - stream.mean().vectors
    found = {"given_offset_mm": np.linalg.norm(offset, axis=-1)}
    count = stream.effective()
    if count >= FEWEST - 1e-6:
        squared = mahalanobis_squared(offset, to_numpy(stream.moments.covariance))
        found["given_level"] = region_level(squared, np.array(count))
    return found


def outside_share(level: np.ndarray, where: np.ndarray) -> float:
    """Share of the voxels ``where`` outside the region of `region.LEVEL`."""
    return float((level[where] > LEVEL).mean())
