"""Small rigid motions of the moving image (beyond the paper)."""

from dataclasses import dataclass

import numpy as np

from ..contracts import Family
from ..geometry import Grid
from .linear import LinearMap, about_center, draw_rotation, draw_translation


@dataclass(frozen=True)
class Rigid(Family):
    """Rotation U(−degrees, degrees) about each axis, and a translation as in Translation."""

    degrees: float = 2.0
    fraction: float = 0.01
    name, place = "rigid", 3
    title, tip = "Shift and rotation", "A random rigid movement"

    def draw(self, grid: Grid, generator: np.random.Generator) -> LinearMap:
        """One perturbation for a moving image on ``grid``."""
        matrix = draw_rotation(self.degrees, generator)
        shift = draw_translation(self.fraction, grid, generator)
        return about_center(
            grid,
            matrix,
            shift,
            {"family": self.name, "matrix": matrix.tolist(), "shift_mm": shift.tolist()},
        )
