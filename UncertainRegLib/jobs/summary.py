"""The sums of a run: everything kept of the samples while they arrive."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..geometry import DisplacementField, Grid, Image, Segmentation
from ..geometry.foreground import above_mean
from ..posterior.coarse import CoarseSamples
from ..posterior.labels import LabelProbabilities
from ..posterior.stream import SampleStream
from ..results.maps import MAPS
from ..samplers import Sample
from .comparison import before_after
from .expectation import ExpectedError, Expecting
from .given import Given
from .inputs import Inputs
from .truth import Truth

LABEL_VOXELS = 8_000_000  # label probabilities live on the fixed grid, or a coarser one of this
ANIMATION_VOXELS = 300_000  # samples are kept on this grid: 64³ to 70³, 3.6 MB each
MODE_VOXELS = 5_000  # modes are found on a coarse copy of the samples, 60 KB each

ROUNDING = 1e-3  # of an effective number
FEWEST = 4  # samples that an expected error is made of

OF_REGISTRATION = (
    "displacement_mm",
    "jacobian",
    "folding",
    "inverse_consistency_mm",
)  # maps that do not depend on the samples


class Summary:
    """A registration and the sums over its samples, see `products` for what is made of them.

    Args:
        inputs: images, segmentations and landmarks of the run.
        registration: the unperturbed registration, mm LPS on the working grid; or the one that was
            given, on the fixed grid.
        parts: names of the maps within groups of samples and between them; None where no samples
            share a group.

    Attributes:
        stream: sums over the samples at full resolution.
        coarse: copies of all samples, for modes and strays.
        truth: which sample is nearest to the truth, where that is known.
        predicted: maps beside the samples, that the backbone's network predicts, by name
            (`backbones.trained.PredictedMap`).
        refined: labels on the grid of the prepared fixed image, where the backbone corrects what
            warping alone gives.
        warped: the moving segmentation after the registration, that was last asked of `warped_on`.
        given: the registration, if it was made elsewhere.
        consistency: (Z, Y, X) its inverse consistency in mm on the fixed grid, None where there is
            no inverse.
        expecting: finds the expected error; None where the intensities do not tell.
    """

    def __init__(
        self, inputs: Inputs, registration: DisplacementField, parts: tuple[str, str] | None = None
    ) -> None:
        self.inputs, self.registration, self.parts = inputs, registration, parts
        self.predicted: dict = {}
        self.refined: Image | None = None
        self.warped: Segmentation | None = None
        self.given: Given | None = inputs.given
        self.consistency: np.ndarray | None = None
        self.expecting: Expecting | None = None
        self._expected: tuple[int, ExpectedError | None] = (0, None)
        self.animation_grid = registration.grid.at_most(ANIMATION_VOXELS)
        layers = [] if inputs.moving_labels is None else inputs.moving_labels.layers
        self.label_grid = inputs.fixed.grid.at_most(LABEL_VOXELS)
        moving = inputs.moving.grid
        self.stream = SampleStream(
            moving,
            [LabelProbabilities(layer, self.label_grid) for layer in layers],
            inputs.moving_points,
            parts is not None,
        )
        self.coarse = CoarseSamples(self.animation_grid.at_most(MODE_VOXELS), registration, moving)
        self.truth = Truth(inputs)
        self._perturbations: list[int] = []  # which one each sample was disturbed by
        self._members: list[str] = []

    def add(self, sample: Sample) -> DisplacementField:
        """Take in one sample; returns it on the animation grid (float32 numpy)."""
        field, facts = sample.field, sample.facts
        self.stream.add(
            field, sample.log_weight, sample.group, sample.voxel_log_weight, facts.get("proposal")
        )
        self.truth.add(field, self.stream.positions[-1] if self.stream.positions else None)
        self._perturbations.append(self._perturbation_of(sample))
        kept = field.resample(self.animation_grid).to_numpy()
        self.coarse.add(kept, float(sample.log_weight), facts.get("log_weight", sample.log_weight))
        return kept

    @property
    def expected_error(self) -> ExpectedError | None:
        """By the samples so far; None where nothing can be said."""
        stream = self.stream
        if self.expecting is None or stream.count < FEWEST:
            return None
        if self._expected[0] != stream.count:
            found = self.expecting.found(stream.uncertainty_mm(), stream.grid)
            self._expected = (stream.count, found)
        return self._expected[1]

    @cached_property
    def before_after(self) -> dict:
        """What the registration improved, see `comparison.before_after`."""
        labels = self.inputs.fixed_labels
        warped = None if labels is None else self.warped_on(self.label_grid)
        return before_after(self.inputs, self.registration, self.label_grid, warped)

    def warped_on(self, grid: Grid) -> Segmentation:
        """The moving segmentation on ``grid``, by the unperturbed registration; the last one is
        kept, since every table of a run begins with it."""
        if self.warped is None or self.warped.grid != grid:
            field = self.registration.to_numpy().resample(grid)
            self.warped = self.inputs.moving_labels.warp(field)
        return self.warped

    def agreement(self) -> float | None:
        """Rank correlation of the disagreement with that of as many other samples, see
        `posterior.agreement`; None of few, and of samples that do not all count the same."""
        stream = self.stream
        if stream.weighs_voxels or stream.effective() < stream.count - ROUNDING:
            return None
        return self.coarse.agreement(self._anatomy, self._perturbations)

    @cached_property
    def _anatomy(self) -> np.ndarray:
        """(Z, Y, X) booleans on the grid of the coarse copies."""
        return above_mean(self.inputs.fixed.resample(self.coarse.grid))

    def _perturbation_of(self, sample: Sample) -> int:
        """A number that samples of the same perturbation share; each has its own without any."""
        member = sample.facts.get("member")
        if member is not None:  # the members of a committee go through the same perturbations
            self._members.append(member)
            return self._members.count(member)
        return sample.group if self.parts is not None else len(self._perturbations)

    def strays(self) -> dict[int, float]:
        """Samples far from the others: number from 0 -> distance in mm. None where every voxel has
        weights of its own: a sample is no whole there."""
        if self.stream.weighs_voxels:
            return {}
        return self.coarse.strays(float(self.inputs.fixed.grid.spacing.mean()))

    def offset_and_spread_mm(self) -> tuple[float, float]:
        """Medians in mm, where the samples stay inside the moving image: the distance of their mean
        from the registration, and their disagreement; zeros without a spread."""
        stream = self.stream
        seen = stream.validity.inside
        if not stream.has_spread or not seen.any():
            return 0.0, 0.0
        registration = self.registration.resample(stream.grid).to_numpy()
        apart = np.linalg.norm(stream.mean().vectors - registration.vectors, axis=-1)
        return float(np.median(apart[seen])), float(np.median(stream.uncertainty_mm()[seen]))

    def meaning(self, name: str) -> tuple[str, str]:
        """Unit and meaning of a map."""
        if name in self.predicted:
            return self.predicted[name].unit, self.predicted[name].meaning
        return MAPS[name].unit, MAPS[name].meaning
