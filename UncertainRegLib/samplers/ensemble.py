"""The members of an ensemble: each network's answer is a sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ..backbones.trained import TrainedModel
from ..contracts import Sampler
from ..geometry import Image
from .sample import Sample


@dataclass(frozen=True)
class Ensemble(Sampler):
    """The same pair, registered by every member of an ensemble.

    Bootstrap and snapshot ensembles of Gong et al., WACV 2022, section 3.2: the mean and variance
    of the samples are those of Eq. 7.

    Attributes:
        backbone: a model with several ``members`` (``facts.methods`` names "ensemble").
    """

    backbone: TrainedModel

    name, title, place = "ensemble", "Ensemble", 4
    tip = "Register with each network of an ensemble: the map is how much they disagree."
    trained_by = "`train bootstrap` or `train snapshot`"

    @property
    def at_most(self) -> int:
        """Samples there are: one a member."""
        return len(self.backbone.members)

    def expected_seconds(self, n: int, register_s: float) -> float:
        """Rough time of n samples, from the time of one registration, which asks all members."""
        return min(n / self.at_most, 1) * register_s

    def sample(
        self, fixed: Image, moving: Image, n: int, generator: np.random.Generator
    ) -> Iterator[Sample]:
        """A sample of each of the first n members, for two prepared images; nothing is random."""
        for member in range(min(n, self.at_most)):
            started = perf_counter()
            yield Sample(
                self.backbone.register_member(fixed, moving, member),
                facts={"member": member, "seconds": perf_counter() - started},
            )
