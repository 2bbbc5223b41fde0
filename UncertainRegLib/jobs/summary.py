"""Everything a run sums up while samples arrive, and the tables and maps made of it."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..geometry import (
    DisplacementField,
    Grid,
    Image,
    Segmentation,
    folding_fraction,
    inside_index,
    interpolate,
    invert_at,
    jacobian_determinant,
    warp,
)
from ..geometry.arrays import as_like, to_numpy
from ..posterior.label_map import label_map
from ..posterior.label_table import label_table, most_uncertain_first
from ..posterior.labels import LabelProbabilities
from ..posterior.maps import (
    axis_sd,
    displacement_entropy,
    largest_axis,
    uncertainty,
)
from ..posterior.modes import find_modes, principal_components
from ..posterior.moments import Moments, NestedMoments, RunningMean
from ..posterior.points import landmark_table
from ..posterior.strays import stray_samples
from ..results.maps import MAPS
from ..samplers import Sample
from .comparison import before_after
from .inputs import Inputs

LABEL_VOXELS = 8_000_000  # label probabilities live on the fixed grid, or a coarser one of this
ANIMATION_VOXELS = 300_000  # samples are kept on this grid: 64³ to 70³, 3.6 MB each
MODE_VOXELS = 5_000  # modes are found on a coarse copy of the samples, 60 KB each
ORACLE_VOXELS = 500_000  # samples are compared with a true segmentation on this grid
SAMPLES_FOR_MODES = 4
INSIDE = 0.5  # a voxel counts where at least half of the samples stay in the moving image

OF_REGISTRATION = ("jacobian", "folding")  # maps that do not depend on the samples


class Summary:
    """Streams samples into a covariance, label probabilities and landmark positions.

    Args:
        inputs: images, segmentations and landmarks of the run.
        registration: the unperturbed registration, mm LPS on the working grid.
        nested: several draws share a perturbation: intrinsic spread and bias jitter are told
            apart.

    Attributes:
        predicted: maps beside the samples, that the backbone's network predicts, by name
            (`backbones.trained.PredictedMap`).
    """

    def __init__(self, inputs: Inputs, registration: DisplacementField,
                 nested: bool = False) -> None:
        self.inputs = inputs
        self.registration = registration
        self.predicted: dict = {}
        self.moments = Moments()
        self.nested = NestedMoments() if nested else None
        self.validity = RunningMean()
        self.labels: list[LabelProbabilities] = []  # of each layer of the segmentation
        if inputs.moving_labels is not None:
            grid = inputs.fixed.grid.at_most(LABEL_VOXELS)
            self.labels = [LabelProbabilities(layer, grid) for layer in inputs.moving_labels.layers]
        self.positions: list[np.ndarray] = []
        self.log_weights: list[float] = []
        self.evidence: list[float] = []  # log-weight before resampling
        self.errors: list[float] = []  # distance from the truth, where it is known
        self.draws: list[int] = []  # number of what was drawn: copies of one draw share it
        self.coarse: list[np.ndarray] = []
        self.grid = registration.grid  # of the samples; known with the first one
        self.animation_grid = registration.grid.at_most(ANIMATION_VOXELS)
        self.coarse_grid = self.animation_grid.at_most(MODE_VOXELS)
        self.weighs_voxels = False

    def add(self, sample: Sample) -> DisplacementField:
        """Take in one sample; returns it on the animation grid (float32 numpy)."""
        field, facts = sample.field, sample.facts
        self.grid = field.grid
        self.moments.add(field.vectors, sample.log_weight)
        if self.nested is not None:
            self.nested.add(field.vectors, sample.log_weight, sample.group)
        inside = inside_index(self.inputs.moving.grid.shape,
                              field.mapped_index(self.inputs.moving.grid))
        self.validity.add(as_like(inside, field.vectors), sample.log_weight)
        for layer in self.labels:
            layer.add(field, sample.log_weight, sample.voxel_log_weight)
        if self.inputs.moving_points is not None:
            self.positions.append(map_to_fixed(field, self.inputs.moving_points))
        self.draws.append(facts.get("proposal", self.count))
        self.evidence.append(facts.get("log_weight", sample.log_weight))
        self.log_weights.append(float(sample.log_weight))
        error = self._error(field)
        if error is not None:
            self.errors.append(error)
        self.weighs_voxels |= sample.voxel_log_weight is not None
        kept = field.resample(self.animation_grid).to_numpy()
        self.coarse.append(kept.resample(self.coarse_grid).vectors)
        return kept

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
        log = np.array(self.log_weights)
        weights = np.exp(log - log.max())
        return weights / weights.sum()

    def effective(self) -> float:
        """Effective number of different samples: copies of one draw add up to one weight."""
        of_draws = np.bincount(np.unique(self.draws, return_inverse=True)[1], self.weights())
        return float(1.0 / np.sum(of_draws**2))

    def representatives(self, numbers: list[int] | None = None) -> dict:
        """ "modes": two groups of samples, each with its weight and the sample that stands for it
        (k-means finds two in any samples); "best_sample": the one with the largest log-weight,
        among equals the one nearest the mean. Empty with fewer than four samples.

        Args:
            numbers: of the samples, where they are not counted from 0.
        """
        if self.count < SAMPLES_FOR_MODES:
            return {"modes": [], "best_sample": None}
        numbers = range(self.count) if numbers is None else numbers
        components = principal_components(self.coarse, self.log_weights)
        distance = [float(np.square(field - components.mean).sum()) for field in self.coarse]
        best = max(range(self.count), key=lambda i: (self.evidence[i], -distance[i]))
        return {"modes": [{"weight": mode.weight, "sample": numbers[mode.sample]}
                          for mode in find_modes(components)], "best_sample": numbers[best]}

    def apart_mm(self) -> float:
        """Median distance in mm of the last sample from the registration, where the registration
        stays inside the moving image."""
        before, seen = self._coarse_registration
        return float(np.median(np.linalg.norm(self.coarse[-1] - before, axis=-1)[seen]))

    @cached_property
    def _coarse_registration(self) -> tuple[np.ndarray, np.ndarray]:
        """The registration on the coarse grid, and where it stays inside the moving image
        (everywhere, if it does so nowhere)."""
        field = self.registration.to_numpy().resample(self.coarse_grid)
        moving = self.inputs.moving.grid
        seen = inside_index(moving.shape, field.mapped_index(moving))
        return field.vectors, seen if seen.any() else np.ones_like(seen)

    def strays(self) -> dict[int, float]:
        """Samples far from the others: number from 0 -> distance in mm (`stray_samples`). None
        where every voxel has weights of its own: a sample is no whole there."""
        if self.weighs_voxels or not self.coarse:
            return {}
        _, seen = self._coarse_registration
        return stray_samples([field[seen] for field in self.coarse],
                             float(self.inputs.fixed.grid.spacing.mean()))

    def oracle(self, numbers: list[int] | None = None) -> int | None:
        """The sample nearest to the true landmarks, else segmentation; None without a truth.
        ``numbers`` as for `representatives`."""
        if not self.errors:
            return None
        best = int(np.argmin(self.errors))
        return best if numbers is None else numbers[best]

    def _error(self, field: DisplacementField) -> float | None:
        """Mean distance in mm from the true landmarks, else the share of voxels with a label, true
        or found, that have the wrong one; None without a truth."""
        inputs = self.inputs
        if inputs.fixed_points is not None:
            known = np.isfinite(inputs.fixed_points).all(axis=1)
            found = field.to_numpy().map(inputs.fixed_points[known].astype(np.float32))
            return float(np.linalg.norm(found - inputs.moving_points[known], axis=-1).mean())
        if inputs.fixed_labels is None:
            return None
        true = self._true_labels
        found = inputs.moving_labels.warp(field.to_numpy().resample(true.grid))
        wrong = judged = 0
        for ours, theirs, labels in zip(found.layers, true.layers, true.labels_of_layers):
            here = np.isin(ours.array, labels) | (theirs.array > 0)
            wrong += np.count_nonzero((ours.array != theirs.array) & here)
            judged += np.count_nonzero(here)
        return wrong / judged if judged else None

    @cached_property
    def _true_labels(self) -> Segmentation:
        """The true segmentation on the grid where samples are compared with it."""
        return self.inputs.fixed_labels.resample(self.inputs.fixed.grid.at_most(ORACLE_VOXELS))

    @cached_property
    def before_after(self) -> dict:
        """What the registration improved, see `comparison.before_after`."""
        return before_after(self.inputs, self.registration,
                            self.inputs.fixed.grid.at_most(LABEL_VOXELS))

    def mean(self) -> DisplacementField:
        """Mean of the samples, on their grid."""
        return DisplacementField(self.moments.mean, self.grid).to_numpy()

    def offset_and_spread_mm(self) -> tuple[float, float]:
        """Medians in mm, where the samples stay inside the moving image: the distance of their mean
        from the registration, and their disagreement; zeros without a spread."""
        seen = to_numpy(self.validity.value) >= INSIDE
        if not self.has_spread or not seen.any():
            return 0.0, 0.0
        offset = self.mean().vectors - self.registration.resample(self.grid).to_numpy().vectors
        apart = np.linalg.norm(offset, axis=-1)
        spread = to_numpy(uncertainty(self.moments.covariance))
        return float(np.median(apart[seen])), float(np.median(spread[seen]))

    def maps(self) -> dict[str, np.ndarray]:
        """Scalar maps (Z, Y, X) float32 on the fixed grid, by name (`results.maps`)."""
        of_samples = {"validity": self.validity.value}
        if self.has_spread:
            covariance = self.moments.covariance
            axes = axis_sd(covariance)
            of_samples |= {
                "uncertainty_mm": uncertainty(covariance),
                "largest_axis_mm": largest_axis(covariance),
                "axis_rl_mm": axes[..., 0], "axis_ap_mm": axes[..., 1],
                "axis_si_mm": axes[..., 2],
                "displacement_entropy": displacement_entropy(covariance),
            }
        if self.nested is not None:
            parts = self.nested.summary()
            of_samples |= {"spread_mm": uncertainty(parts.spread),
                           "jitter_mm": uncertainty(parts.jitter)}
        maps = {name: self._on_fixed(values, self.grid) for name, values in of_samples.items()}
        jacobian = jacobian_determinant(self.registration)
        for name, values in (("jacobian", jacobian),
                             ("folding", as_like(jacobian <= 0, jacobian))):
            maps[name] = self._on_fixed(values, self.registration.grid)
        if self.labels and self.has_spread:
            grid = self.labels[0].grid
            entropy = [label_map(layer, found.array).score for layer, found in
                       zip(self.labels, self.warped_labels(grid).layers)]
            information = [layer.information() for layer in self.labels]
            maps["label_entropy"] = self._on_fixed(np.max(entropy, axis=0), grid)
            maps["label_information"] = self._on_fixed(np.max(information, axis=0), grid)
        for name, predicted in self.predicted.items():
            maps[name] = self._on_fixed(predicted.image.array, predicted.image.grid)
        return maps

    def meaning(self, name: str) -> tuple[str, str]:
        """Unit and meaning of a map."""
        if name in self.predicted:
            return self.predicted[name].unit, self.predicted[name].meaning
        return MAPS[name].unit, MAPS[name].meaning

    def covariance(self) -> tuple[np.ndarray, Grid]:
        """(Z, Y, X, 6) covariance in mm² and its grid, the animation grid."""
        to_index = np.linalg.inv(self.grid.affine) @ self.animation_grid.affine
        like = self.moments.covariance
        index = self.animation_grid.affine_points(to_index, like)
        return to_numpy(interpolate(like, index)).astype(np.float32), self.animation_grid

    def label_rows(self, uncertainty_mm: np.ndarray, validity: np.ndarray) -> list[dict]:
        """The per-label table; places that mostly leave the moving image are not judged."""
        if not self.labels:
            return []
        grid, inputs = self.labels[0].grid, self.inputs
        uncertainty_mm, validity = (Image(values, inputs.fixed.grid).resample(grid).array
                                    for values in (uncertainty_mm, validity))
        judged = np.where(validity >= INSIDE, uncertainty_mm, np.nan)
        warped, moving = self.warped_labels(grid), inputs.moving_labels
        true = [None] * len(self.labels)
        if inputs.fixed_labels is not None:
            true = [layer.array for layer in inputs.fixed_labels.resample(grid).layers]
        structures = self.before_after["structures"]
        rows = [{**row, "dice_before": structures.get(row["label"], {}).get("before")}
                for layer, found, truth in zip(self.labels, warped.layers, true)
                for row in label_table(layer, judged, found.array, truth, moving.names,
                                       moving.colors)]
        return most_uncertain_first(rows)

    def landmark_rows(self) -> list[dict]:
        """The landmark table. TRE compares the registration with the true moving point."""
        inputs = self.inputs
        if inputs.moving_points is None:
            return []
        rows = landmark_table(
            np.stack(self.positions), inputs.moving_points, inputs.point_names,
            inputs.fixed_points, map_to_fixed(self.registration, inputs.moving_points),
            self.weights())
        if inputs.fixed_points is not None:
            # The usual target registration error needs no inverse: |phi(fixed) − moving|.
            known = np.isfinite(inputs.fixed_points).all(axis=1)
            true, moving = inputs.fixed_points[known], inputs.moving_points[known]
            found = self.registration.to_numpy().map(true.astype(np.float32))
            errors = (np.linalg.norm(points - moving, axis=1) for points in (found, true))
            for place, after, before in zip(np.flatnonzero(known), *errors):
                rows[place]["tre_mm"], rows[place]["tre_before_mm"] = float(after), float(before)
        return rows

    def warped_moving(self) -> Image:
        """The moving image on the fixed grid, by the unperturbed registration."""
        field = self.registration.to_numpy().resample(self.inputs.fixed.grid)
        lowest = float(self.inputs.moving.array.min())
        image = Image(self.inputs.moving.array, self.inputs.moving.grid)
        return warp(image, field, outside=lowest)

    def warped_labels(self, grid: Grid) -> Segmentation:
        """The moving segmentation on ``grid``, by the unperturbed registration."""
        return self.inputs.moving_labels.warp(self.registration.to_numpy().resample(grid))

    def folding(self) -> float:
        """Fraction of voxels of the working grid where the registration folds."""
        return folding_fraction(self.registration)

    def _on_fixed(self, values, grid: Grid) -> np.ndarray:
        image = Image(to_numpy(values).astype(np.float32), grid)
        return image.resample(self.inputs.fixed.grid).array


def map_to_fixed(field: DisplacementField, moving_points: np.ndarray) -> np.ndarray:
    """(P, 3) where the registration puts points of the moving image in the fixed space, LPS mm."""
    points, _ = invert_at(field, moving_points, tolerance_mm=1e-3)
    return to_numpy(points).astype(np.float64)
