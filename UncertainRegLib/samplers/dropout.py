"""Repeated calls of a stochastic backbone: MC-dropout, or draws of a sampled velocity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ..backbones.facts import Facts
from ..backbones.failures import Failures
from ..contracts import Backbone, Sampler
from ..geometry import Image
from .sample import Sample, reseed


@dataclass(frozen=True)
class Dropout(Sampler):
    """The same pair, registered again and again by a backbone that draws every time.

    Its spread is the intrinsic spread alone: what nested equivariance sampling calls
    E_tau[Cov(g|tau)] at tau = identity (Tian et al., Lemma 4.1; Gal and Ghahramani for dropout).

    Attributes:
        backbone: a registration whose calls differ (``facts.stochastic``).
    """

    backbone: Backbone

    name, title, place = "mc-dropout", "Repeated draws (MC dropout)", 3
    trained_by = "`train dropout`"  # or others that draw
    tip = (
        "Register again and again with a network that draws each time: the map is how much its "
        "answers differ."
    )

    @classmethod
    def refuses(cls, facts: Facts) -> str:
        """Why a backbone cannot be asked this way; empty when its calls differ."""
        if facts.stochastic:
            return ""
        return (
            f"{facts.title} gives the same answer every time, so that repeating it shows "
            "nothing; choose a backbone with dropout, or the method equivariance."
        )

    def expected_seconds(self, n: int, register_s: float) -> float:
        """Rough time of n samples, from the time of one registration."""
        return n * register_s

    def sample(
        self, fixed: Image, moving: Image, n: int, generator: np.random.Generator
    ) -> Iterator[Sample]:
        """n draws for two prepared images; the randomness is that of the backbone, reseeded.

        One that fails is drawn again, and counted in ``of_all``.

        Raises:
            TooManyFailedError: most fail.
        """
        reseed(self.backbone, generator)
        failures = Failures()
        while failures.finished < n:
            started = perf_counter()
            field = failures.attempt(self.backbone.register, fixed, moving)
            if field is not None:
                yield Sample(
                    field,
                    facts={"seconds": perf_counter() - started},
                    of_all={"failed": failures.record()},
                )
