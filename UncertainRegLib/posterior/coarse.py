"""Coarse copies of the samples: small enough to keep all of them and compare each with each."""

from __future__ import annotations

import numpy as np

from ..geometry import DisplacementField, Grid, inside_index
from .agreement import agreement
from .modes import find_modes, principal_components
from .strays import stray_samples

SAMPLES_FOR_MODES = 4
FEWEST_PLACES = 100  # of the grid; fewer rank nothing


class CoarseSamples:
    """Copies of samples on a coarse grid: modes, best sample, strays, how steady they are.

    Args:
        grid: of the copies, in the fixed space.
        registration: the unperturbed one, mm LPS.
        moving: grid of the moving image.
    """

    def __init__(self, grid: Grid, registration: DisplacementField, moving: Grid) -> None:
        self.grid = grid
        self.fields: list[np.ndarray] = []
        self._log_weights: list[float] = []
        self._evidence: list[float] = []
        registration = registration.to_numpy().resample(grid)
        self._registration = registration.vectors
        # where the registration stays inside the moving image (everywhere, if it does so nowhere)
        seen = inside_index(moving.shape, registration.mapped_index(moving))
        self._seen = seen if seen.any() else np.ones_like(seen)

    def add(self, field: DisplacementField, log_weight: float, evidence: float) -> None:
        """Keep a copy of a sample (numpy, mm LPS).

        Args:
            evidence: its log-weight before resampling.
        """
        self.fields.append(field.resample(self.grid).vectors)
        self._log_weights.append(log_weight)
        self._evidence.append(evidence)

    def representatives(self, numbers: list[int] | None = None) -> dict:
        """ "modes": two groups of samples, each with its weight and the sample that stands for it
        (k-means finds two in any samples); "best_sample": the one with the largest log-weight,
        among equals the one nearest the mean. Empty with fewer than four samples.

        Args:
            numbers: of the samples, where they are not counted from 0.
        """
        count = len(self.fields)
        if count < SAMPLES_FOR_MODES:
            return {"modes": [], "best_sample": None}
        numbers = range(count) if numbers is None else numbers
        components = principal_components(self.fields, self._log_weights)
        distance = [float(np.square(field - components.mean).sum()) for field in self.fields]
        best = max(range(count), key=lambda i: (self._evidence[i], -distance[i]))
        return {
            "modes": [
                {"weight": mode.weight, "sample": numbers[mode.sample]}
                for mode in find_modes(components)
            ],
            "best_sample": numbers[best],
        }

    def apart_mm(self) -> float:
        """Median distance in mm of the last sample from the registration, where the registration
        stays inside the moving image."""
        offset = np.linalg.norm(self.fields[-1] - self._registration, axis=-1)
        return float(np.median(offset[self._seen]))

    def agreement(self, inside: np.ndarray, groups: list[int]) -> float | None:
        """How steady their disagreement is (`agreement.agreement`), where the registration stays
        inside the moving image.

        Args:
            inside: (Z, Y, X) booleans on the grid, the anatomy.
            groups: of each sample; those of one stay together.
        """
        here = inside & self._seen
        if np.count_nonzero(here) < FEWEST_PLACES:
            return None
        return agreement([field[here] for field in self.fields], groups)

    def strays(self, smallest_mm: float) -> dict[int, float]:
        """Samples far from the others: number from 0 -> distance in mm (`stray_samples`)."""
        if not self.fields:
            return {}
        return stray_samples([field[self._seen] for field in self.fields], smallest_mm)
