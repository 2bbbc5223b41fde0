"""Landmarks: where the samples put them in the fixed space, with their ellipsoids."""

from __future__ import annotations

import numpy as np

from ..geometry import DisplacementField, invert_at
from ..geometry.arrays import to_numpy
from ..metrics.gaussian import mahalanobis_squared
from ..metrics.landmarks import distances
from .region import prediction_radius, principal_axes
from .weights import effective_count

LEAST_EXACT_MM = 0.1  # a place that comes no nearer to the landmark is not its inverse
ITERATIONS = 100  # landmarks are few: steep fields get their time
OF_SAMPLES = ("mean_lps", "covariance_mm2", "axes_mm", "directions", "u_mm")


def map_to_fixed(field: DisplacementField, moving_points: np.ndarray) -> np.ndarray:
    """(P, 3) where a registration puts points of the moving image in the fixed space, LPS mm.

    NaN where it has no inverse: a point that it folds over, or carries nothing to.
    """
    points, residual = invert_at(field, moving_points, ITERATIONS, tolerance_mm=1e-3)
    points = to_numpy(points).astype(np.float64)
    points[to_numpy(residual) > LEAST_EXACT_MM] = np.nan
    return points


def landmark_table(
    positions: np.ndarray,
    moving_points: np.ndarray,
    labels: list[str],
    fixed_points: np.ndarray | None = None,
    mapped: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> list[dict]:
    """Rows of the landmark table, in the order given; every distance is one of the fixed space.

    The covariance is that of the samples, biased 1/N as everywhere. The ellipsoid holds a further
    sample with 95 % probability (`region.prediction_radius`); it says nothing of an error that all
    samples share. With fewer than five different samples there is none.

    Args:
        positions: (N, P, 3) LPS mm: each landmark carried to the fixed space by each sample; NaN
            where one has no answer: it is left out for that landmark.
        moving_points: (P, 3) LPS mm, the landmarks in the moving image.
        labels: P names.
        fixed_points: (P, 3) LPS mm, the true positions in the fixed image; NaN where not known.
        mapped: (P, 3) LPS mm, positions by the registration itself, for the TRE; NaN where it has
            none; default: mean.
        weights: (N,) weights of the samples, any scale; None takes equal ones.

    Returns:
        A dictionary a landmark; None where the truth is not known, there is no ellipsoid, or fewer
        than two samples have an answer:

        - label, fixed_lps, moving_lps
        - mean_lps: mean position; covariance_mm2: xx, xy, xz, yy, yz, zz; u_mm: sqrt(trace)
        - axes_mm: semi-axes of the ellipsoid r sqrt(λ), longest first, along the rows of directions
          (LPS unit vectors)
        - lost: how many samples have no answer
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
    weights = np.ones(len(positions)) if weights is None else np.asarray(weights, np.float64)
    if fixed_points is None:
        fixed_points = np.full(moving_points.shape, np.nan)
    fixed_points = np.asarray(fixed_points, dtype=np.float64)
    # Copies of one draw put all landmarks at the same places; NaN equals nothing.
    flat = np.nan_to_num(positions).reshape(len(positions), -1)
    draws = np.unique(flat, axis=0, return_inverse=True)[1].ravel()
    rows = []
    for p, label in enumerate(labels):
        truth, known = fixed_points[p], bool(np.isfinite(fixed_points[p]).all())
        answers = np.isfinite(positions[:, p]).all(axis=1)
        kept = answers & (weights > 0)
        row = {
            "label": str(label),
            "fixed_lps": truth.tolist() if known else None,
            "moving_lps": moving_points[p].tolist(),
            **dict.fromkeys((*OF_SAMPLES, "tre_mm", "mahalanobis", "inside95")),
            "lost": int(np.count_nonzero(~answers)),
        }
        if kept.sum() > 1:
            share = weights[kept] / weights[kept].sum()
            count = effective_count(draws[kept], share)
            row |= _region(positions[kept, p], share, count, truth if known else None)
        place = row["mean_lps"] if mapped is None else mapped[p]
        if known and place is not None and np.isfinite(place).all():
            row["tre_mm"] = float(distances([place], [truth])[0])
        rows.append(row)
    return rows


def _region(positions: np.ndarray, weights: np.ndarray, count: float, truth) -> dict:
    """The entries of a row that say where the samples (N, 3) put a landmark."""
    mean = weights @ positions
    offset = positions - mean
    matrix = np.einsum("n,na,nb->ab", weights, offset, offset)
    covariance = matrix.ravel()[[0, 1, 2, 4, 5, 8]]
    (variances,), (directions,) = principal_axes(matrix[None])
    row = {
        "mean_lps": mean.tolist(),
        "covariance_mm2": covariance.tolist(),
        "u_mm": float(np.sqrt(variances.sum())),
    }
    radius = prediction_radius(count)
    if np.isfinite(radius):
        row["axes_mm"] = (radius * np.sqrt(variances)).tolist()
        row["directions"] = directions.tolist()
        if truth is not None:
            squared = float(mahalanobis_squared(truth - mean, covariance))
            row["mahalanobis"], row["inside95"] = float(np.sqrt(squared)), squared <= radius**2
    return row
