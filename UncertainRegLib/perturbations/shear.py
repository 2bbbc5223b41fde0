"""Shears of the moving image about its centre."""

from dataclasses import dataclass

import numpy as np

from ..contracts import Family
from ..geometry import Grid
from .linear import LinearMap, about_center, draw_shear


@dataclass(frozen=True)
class Shear(Family):
    """Each of the six off-diagonal entries ~ U(−amount, amount) mm per mm (App. C.1: 0.02)."""

    amount: float = 0.02
    name, place = "shear", 5
    title, tip = "Shear", "A random shear"

    def draw(self, grid: Grid, generator: np.random.Generator) -> LinearMap:
        """One perturbation for a moving image on ``grid``."""
        matrix = draw_shear(self.amount, generator)
        return about_center(
            grid, matrix, np.zeros(3), {"family": self.name, "matrix": matrix.tolist()}
        )
