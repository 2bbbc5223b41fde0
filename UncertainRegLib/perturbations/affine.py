"""Affine perturbations: rotation, shear, scale and translation together (beyond the paper)."""

from dataclasses import dataclass

import numpy as np

from ..contracts import Family
from ..geometry import Grid
from .linear import LinearMap, about_center, draw_rotation, draw_scale, draw_shear, draw_translation


@dataclass(frozen=True)
class Affine(Family):
    """rotation · shear · scale about the image centre, then a translation; amounts as alone."""

    degrees: float = 2.0
    shear: float = 0.02
    low: float = 0.9
    high: float = 1.1
    fraction: float = 0.01
    name, place = "affine", 6
    title, tip = "Affine", "A random affine map"

    def draw(self, grid: Grid, generator: np.random.Generator) -> LinearMap:
        """One perturbation for a moving image on ``grid``."""
        matrix = (
            draw_rotation(self.degrees, generator)
            @ draw_shear(self.shear, generator)
            @ draw_scale(self.low, self.high, generator)
        )
        shift = draw_translation(self.fraction, grid, generator)
        return about_center(
            grid,
            matrix,
            shift,
            {"family": self.name, "matrix": matrix.tolist(), "shift_mm": shift.tolist()},
        )
