"""A weighted mixture of families in one run (beyond the paper)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..contracts import Family, Perturbation
from ..geometry import Grid
from .deform import Deform
from .scale import Scale
from .shear import Shear
from .translation import Translation


@dataclass(frozen=True)
class Mixture(Family):
    """Each draw comes from one family, chosen with probability proportional to its weight.

    The default gives the paper's four families equal weight. In a run of many draws the families
    take turns: by chance alone two runs of 20 would differ in what they ask.
    """

    families: tuple[Family, ...] = field(
        default_factory=lambda: (Translation(), Shear(), Scale(), Deform())
    )
    weights: tuple[float, ...] | None = None
    name, place = "mixture", 7
    title, tip = "Mixture", "Shift, shear, scaling and deformation in turn"

    def draw(self, grid: Grid, generator: np.random.Generator) -> Perturbation:
        """One perturbation of one family for a moving image on ``grid``."""
        choice = generator.choice(len(self.families), p=self._shares())
        return self.families[choice].draw(grid, generator)

    def draws(self, grid: Grid, generator: np.random.Generator) -> Iterator[Perturbation]:
        """Perturbations without end; each time the family that is most behind its share."""
        shares = self._shares()
        behind = np.zeros(len(shares))
        while True:
            behind += shares
            choice = int(np.argmax(np.round(behind, 9)))
            behind[choice] -= 1
            yield self.families[choice].draw(grid, generator)

    def _shares(self) -> np.ndarray:
        weights = np.ones(len(self.families)) if self.weights is None else np.array(self.weights)
        return weights / weights.sum()
