"""What every sampler yields."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..geometry import DisplacementField


@dataclass(frozen=True)
class Sample:
    """One plausible registration.

    Attributes:
        field: displacement field in mm LPS, fixed to moving space.
        log_weight: unnormalised log importance weight; 0 for equally weighted samples.
        group: number of the perturbation it came from (nested sampling shares groups).
        facts: what was drawn and how long it took, for the record.
    """

    field: DisplacementField
    log_weight: float = 0.0
    group: int = 0
    facts: dict = field(default_factory=dict)
