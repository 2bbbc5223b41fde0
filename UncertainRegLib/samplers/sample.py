"""What every sampler yields, and how it tells of work that is no sample yet."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..contracts import Backbone
from ..geometry import DisplacementField, Image


def ignore(text: str, done: int, total: int) -> None:
    """The `OnProgress` of who does not want to know."""


def reseed(backbone: Backbone, generator: np.random.Generator) -> None:
    """Let what a stochastic backbone draws from now on follow the sampler's generator too."""
    if backbone.facts.stochastic:
        backbone.stream, backbone.calls = int(generator.integers(2**63)), 0


@dataclass(frozen=True)
class Sample:
    """One plausible registration.

    Attributes:
        field: displacement field in mm LPS, fixed to moving space.
        log_weight: unnormalised log importance weight; 0 for equally weighted samples.
        group: number of the perturbation it came from (nested sampling shares groups).
        facts: what was drawn and how long it took, for the record.
        of_all: facts of the sampling as a whole, the same in each of its samples.
        voxel_log_weight: unnormalised log-weight of the sample at every voxel, on any grid over the
            fixed image, for label probabilities; None for one weight everywhere.
    """

    field: DisplacementField
    log_weight: float = 0.0
    group: int = 0
    facts: dict = field(default_factory=dict)
    of_all: dict = field(default_factory=dict)
    voxel_log_weight: Image | None = None
