"""Anisotropic scalings of the moving image about its centre."""

from dataclasses import dataclass

import numpy as np

from ..contracts import Family
from ..geometry import Grid
from .linear import LinearMap, about_center, draw_scale


@dataclass(frozen=True)
class Scale(Family):
    """One factor per axis ~ U(low, high) about the image centre (App. C.1: 0.9 to 1.1)."""

    low: float = 0.9
    high: float = 1.1
    name, place = "scale", 4
    title, tip = "Scaling", "Random growth or shrinking along each axis"

    def draw(self, grid: Grid, generator: np.random.Generator) -> LinearMap:
        """One perturbation for a moving image on ``grid``."""
        matrix = draw_scale(self.low, self.high, generator)
        return about_center(
            grid, matrix, np.zeros(3), {"family": self.name, "factors": np.diag(matrix).tolist()}
        )
