"""What known deformations of its own fixed image say about the bounds of a pair.

The entry "calibration" of ``result.json`` (`studies.calibration`) may widen the stated bounds, or
forbid them. Results without an expected error have q times the disagreement as their bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .views import known


@dataclass(frozen=True)
class Calibration:
    """The entry "calibration"; its attributes as in `studies.calibration.calibrate`."""

    level: float = 0.95
    factor: float | None = None
    warps: int = 0
    samples: int = 0
    pair_amplitude_mm: float | None = None
    amplitude_mm: float | None = None
    missing_mm: float | None = None
    coverage_check: float | None = None
    coverages: list[float] = field(default_factory=list)
    competence: dict = field(default_factory=dict)
    failed: dict = field(default_factory=dict)
    refused: str | None = None
    warning: str = ""
    seconds: float = 0.0
    landmarks_within: float | None = None
    wider: float = 1.0
    expected_within: float | None = None

    @classmethod
    def from_dict(cls, content: dict | None) -> Calibration | None:
        """The view of the entry; None where there is none."""
        return cls(**known(cls, content)) if content else None


def bound_factor(calibration: Calibration | None) -> float | None:
    """q, or None where no bound may be stated."""
    return None if calibration is None or calibration.refused else calibration.factor


def in_words(calibration: Calibration | None) -> str:
    """What may be said about the error, one sentence (a refusal has as many as its reason)."""
    if calibration is None:
        return (
            'This map has not been calibrated: no statement of the kind "95 % lie within" can '
            "be made from it."
        )
    if calibration.refused:
        reason = calibration.refused.removesuffix(" No bound is stated.")  # in older results
        return f"No bound is stated: {reason}"
    return (
        f"On simulated deformations of this image, {100 * calibration.level:.0f} % of the "
        f"voxels had an error below {calibration.factor:.2f} times the disagreement."
    )
