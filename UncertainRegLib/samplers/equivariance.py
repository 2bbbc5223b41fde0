"""Equivariance under perturbations (Tian et al., Algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ..backbones.failures import Failures
from ..contracts import Backbone, Family, OnProgress, Sampler
from ..geometry import Image
from ..geometry.arrays import to_numpy
from ..settings import check_settings, defaults
from .sample import Sample, reseed

THINNED = (slice(None, None, 4),) * 3  # of a field: enough to see whether it changes
MEDIAN_VOXELS = 100_000  # enough for the median displacement by a perturbation
OF_STOCHASTIC = 2  # draws per perturbation: enough to tell spread and jitter apart


@dataclass(frozen=True)
class Equivariance(Sampler):
    """Perturb the moving image, register it, undo the perturbation: the answers should agree.

    For draw n: A'_n = A∘tau_n; phi_n = f(A'_n, B); g_n = tau_n∘phi_n. An equivariant and
    certain method would return the same g every time; the spread of g is its disagreement.

    Attributes:
        backbone: the registration f.
        family: the perturbation family of tau.
        draws_per_perturbation: calls of a stochastic backbone per tau (nested sampling), so that
            intrinsic spread and bias jitter can be told apart (Lemma 4.1); 1 otherwise.
    """

    backbone: Backbone
    family: Family
    draws_per_perturbation: int = 1

    name, title, place = "equivariance", "Equivariance under perturbations", 1
    tip = (
        "Disturb the moving image a little, register again, undo the disturbance: a reliable "
        "registration gives the same answer each time."
    )

    @classmethod
    def perturbs(cls, settings: Mapping) -> bool:
        """Always."""
        return True

    @classmethod
    def create(
        cls,
        backbone: Backbone,
        family: Family,
        settings: dict,
        device: str,
        on_progress: OnProgress,
    ) -> Equivariance:
        """A sampler; a stochastic backbone is asked twice a perturbation unless told otherwise.

        Raises:
            ValueError: no such setting, or a value that does not fit.
        """
        check_settings(
            f"Sampling method {cls.name!r}", settings, defaults(cls, hidden=("backbone", "family"))
        )
        if backbone.facts.stochastic:
            settings = {"draws_per_perturbation": OF_STOCHASTIC, **settings}
        return cls(backbone, family, **settings)

    def expected_seconds(self, n: int, register_s: float) -> float:
        """Rough time of n samples, from the time of one registration."""
        return n * register_s

    def sample(
        self, fixed: Image, moving: Image, n: int, generator: np.random.Generator
    ) -> Iterator[Sample]:
        """n samples of the registration of two prepared images, one at a time.

        Args:
            fixed, moving: as returned by ``backbone.prepare``.
            n: number of samples; perturbations are n / draws_per_perturbation, rounded up.
            generator: source of the perturbations; one seed gives the same ones on any device.

        Yields:
            Samples; facts of each are the median displacement by its perturbation (moved_mm) and by
            how much the answer differs from the first one (changed_mm, 95th percentile): hardly,
            where the backbone does not look at the moving image. Where a registration fails,
            another perturbation takes its place; ``of_all`` counts those.

        Raises:
            TooManyFailedError: most registrations fail.
        """
        reseed(self.backbone, generator)
        perturbations = self.family.draws(moving.grid, generator)
        backbone = self.backbone.for_samples(fixed, moving)
        failures = Failures("registrations of the perturbed image")
        group, left, first = -1, 0, None
        while failures.finished < n:
            started = perf_counter()
            if left == 0:
                group, left, tau = group + 1, self.draws_per_perturbation, next(perturbations)
                perturbed = tau.perturbed(moving, self.backbone.facts.outside)
                moved_mm = median_mm(tau.field(moving.grid.at_most(MEDIAN_VOXELS)).vectors)
            field = failures.attempt(backbone.register, fixed, perturbed)
            left = 0 if field is None else left - 1
            if field is not None:
                answer = to_numpy(field.vectors)[THINNED]
                first = answer.copy() if first is None else first
                facts = {
                    **tau.facts,
                    "moved_mm": moved_mm,
                    "changed_mm": float(np.percentile(np.linalg.norm(answer - first, axis=-1), 95)),
                    "group": group,
                    "seconds": perf_counter() - started,
                }
                yield Sample(tau.push(field), 0.0, group, facts, {"failed": failures.record()})


def median_mm(vectors: np.ndarray) -> float:
    """Median length in mm of displacements (..., 3)."""
    return float(np.median(np.linalg.norm(vectors, axis=-1)))
