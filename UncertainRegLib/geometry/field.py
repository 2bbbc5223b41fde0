"""Displacement fields: the registration x -> x + d(x) from fixed to moving space, in mm LPS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .arrays import Array, as_like, is_torch, namespace, to_numpy, turned
from .grid import Grid
from .interpolate import interpolate, regrid

SEEN = 64  # places along an axis that an affine map is fitted to, or up to twice as many
FLATTEST = 0.01  # determinant of an affine map that is still undone by its inverse


@dataclass(frozen=True)
class DisplacementField:
    """phi(x) = x + d(x) sampled on a grid of the fixed space (pull-back: fixed to moving).

    Attributes:
        vectors: (Z, Y, X, 3) displacement (x, y, z) in mm, LPS; numpy or torch.
        grid: grid of the samples in the fixed space.
    """

    vectors: Array
    grid: Grid

    def __post_init__(self) -> None:
        if tuple(self.vectors.shape) != (*self.grid.shape, 3):
            raise ValueError(
                f"Displacement vectors have shape {tuple(self.vectors.shape)}, "
                f"expected {(*self.grid.shape, 3)}."
            )

    def at(self, points: Array) -> Array:
        """Displacement (..., 3) in mm at LPS mm points (..., 3), linear; clamped at the border."""
        return interpolate(self.vectors, self.grid.to_index(points))

    def map(self, points: Array) -> Array:
        """phi(points): where LPS mm points (..., 3) of the fixed space lie in the moving space."""
        return points + self.at(points)

    def mapped_index(self, grid: Grid) -> Array:
        """(Z, Y, X, 3) voxel index in ``grid`` (moving space) of phi(x), x over all voxels."""
        to_index = np.linalg.inv(grid.affine)
        index = self.grid.affine_points(to_index @ self.grid.affine, self.vectors)
        index += turned(self.vectors, to_index[:3, :3].T)
        return index

    def slab_by_slab(self, vectors_of: Callable[[DisplacementField], Array]) -> DisplacementField:
        """The field with the vectors (Z, Y, X, 3) that a function makes of each slab of this one.

        What the function needs meanwhile has then the size of a slab, not that of an image.
        """
        vectors = namespace(self.vectors).empty_like(self.vectors)
        for here, grid in self.grid.slabs(self.vectors):
            vectors[here] = vectors_of(DisplacementField(self.vectors[here], grid))
        return DisplacementField(vectors, self.grid)

    def resample(self, grid: Grid) -> DisplacementField:
        """The same map sampled on another grid of the fixed space (linear)."""
        if grid == self.grid:
            return self
        return DisplacementField(regrid(self.vectors, self.grid, grid), grid)

    def to_numpy(self) -> DisplacementField:
        """The same field as a float32 numpy array."""
        return DisplacementField(to_numpy(self.vectors).astype(np.float32, copy=False), self.grid)


def identity(grid: Grid, like: Array | None = None) -> DisplacementField:
    """Zero displacement on ``grid``."""
    like = np.zeros(0, np.float32) if like is None else like
    return DisplacementField(as_like(np.zeros((*grid.shape, 3), np.float32), like), grid)


def compose(outer: DisplacementField, inner: DisplacementField) -> DisplacementField:
    """outer after inner: x -> phi_outer(phi_inner(x)), on the grid of ``inner``."""
    moved = interpolate(outer.vectors, inner.mapped_index(outer.grid))
    return DisplacementField(inner.vectors + moved, inner.grid)


def invert(
    field: DisplacementField,
    grid: Grid | None = None,
    iterations: int = 30,
    tolerance_mm: float = 0.01,
) -> tuple[DisplacementField, Array]:
    """The inverse map on ``grid`` (moving space; default the field's own) by fixed point.

    Returns:
        The inverse field, and its residual (Z, Y, X) in mm: the distance between x and
        phi(phi_inverse(x)). Where phi folds or leaves the grid no inverse exists and the
        residual stays large.
    """
    grid = field.grid if grid is None else grid
    points = grid.points(field.vectors)
    inverse, residual = invert_at(field, points, iterations, tolerance_mm)
    return DisplacementField(inverse - points, grid), residual


def invert_at(
    field: DisplacementField,
    points: Array,
    iterations: int = 30,
    tolerance_mm: float = 0.01,
    start: Array | None = None,
) -> tuple[Array, Array]:
    """Fixed-space points y with phi(y) = ``points`` (moving space, LPS mm, (..., 3)).

    Args:
        start: where they are about, (..., 3) LPS mm; the default is by the affine part of phi.

    Returns:
        y (..., 3) in LPS mm, and the residual |phi(y) − points| (...) in mm.
    """
    xp = namespace(field.vectors)
    points = as_like(points, field.vectors)
    # The affine part is undone first and in every step, so that the iteration also converges for
    # images that are distant, or turned or scaled against each other.
    back = np.linalg.inv(affine_part(field))
    turn = as_like(back[:3, :3].T, points)
    best = points @ turn + as_like(back[:3, 3], points) if start is None else start
    gap = points - field.map(best)
    error = (gap * gap).sum(-1) ** 0.5
    step = error * 0.0 + 1.0
    for _ in range(iterations):
        if float(error.max()) <= tolerance_mm:
            break
        trial = best + step[..., None] * (gap @ turn)
        trial_gap = points - field.map(trial)
        trial_error = (trial_gap * trial_gap).sum(-1) ** 0.5
        better = trial_error < error
        best = xp.where(better[..., None], trial, best)
        gap = xp.where(better[..., None], trial_gap, gap)
        error = xp.where(better, trial_error, error)
        step = xp.where(better, step, 0.5 * step)  # steep fields overshoot: go half the way
    return best, error


def affine_part(field: DisplacementField) -> np.ndarray:
    """(4, 4) the affine map nearest to phi on a thinned grid, LPS mm; a shift where that one folds."""
    every = [max(1, n // SEEN) for n in field.grid.shape]
    vectors = to_numpy(field.vectors[tuple(slice(None, None, step) for step in every)])
    affine = field.grid.affine.copy()
    affine[:3, :3] *= every[::-1]
    grid = Grid(vectors.shape[:3], affine)
    slopes = np.zeros((3, 3))  # of the displacement in mm, along (i, j, k) per voxel, as columns
    for a, n in enumerate(grid.size):
        offset = np.arange(n) - (n - 1) / 2.0  # a regular grid: its three axes fit apart
        others = tuple(axis for axis in range(3) if axis != 2 - a)
        if n > 1:
            profile = vectors.mean(axis=others, dtype=np.float64)
            slopes[:, a] = offset @ profile / (offset @ offset)
    matrix = np.eye(4)
    matrix[:3, :3] += slopes @ np.linalg.inv(grid.affine[:3, :3])
    if np.linalg.det(matrix[:3, :3]) < FLATTEST:
        matrix[:3, :3] = np.eye(3)
    centre = grid.center + vectors.reshape(-1, 3).mean(axis=0, dtype=np.float64)
    matrix[:3, 3] = centre - matrix[:3, :3] @ grid.center
    return matrix


def jacobian_determinant(field: DisplacementField) -> Array:
    """det of the Jacobian of phi at every voxel, (Z, Y, X); <= 0 means folding.

    Central differences inside, one-sided at the border; a single-voxel axis counts as rigid.
    """
    slopes = [_difference(field.vectors, axis) for axis in (2, 1, 0)]
    return determinant_of_slopes(slopes, field.grid)


def determinant_of_slopes(slopes: list[Array], grid: Grid) -> Array:
    """det of the Jacobian of phi from the derivatives of its displacement along (i, j, k).

    Args:
        slopes: three arrays (..., 3): change of the displacement (mm, LPS) per voxel.
        grid: whose voxels they are.
    """
    to_index = np.linalg.inv(grid.affine[:3, :3])
    m: list[list[Array]] = [[None] * 3 for _ in range(3)]
    for c in range(3):
        for b in range(3):  # d d_c / d x_b = sum over a of (d d_c / d index_a)(d index_a / d x_b)
            m[c][b] = sum(slopes[a][..., c] * float(to_index[a, b]) for a in range(3))
            if b == c:
                m[c][b] = m[c][b] + 1.0
    return (
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    )


def _difference(values: Array, axis: int) -> Array:
    """Derivative along an array axis per voxel: central, one-sided at both ends."""
    xp = namespace(values)
    n = values.shape[axis]
    if n == 1:
        return xp.zeros_like(values)

    def cut(start, stop):
        return values[(slice(None),) * axis + (slice(start, stop),)]

    inner = [(cut(2, None) - cut(0, -2)) / 2.0] if n > 2 else []
    parts = [cut(1, 2) - cut(0, 1), *inner, cut(n - 1, n) - cut(n - 2, n - 1)]
    return xp.concatenate(parts, axis) if not is_torch(values) else xp.cat(parts, axis)


def folding_fraction(field: DisplacementField) -> float:
    """Fraction of voxels with det J <= 0."""
    return float(to_numpy(jacobian_determinant(field) <= 0).mean())
