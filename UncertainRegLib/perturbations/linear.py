"""Linear perturbations x -> c + A (x − c) + t of the moving space, and their small matrices.

All are expressed along the axes of the image (columns of its direction matrix), in millimetres:
the paper draws them on the network grid (Tian et al., App. C.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contracts import Perturbation
from ..geometry import DisplacementField, Grid
from ..geometry.arrays import Array, as_like, turned


@dataclass(frozen=True)
class LinearMap(Perturbation):
    """tau(x) = matrix x + offset on LPS mm points.

    Attributes:
        matrix: (3, 3) float64.
        offset: (3,) mm.
        facts: what was drawn, for the record of the sample.
    """

    matrix: np.ndarray
    offset: np.ndarray
    facts: dict

    def points(self, points: Array) -> Array:
        """tau of LPS mm points (..., 3): exact, by formula."""
        return points @ as_like(self.matrix.T, points) + as_like(self.offset, points)

    def push(self, field: DisplacementField) -> DisplacementField:
        """tau after phi: the registration ``field`` of the perturbed image, in original space."""

        def pushed(slab: DisplacementField) -> Array:
            # d + (A - 1)(x + d) + t, with what depends on x alone by formula
            return turned(slab.vectors, self.matrix.T) + self.field(slab.grid, slab.vectors).vectors

        return field.slab_by_slab(pushed)

    def field(self, grid: Grid, like: Array | None = None) -> DisplacementField:
        """Displacement tau(x) − x in mm on all voxels of ``grid``."""
        change = np.eye(4)
        change[:3, :3], change[:3, 3] = self.matrix - np.eye(3), self.offset
        return DisplacementField(grid.affine_points(change @ grid.affine, like), grid)


def about_center(grid: Grid, matrix: np.ndarray, shift: np.ndarray, facts: dict) -> LinearMap:
    """LinearMap from a (3, 3) matrix and a shift (mm) along the axes of ``grid``, about its centre.

    Args:
        grid: grid of the moving image.
        matrix: acts on coordinates along (i, j, k), in mm.
        shift: mm along (i, j, k).
        facts: the draw, for the record.
    """
    turn = grid.direction
    matrix = turn @ matrix @ np.linalg.inv(turn)
    return LinearMap(matrix, grid.center - matrix @ grid.center + turn @ np.asarray(shift), facts)


def draw_translation(fraction: float, grid: Grid, generator: np.random.Generator) -> np.ndarray:
    """Shift in mm along (i, j, k): U(−fraction, fraction) of the image extent per axis."""
    return generator.uniform(-fraction, fraction, 3) * grid.extent_mm


def draw_shear(amount: float, generator: np.random.Generator) -> np.ndarray:
    """(3, 3) with ones on the diagonal and six independent U(−amount, amount) beside it."""
    matrix = generator.uniform(-amount, amount, (3, 3))
    np.fill_diagonal(matrix, 1.0)
    return matrix


def draw_scale(low: float, high: float, generator: np.random.Generator) -> np.ndarray:
    """(3, 3) diagonal with three independent factors U(low, high)."""
    return np.diag(generator.uniform(low, high, 3))


def draw_rotation(degrees: float, generator: np.random.Generator) -> np.ndarray:
    """(3, 3) rotation by three angles U(−degrees, degrees) about (i, j, k), in this order."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler("xyz", generator.uniform(-degrees, degrees, 3), True).as_matrix()
