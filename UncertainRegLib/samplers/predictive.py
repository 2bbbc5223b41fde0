"""One registration, beside the maps that its network predicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ..geometry import Image
from .sample import Sample


@dataclass(frozen=True)
class Predictive:
    """The registration itself is the only sample: what is uncertain, the network says in its maps.

    Predictive uncertainty (Gong et al., WACV 2022), image noise (Zhang et al., MICCAI 2024) and
    correspondence scores (Zhang et al., ECCV 2024): see ``backbones.trained``.

    Attributes:
        backbone: a model with ``maps`` (``facts.methods`` says which).
    """

    backbone: object
    at_most = 1

    def expected_seconds(self, n: int, register_s: float) -> float:
        """Rough time, from the time of one registration."""
        return register_s

    def sample(self, fixed: Image, moving: Image, n: int,
               generator: np.random.Generator) -> Iterator[Sample]:
        """The registration of two prepared images."""
        started = perf_counter()
        yield Sample(self.backbone.register(fixed, moving),
                     facts={"seconds": perf_counter() - started})
