"""A weighted mixture of families in one run (beyond the paper)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..geometry import Grid
from .deform import Deform
from .scale import Scale
from .shear import Shear
from .translation import Translation


@dataclass(frozen=True)
class Mixture:
    """Each draw comes from one family, chosen with probability proportional to its weight.

    The default gives the paper's four families equal weight.
    """

    families: tuple = field(
        default_factory=lambda: (Translation(), Shear(), Scale(), Deform()))
    weights: tuple[float, ...] | None = None
    name = "mixture"

    def draw(self, grid: Grid, generator: np.random.Generator):
        """One perturbation of one family for a moving image on ``grid``."""
        weights = np.ones(len(self.families)) if self.weights is None else np.array(self.weights)
        choice = generator.choice(len(self.families), p=weights / weights.sum())
        return self.families[choice].draw(grid, generator)
