"""Smooth random deformations: a cubic B-spline free-form deformation of the moving space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contracts import Family, Perturbation
from ..geometry import DisplacementField, Grid, determinant_of_slopes, interpolate
from ..geometry.arrays import Array, as_like, namespace

BORDER = 3  # control points that a cubic B-spline needs beyond the number of its cells
MAX_REDRAWS = 20
DENSE = 32  # the error is below 0.01 mm at the paper's amplitude in a head


@dataclass(frozen=True)
class SplineMap(Perturbation):
    """tau(x) = x + cubic B-spline displacement, defined over the field of view of ``grid``.

    Attributes:
        coefficients: (nz, ny, nx, 3) control displacements in mm, LPS.
        grid: grid of the moving image; the spline's cells divide the box of its voxel centres.
        facts: what was drawn (redraws, shrink, min_jacobian), for the record of the sample.
    """

    coefficients: np.ndarray
    grid: Grid
    facts: dict

    def field(self, grid: Grid, like: Array | None = None) -> DisplacementField:
        """Displacement in mm on ``grid``, evaluated separably (three small matrix products).

        ``grid`` must share the field of view and axes of the moving grid (any resolution).
        """
        like = np.zeros(0, np.float32) if like is None else like
        weights = [
            as_like(_basis(at, n), like)
            for at, n in zip(self._cells_of_axes(grid), self.coefficients.shape[:3])
        ]
        return DisplacementField(_separable(as_like(self.coefficients, like), weights), grid)

    def points(self, points: Array) -> Array:
        """tau of LPS mm points (..., 3), from the exact spline (64 terms a point).

        Points outside the field of view get the displacement of its border.
        """
        shape = points.shape
        flat = points.reshape(-1, 3)
        cell = self.grid.to_index(flat)[:, [2, 1, 0]]  # (k, j, i)
        counts = np.array(self.coefficients.shape[:3])
        scale = (counts - BORDER) / np.maximum(np.array(self.grid.shape) - 1, 1)
        cell = cell * as_like(scale, cell)
        xp = namespace(flat)
        total = xp.zeros_like(flat)
        coefficients = as_like(self.coefficients, flat)
        first, weight = [], []
        for axis in range(3):
            at = xp.clip(cell[:, axis], 0.0, float(counts[axis] - BORDER))
            base = xp.clip(xp.floor(at), 0.0, float(counts[axis] - BORDER - 1))
            weight.append(_cubic(at - base))
            first.append(_to_int(base))
        for a in range(4):
            for b in range(4):
                ab = weight[0][a] * weight[1][b]
                for c in range(4):
                    total = (
                        total
                        + (ab * weight[2][c])[:, None]
                        * coefficients[first[0] + a, first[1] + b, first[2] + c]
                    )
        return (flat + total).reshape(shape)

    def push(self, field: DisplacementField) -> DisplacementField:
        """tau after phi: the registration ``field`` of the perturbed image, in original space.

        tau is read by trilinear interpolation from a grid of at least ``DENSE`` voxels a spline
        cell: less than 0.01 mm from the exact spline at a fifteenth of its cost.
        """
        cells = np.array(self.coefficients.shape[:3]) - BORDER
        grid = self.grid.resized(np.maximum(self.grid.shape, DENSE * cells))
        tau = self.field(grid, field.vectors)
        return field.slab_by_slab(
            lambda slab: slab.vectors + interpolate(tau.vectors, slab.mapped_index(grid))
        )

    def min_jacobian(self) -> float:
        """Smallest det of the Jacobian of tau, from exact derivatives on at most 64 points an
        axis."""
        shape = [min(n, 64) for n in self.grid.shape]
        at = [np.linspace(0, n - BORDER, m) for n, m in zip(self.coefficients.shape, shape)]
        values = [_basis(t, n) for t, n in zip(at, self.coefficients.shape)]
        slopes = [_basis(t, n, derivative=True) for t, n in zip(at, self.coefficients.shape)]
        along = []
        for axis in (2, 1, 0):  # the array axes of (i, j, k)
            weights = [slopes[a] if a == axis else values[a] for a in range(3)]
            per_voxel = (self.coefficients.shape[axis] - BORDER) / max(self.grid.shape[axis] - 1, 1)
            along.append(_separable(self.coefficients, weights) * per_voxel)
        return float(determinant_of_slopes(along, self.grid).min())

    def _cells_of_axes(self, grid: Grid) -> list[np.ndarray]:
        """Position in spline cells of the voxels of ``grid`` along (k, j, i)."""
        cells = []
        for axis in range(3):
            ijk = np.zeros((grid.shape[axis], 3))
            ijk[:, 2 - axis] = np.arange(grid.shape[axis])
            index = self.grid.to_index(grid.to_world(ijk))[:, 2 - axis]
            count = self.coefficients.shape[axis] - BORDER
            cells.append(np.clip(index / max(self.grid.shape[axis] - 1, 1), 0, 1) * count)
        return cells


@dataclass(frozen=True)
class Deform(Family):
    """Control displacements ~ U(−f, f) · spacing of the control points, per axis.

    The paper's "10 px apart, ±12.5 px" folds when read literally; it is 10 control points per
    axis including the 3 border ones, i.e. 7 cells, amplitude half a cell (Tian et al., App. C.1).
    The strict bound for injectivity is about 0.40 of the spacing, so every draw is checked:
    min det J must be positive; after ``MAX_REDRAWS`` failures the amplitude shrinks by a tenth.

    Attributes:
        control_points: per axis, border ones included.
        fraction: amplitude as a fraction of the control-point spacing.
    """

    control_points: int = 10
    fraction: float = 0.5
    name, place = "deform", 1
    title, tip = "Smooth deformation", "A random smooth deformation"

    def draw(self, grid: Grid, generator: np.random.Generator) -> SplineMap:
        """One fold-free perturbation for a moving image on ``grid``."""
        if self.control_points <= BORDER:
            raise ValueError(
                f"deform needs at least {BORDER + 1} control points per axis, got "
                f"{self.control_points}."
            )
        spacing = (grid.size - 1) * grid.spacing / (self.control_points - BORDER)
        fraction, redraws = self.fraction, 0
        while True:
            unit = generator.uniform(-1, 1, (*[self.control_points] * 3, 3))
            coefficients = (unit * fraction * spacing) @ grid.direction.T
            tau = SplineMap(coefficients, grid, {})
            smallest = tau.min_jacobian()
            if smallest > 0:
                tau.facts.update(
                    family=self.name, fraction=fraction, redraws=redraws, min_jacobian=smallest
                )
                return tau
            redraws += 1
            if redraws % MAX_REDRAWS == 0:
                fraction *= 0.9


def _cubic(t: Array) -> list[Array]:
    """The four uniform cubic B-spline weights at offsets t in [0, 1]."""
    s = 1.0 - t
    return [s**3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (3 * s**3 - 6 * s**2 + 4) / 6, t**3 / 6]


def _cubic_slope(t: np.ndarray) -> list[np.ndarray]:
    """Derivatives of the four weights with respect to t."""
    s = 1.0 - t
    return [-(s**2) / 2, (3 * t**2 - 4 * t) / 2, -(3 * s**2 - 4 * s) / 2, t**2 / 2]


def _basis(at: np.ndarray, control_points: int, derivative: bool = False) -> np.ndarray:
    """(len(at), control_points): spline weights at positions ``at`` in [0, cells]."""
    base = np.clip(np.floor(at), 0, control_points - BORDER - 1).astype(int)
    weights = (_cubic_slope if derivative else _cubic)(at - base)
    matrix = np.zeros((len(at), control_points))
    for a in range(4):
        matrix[np.arange(len(at)), base + a] = weights[a]
    return matrix


def _separable(coefficients: Array, weights: list[Array]) -> Array:
    """(Z, Y, X, 3) from control values (nz, ny, nx, 3) and one weight matrix per axis.

    The components lie apart in memory, for the last and largest product and for `interpolate`.
    """
    xp = namespace(coefficients)
    rows = xp.einsum("ka,abcd->dkbc", weights[0], coefficients)
    planes = xp.einsum("jb,dkbc->dkjc", weights[1], rows)
    lines = planes.reshape(-1, planes.shape[-1]) @ weights[2].T
    return xp.moveaxis(lines.reshape(*planes.shape[:3], -1), 0, -1)


def _to_int(values: Array) -> Array:
    return values.long() if hasattr(values, "long") else values.astype(np.intp)
