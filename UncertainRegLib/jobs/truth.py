"""How far each sample lies from the truth, where it is known: which one comes nearest."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..geometry import DisplacementField, Segmentation
from ..metrics.landmarks import distances
from .comparison import dice_of_structures
from .inputs import Inputs

VOXELS = 500_000  # samples are compared with a true segmentation on this grid


class Truth:
    """Errors of samples: of the true landmarks, else of the true segmentation.

    Args:
        inputs: of the run, with the truth where it is known.
    """

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self._errors: list[np.ndarray] = []

    def add(self, field: DisplacementField, carried: np.ndarray | None = None) -> None:
        """Measure one sample.

        Args:
            field: mm LPS.
            carried: (P, 3) where it puts the landmarks in the fixed space, LPS mm; NaN where it has
                no answer.
        """
        errors = self._of(field, carried)
        if errors is not None:
            self._errors.append(errors)

    def nearest(self, numbers: list[int] | None = None) -> int | None:
        """The sample of the smallest mean distance in mm from the true landmarks, else of the best
        mean Dice; None without a truth.

        A sample without an answer to a landmark that others carry is not the nearest.

        Args:
            numbers: of the samples, where they are not counted from 0.
        """
        if not self._errors:
            return None
        errors = np.array(self._errors)
        errors = errors[:, np.isfinite(errors).any(axis=0)]
        if not errors.size or np.isnan(errors).any(axis=1).all():
            return None
        best = int(np.nanargmin(errors.mean(axis=1)))
        return best if numbers is None else numbers[best]

    def _of(self, field: DisplacementField, carried: np.ndarray | None) -> np.ndarray | None:
        """An error for each landmark with a truth, else for each structure; None without any."""
        inputs = self.inputs
        if inputs.fixed_points is not None and inputs.known_points.any():
            known = inputs.known_points
            return distances(carried[known], inputs.fixed_points[known])
        if inputs.fixed_labels is None:
            return None
        true, moving = self._labels, inputs.moving_labels
        warped = moving.warp(field.to_numpy().resample(true.grid))
        overlap = dice_of_structures(warped, true, moving)
        return 1.0 - np.array(list(overlap.values()))

    @cached_property
    def _labels(self) -> Segmentation:
        """The true segmentation on the grid where samples are compared with it."""
        return self.inputs.fixed_labels.resample(self.inputs.fixed.grid.at_most(VOXELS))
