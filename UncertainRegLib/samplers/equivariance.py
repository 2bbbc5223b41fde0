"""Equivariance under perturbations (Tian et al., Algorithm 1)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from time import perf_counter
from typing import Any

import numpy as np

from ..backbones.failures import Failures, check_finite
from ..contracts import Backbone, Family, OnProgress, Perturbation, Sampler
from ..geometry import DisplacementField, Image
from ..geometry.arrays import to_numpy
from ..settings import check_settings, defaults
from .in_one_pass import Passes, pays_on, registers_many
from .sample import Sample, reseed
from .side_by_side import Calls, at_once, registration_mb, side_by_side

THINNED = (slice(None, None, 4),) * 3  # of a field: enough to see whether it changes
MEDIAN_VOXELS = 100_000  # enough for the median displacement by a perturbation
HIDDEN = ("backbone", "family", "at_once")  # no settings
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
        at_once: several registrations at the same time or in one pass, where the backbone lends
            itself to it; not for samples that may not all be asked for.
    """

    backbone: Backbone
    family: Family
    draws_per_perturbation: int = 1
    at_once: bool = True

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
        check_settings(f"Sampling method {cls.name!r}", settings, defaults(cls, hidden=HIDDEN))
        if backbone.facts.stochastic:
            settings = {"draws_per_perturbation": OF_STOCHASTIC, **settings}
        return cls(backbone, family, **settings)

    def beside_mb(self, voxels: int) -> float:
        """Memory of the registrations that are computed beside one, on a grid of so many voxels."""
        return (self._at_once(voxels) - 1) * registration_mb(voxels)

    def _at_once(self, voxels: int) -> int:
        """How many registrations are computed at the same time, a core each."""
        return at_once(voxels) if self._several and self.backbone.one_core else 1

    def _calls(self, fixed: Image) -> AbstractContextManager[Calls | Passes]:
        """What computes the registrations: one after the other, side by side, or in one pass."""
        device = str(fixed.array.device)
        if self._several and pays_on(device) and registers_many(self.backbone):
            return nullcontext(Passes(device))
        return side_by_side(self._at_once(fixed.array.size))

    @property
    def _several(self) -> bool:
        """Not one registration after the other: a stochastic backbone goes on drawing from one to
        the next."""
        return self.at_once and not self.backbone.facts.stochastic

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
        samples = self._samples(fixed, moving, n, generator)
        next(samples)  # the first registrations begin
        return samples

    def _samples(
        self, fixed: Image, moving: Image, n: int, generator: np.random.Generator
    ) -> Iterator[Any]:
        """None, when the first registrations have begun, and then the samples."""
        reseed(self.backbone, generator)
        draws = self._draws(moving, generator)
        backbone = self.backbone.for_samples(fixed, moving)
        failures = Failures("registrations of the perturbed image")
        lost, first = -1, None
        register = partial(_registered, backbone, fixed)
        with self._calls(fixed) as calls:
            begun: deque[tuple[_Draw, Callable]] = deque()

            def begin() -> None:
                while len(begun) < min(calls.ahead, n - failures.finished):
                    draw = next(draw for draw in draws if draw.group != lost)
                    begun.append((draw, calls.begin(register, draw)))

            begin()
            yield None
            while failures.finished < n:
                begin()
                draw, result = begun.popleft()
                if draw.group == lost:
                    continue
                found = failures.attempt(result)
                if found is None:
                    lost = draw.group
                    continue
                field, answer, seconds = found
                first = answer if first is None else first
                facts = {
                    **draw.tau.facts,
                    "moved_mm": draw.moved_mm(),
                    "changed_mm": float(np.percentile(np.linalg.norm(answer - first, axis=-1), 95)),
                    "group": draw.group,
                    "seconds": seconds,
                }
                yield Sample(field, 0.0, draw.group, facts, {"failed": failures.record()})

    def _draws(self, moving: Image, generator: np.random.Generator) -> Iterator[_Draw]:
        """Without end; those of one perturbation follow each other."""
        outside = self.backbone.facts.outside
        for group, tau in enumerate(self.family.draws(moving.grid, generator)):
            yield from repeat(_Draw(group, tau, moving, outside), self.draws_per_perturbation)


@dataclass
class _Draw:
    """A perturbation and the images it is drawn for; several registrations can share it."""

    group: int
    tau: Perturbation
    moving: Image
    outside: float | None
    _perturbed: Image | None = None

    def perturbed(self) -> Image:
        """Kept for the next one; a cached_property would let no two threads compute, before 3.12."""
        if self._perturbed is None:
            self._perturbed = self.tau.perturbed(self.moving, self.outside)
        return self._perturbed

    def moved_mm(self) -> float:
        """Median displacement by the perturbation."""
        return median_mm(self.tau.field(self.moving.grid.at_most(MEDIAN_VOXELS)).vectors)


def _registered(
    backbone: Backbone, fixed: Image, draws: Sequence[_Draw]
) -> list[tuple[DisplacementField, np.ndarray, float] | ValueError]:
    """For each perturbed image its registration in original space, a few vectors of what the
    backbone answered, and the seconds it took; or an error where it diverged."""
    started = perf_counter()
    moving = [draw.perturbed() for draw in draws]
    if len(moving) == 1:
        fields = [backbone.register(fixed, moving[0])]
    else:
        fields = backbone.register_many(fixed, moving)
    found = [_undone(backbone, draw, field) for draw, field in zip(draws, fields, strict=True)]
    seconds = (perf_counter() - started) / len(found)
    return [one if isinstance(one, ValueError) else (*one, seconds) for one in found]


def _undone(
    backbone: Backbone, draw: _Draw, field: DisplacementField
) -> tuple[DisplacementField, np.ndarray] | ValueError:
    """A registration with its perturbation undone, and a few vectors of the backbone's answer."""
    try:
        check_finite(field)
    except ValueError as error:
        return error.with_traceback(None)
    answer = to_numpy(field.vectors[THINNED]).copy()  # little: it leaves a graphics card
    sample = draw.tau.push(field)
    if backbone.refinement is not None:
        whole = sample.vectors + backbone.refinement.vectors
        sample = DisplacementField(whole, sample.grid)
    return sample, answer


def median_mm(vectors: np.ndarray) -> float:
    """Median length in mm of displacements (..., 3)."""
    return float(np.median(np.linalg.norm(vectors, axis=-1)))
