"""Translations of the moving image."""

from dataclasses import dataclass

import numpy as np

from ..contracts import Family
from ..geometry import Grid
from .linear import LinearMap, about_center, draw_translation


@dataclass(frozen=True)
class Translation(Family):
    """t ~ U(−fraction, fraction) of the image extent per axis (Tian et al., App. C.1: 1 %)."""

    fraction: float = 0.01
    name, place = "translation", 2
    title, tip = "Shift", "A random shift"

    def draw(self, grid: Grid, generator: np.random.Generator) -> LinearMap:
        """One perturbation for a moving image on ``grid``."""
        shift = draw_translation(self.fraction, grid, generator)
        return about_center(
            grid, np.eye(3), shift, {"family": self.name, "shift_mm": shift.tolist()}
        )
