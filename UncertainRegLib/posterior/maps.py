"""Scalar maps of a covariance (…, 6) = xx, xy, xz, yy, yz, zz in mm², LPS axes.

numpy or torch. What needs a determinant or eigenvalues is computed in float64, a slab of voxels at
a time, and returned in the type of the covariance.
"""

import math

from ..geometry.arrays import Array, namespace
from ..metrics.gaussian import FLOOR_MM

SLAB = 1 << 18  # voxels at a time: bounds the float64 temporaries


def uncertainty(covariance: Array) -> Array:
    """u = sqrt(trace S) in mm, (…): the scalar map of Tian et al., Algorithm 1."""
    trace = covariance[..., 0] + covariance[..., 3] + covariance[..., 5]
    return trace.clip(0.0) ** 0.5


def axis_sd(covariance: Array) -> Array:
    """Standard deviation in mm along the patient's axes, (…, 3): R/L, A/P, S/I."""
    return covariance[..., [0, 3, 5]].clip(0.0) ** 0.5


def largest_axis(covariance: Array) -> Array:
    """Standard deviation in mm along the direction of largest spread, (…): sqrt of λ₁."""
    return _slabs(lambda s: _eigenvalues(s)[..., 0].clip(0.0) ** 0.5, covariance)


def displacement_entropy(covariance: Array, floor_mm: float = FLOOR_MM) -> Array:
    """Entropy ½ log det(2πe (S + floor² I)) of a Gaussian displacement in nats, (…).

    The floor keeps it finite where S has no full rank (fewer than four samples, or none that
    differ): a point that never moves has 3 log(floor sqrt(2πe)) = -9.6 nats at 0.01 mm.

    Args:
        covariance: (…, 6) mm².
        floor_mm: standard deviation in mm added to every axis.
    """
    xp = namespace(covariance)

    def entropy(s: Array) -> Array:
        floor = floor_mm**2
        xx, xy, xz, yy, yz, zz = (s[..., c] for c in range(6))
        xx, yy, zz = xx + floor, yy + floor, zz + floor
        minor = xx * yy - xy * xy
        determinant = zz * minor - xx * yz * yz - yy * xz * xz + 2.0 * xy * xz * yz
        return 0.5 * xp.log(determinant.clip(floor**3)) + 1.5 * math.log(2.0 * math.pi * math.e)

    return _slabs(entropy, covariance)


def clip_negative(covariance: Array) -> Array:
    """The nearest positive semi-definite covariances: negative eigenvalues set to 0, (…, 6)."""
    xp = namespace(covariance)

    def clip(s: Array) -> Array:
        bad = _eigenvalues(s)[..., 2] < 0.0
        if bool(bad.any()):
            values, vectors = xp.linalg.eigh(_matrix(s[bad]))
            fixed = (vectors * values.clip(0.0)[..., None, :]) @ vectors.swapaxes(-1, -2)
            s[bad] = fixed.reshape(-1, 9)[:, [0, 1, 2, 4, 5, 8]]
        return s

    return _slabs(clip, covariance)


def eigenvalues(covariance: Array) -> Array:
    """Eigenvalues (…, 3) in mm², largest first."""
    return _slabs(_eigenvalues, covariance)


def _eigenvalues(covariance: Array) -> Array:
    """The trigonometric form (Smith 1961): six times faster than an iterative solver.

    In float64 the largest is exact to rounding, the others to about 1e-8 of the largest.
    """
    xp = namespace(covariance)
    xx, xy, xz, yy, yz, zz = (covariance[..., c] for c in range(6))
    middle = (xx + yy + zz) / 3.0
    dx, dy, dz = xx - middle, yy - middle, zz - middle
    square = (dx * dx + dy * dy + dz * dz) / 6.0 + (xy * xy + xz * xz + yz * yz) / 3.0
    determinant = dx * (dy * dz - yz * yz) - xy * (xy * dz - yz * xz) + xz * (xy * yz - dy * xz)
    radius = square**0.5
    # A multiple of the identity has radius 0; any angle is right there.
    cosine = determinant / (2.0 * square * radius).clip(1e-300)
    angle = xp.arccos(cosine.clip(-1.0, 1.0)) / 3.0
    first = middle + 2.0 * radius * xp.cos(angle)
    last = middle + 2.0 * radius * xp.cos(angle + 2.0 * math.pi / 3.0)
    return xp.stack([first, 3.0 * middle - first - last, last], -1)


def _matrix(s: Array) -> Array:
    """(…, 3, 3) from (…, 6)."""
    return s[..., [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(*s.shape[:-1], 3, 3)


def _slabs(function, covariance: Array) -> Array:
    """``function``, (n, 6) float64 -> (n, …), applied to slabs of voxels; same type comes out."""
    xp = namespace(covariance)
    shape = tuple(covariance.shape[:-1])
    flat = covariance.reshape(-1, 6)
    parts = []
    for start in range(0, max(flat.shape[0], 1), SLAB):
        result = function(xp.asarray(flat[start : start + SLAB], dtype=xp.float64) + 0.0)
        parts.append(xp.asarray(result, dtype=covariance.dtype))
    joined = xp.concatenate(parts, 0)
    return joined.reshape((*shape, *joined.shape[1:]))
