"""How far each sample lies from the truth, where it is known: which one comes nearest."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..geometry import DisplacementField, Segmentation
from ..metrics.landmarks import target_registration_error
from .inputs import Inputs

VOXELS = 500_000  # samples are compared with a true segmentation on this grid


class Truth:
    """Errors of samples: of the true landmarks, else of the true segmentation.

    Args:
        inputs: of the run, with the truth where it is known.
    """

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self._errors: list[float] = []

    def add(self, field: DisplacementField) -> None:
        """Measure one sample, mm LPS."""
        error = self._error(field.to_numpy())
        if error is not None:
            self._errors.append(error)

    def nearest(self, numbers: list[int] | None = None) -> int | None:
        """The sample nearest to the truth; None without one.

        Args:
            numbers: of the samples, where they are not counted from 0.
        """
        if not self._errors:
            return None
        best = int(np.argmin(self._errors))
        return best if numbers is None else numbers[best]

    def _error(self, field: DisplacementField) -> float | None:
        """Mean distance in mm from the true landmarks, else the share of voxels with a label, true
        or found, that have the wrong one; None without a truth."""
        inputs = self.inputs
        if inputs.fixed_points is not None:
            known = inputs.known_points
            return float(
                target_registration_error(
                    field, inputs.fixed_points[known], inputs.moving_points[known]
                ).mean()
            )
        if inputs.fixed_labels is None:
            return None
        true = self._labels
        found = inputs.moving_labels.warp(field.resample(true.grid))
        wrong = judged = 0
        for ours, theirs, labels in zip(found.layers, true.layers, true.labels_of_layers):
            here = np.isin(ours.array, labels) | (theirs.array > 0)
            wrong += np.count_nonzero((ours.array != theirs.array) & here)
            judged += np.count_nonzero(here)
        return wrong / judged if judged else None

    @cached_property
    def _labels(self) -> Segmentation:
        """The true segmentation on the grid where samples are compared with it."""
        return self.inputs.fixed_labels.resample(self.inputs.fixed.grid.at_most(VOXELS))
