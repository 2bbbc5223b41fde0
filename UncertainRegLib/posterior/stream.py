"""Samples in, one by one: their running sums, from which every map and table is made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..geometry import DisplacementField, Grid, inside_index
from ..geometry.arrays import Array, namespace, to_numpy
from .labels import LabelProbabilities
from .maps import uncertainty
from .moments import Moments, NestedMoments, RunningMean
from .points import map_to_fixed
from .weights import effective_count, normalised

INSIDE = 0.5  # a voxel counts where at least half of the samples stay in the moving image


class Validity:
    """How often samples stay inside the moving image.

    Args:
        moving: grid of that image.
    """

    def __init__(self, moving: Grid) -> None:
        self.moving = moving
        self._mean = RunningMean()

    def add(self, field: DisplacementField, log_weight: float = 0.0) -> None:
        """Take in one sample; all of them have the same grid."""
        stays = namespace(field.vectors).empty_like(field.vectors[..., 0])
        for here, grid in field.grid.slabs(field.vectors):
            index = DisplacementField(field.vectors[here], grid).mapped_index(self.moving)
            stays[here] = inside_index(self.moving.shape, index)
        self._mean.add(stays, log_weight)

    @property
    def share(self) -> Array:
        """(Z, Y, X) weighted fraction of samples whose point stays inside."""
        return self._mean.value

    @property
    def inside(self) -> np.ndarray:
        """(Z, Y, X) booleans: where most samples stay inside."""
        return to_numpy(self.share) >= INSIDE


class SampleStream:
    """Moments, validity, label probabilities and landmark positions of weighted samples.

    Args:
        moving: grid of the moving image.
        labels: of each layer of the moving segmentation.
        points: (P, 3) landmarks of the moving image, LPS mm, or None.
        nested: several draws share a perturbation: intrinsic spread and bias jitter are told
            apart.

    Attributes:
        grid: of the samples; None before the first one.
        positions: of each sample, (P, 3) where it puts the landmarks in the fixed space, LPS mm.
        nested: `NestedMoments`, or None.
    """

    def __init__(
        self,
        moving: Grid,
        labels: Sequence[LabelProbabilities] = (),
        points: np.ndarray | None = None,
        nested: bool = False,
    ) -> None:
        self.labels, self.points = list(labels), points
        self.moments, self.validity = Moments(), Validity(moving)
        self.nested = NestedMoments() if nested else None
        self.grid: Grid | None = None
        self.positions: list[np.ndarray] = []
        self.log_weights: list[float] = []
        self.weighs_voxels = False
        self._draws: list[int] = []

    def add(
        self,
        field: DisplacementField,
        log_weight: float = 0.0,
        group: int = 0,
        voxel_log_weight: Array | None = None,
        draw: int | None = None,
    ) -> None:
        """Take in one sample.

        Args:
            field: mm LPS; all samples have the same grid.
            group: number of its perturbation.
            voxel_log_weight: see `LabelProbabilities.add`.
            draw: number of what was drawn: copies of one draw share it. None: drawn once.
        """
        self.grid = field.grid
        self._draws.append(self.count if draw is None else draw)
        self.moments.add(field.vectors, log_weight)
        if self.nested is not None:
            self.nested.add(field.vectors, log_weight, group)
        self.validity.add(field, log_weight)
        for layer in self.labels:
            layer.add(field, log_weight, voxel_log_weight)
        if self.points is not None:
            self.positions.append(map_to_fixed(field, self.points))
        self.log_weights.append(float(log_weight))
        self.weighs_voxels |= voxel_log_weight is not None

    @property
    def count(self) -> int:
        """Samples so far."""
        return self.moments.count

    @property
    def has_spread(self) -> bool:
        """Whether there are samples to differ: one alone would make maps of zeros."""
        return self.count > 1

    def weights(self) -> np.ndarray:
        """(N,) normalised weights."""
        return normalised(self.log_weights)

    def effective(self) -> float:
        """Effective number of different samples: copies of one draw add up to one weight."""
        return effective_count(self._draws, self.weights())

    def mean(self) -> DisplacementField:
        """Mean of the samples, numpy, on their grid."""
        return DisplacementField(self.moments.mean, self.grid).to_numpy()

    def uncertainty_mm(self) -> np.ndarray:
        """(Z, Y, X) disagreement on the grid of the samples."""
        return to_numpy(uncertainty(self.moments.covariance))
