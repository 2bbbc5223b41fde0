"""Landmarks: where the samples put them, with 95 % ellipsoids."""

import math

import numpy as np

from ..geometry import DisplacementField, invert_at
from ..geometry.arrays import to_numpy
from ..metrics.gaussian import mahalanobis_squared
from ..metrics.landmarks import distances
from .region import prediction_radius, principal_axes
from .weights import effective_count


def map_to_fixed(field: DisplacementField, moving_points: np.ndarray) -> np.ndarray:
    """(P, 3) where a registration puts points of the moving image in the fixed space, LPS mm."""
    points, _ = invert_at(field, moving_points, tolerance_mm=1e-3)
    return to_numpy(points).astype(np.float64)


def landmark_table(
    positions: np.ndarray,
    moving_points: np.ndarray,
    labels: list[str],
    fixed_points: np.ndarray | None = None,
    mapped: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> list[dict]:
    """Rows of the landmark table, in the order given.

    The covariance is that of the samples, biased 1/N as everywhere. The ellipsoid holds a further
    sample with 95 % probability (`region.prediction_radius`); it says nothing of an error that all
    samples share. With fewer than five different samples there is none.

    Args:
        positions: (N, P, 3) LPS mm: each landmark carried to the fixed space by each sample.
        moving_points: (P, 3) LPS mm, the landmarks in the moving image.
        labels: P names.
        fixed_points: (P, 3) LPS mm, the true positions in the fixed image; NaN where not known.
        mapped: (P, 3) LPS mm, positions by the registration itself, for the TRE; default: mean.
        weights: (N,) weights of the samples, any scale; None takes equal ones.

    Returns:
        A dictionary a landmark; None where the truth is not known or there is no ellipsoid:

        - label, fixed_lps, moving_lps
        - mean_lps: mean position; covariance_mm2: xx, xy, xz, yy, yz, zz; u_mm: sqrt(trace)
        - axes_mm: semi-axes of the 95 % ellipsoid r sqrt(λ), longest first, along the rows of
          directions (LPS unit vectors)
        - tre_mm: distance of ``mapped`` to the truth
        - mahalanobis: sqrt((t - mean)ᵀ S⁻¹ (t - mean)) of the truth t; inside95: whether t lies
          inside the ellipsoid

    Raises:
        ValueError: the shapes do not fit.
    """
    positions = np.asarray(positions, dtype=np.float64)
    moving_points = np.asarray(moving_points, dtype=np.float64)
    if positions.ndim != 3 or positions.shape[1:] != (len(labels), 3):
        raise ValueError(f"positions must be (N, {len(labels)}, 3), got {positions.shape}")
    if moving_points.shape != positions.shape[1:]:
        raise ValueError(f"moving points are {moving_points.shape}, not {positions.shape[1:]}")
    count = len(positions)
    weights = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    weights = weights / weights.sum()
    mean = np.einsum("n,npc->pc", weights, positions)
    offset = positions - mean
    matrices = np.einsum("n,npa,npb->pab", weights, offset, offset)
    covariance = matrices.reshape(-1, 9)[:, [0, 1, 2, 4, 5, 8]]
    variances, directions = principal_axes(matrices)
    radius = prediction_radius(effective_count(positions, weights))
    axes = radius * np.sqrt(variances)
    solid = not math.isnan(radius)
    if fixed_points is not None:
        fixed_points = np.asarray(fixed_points, dtype=np.float64)
        tre = distances(mean if mapped is None else mapped, fixed_points)
        squared = mahalanobis_squared(fixed_points - mean, covariance)
    rows = []
    for p, label in enumerate(labels):
        known = fixed_points is not None and bool(np.isfinite(fixed_points[p]).all())
        judged = known and solid
        rows.append(
            {
                "label": str(label),
                "fixed_lps": fixed_points[p].tolist() if known else None,
                "moving_lps": moving_points[p].tolist(),
                "mean_lps": mean[p].tolist(),
                "covariance_mm2": covariance[p].tolist(),
                "axes_mm": axes[p].tolist() if solid else None,
                "directions": directions[p].tolist() if solid else None,
                "u_mm": float(np.sqrt(variances[p].sum())),
                "tre_mm": float(tre[p]) if known else None,
                "mahalanobis": float(np.sqrt(squared[p])) if judged else None,
                "inside95": bool(squared[p] <= radius**2) if judged else None,
            }
        )
    return rows
