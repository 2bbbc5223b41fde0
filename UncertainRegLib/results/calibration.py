"""What known deformations of its own fixed image say about the bounds of a pair.

The entry "calibration" of ``result.json`` (`studies.calibration`) may widen the stated bounds, or
forbid them. Results without an expected error have q times the disagreement as their bound. What
all of it means for a result as a whole is said by `expectation.in_words`.
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


def reason(calibration: Calibration | None) -> str:
    """Why a calibration forbids any bound; empty where it does not."""
    refused = None if calibration is None else calibration.refused
    return (refused or "").removesuffix(" No bound is stated.")  # in older results


def of_disagreement(calibration: Calibration | None) -> str:
    """What may be said about the error by the disagreement alone, where no bound is forbidden."""
    if calibration is None or calibration.factor is None:
        return (
            'The disagreement is not calibrated: no statement of the kind "95 % lie within" can '
            "be made from it."
        )
    check = calibration.coverage_check
    checked = "" if check is None else f" ({100 * check:.0f} % when each was checked by the others)"
    return (
        f"On simulated deformations of this image, {100 * calibration.level:.0f} % of the "
        f"voxels had an error below {calibration.factor:.2f} times the disagreement{checked}."
    )


def of_bound(calibration: Calibration | None) -> str:
    """What was found of a bound that was known before; empty where nothing was."""
    if calibration is None or calibration.expected_within is None:
        return ""
    found = (
        f"On {calibration.warps} known deformations of the fixed image, "
        f"{100 * calibration.expected_within:.0f} % of the errors lay within this bound"
    )
    if calibration.wider > 1.0:
        found += (
            f" before it was widened by a factor of {calibration.wider:.2f}, so that in each of "
            f"them {100 * calibration.level:.0f} % do"
        )
    return f"{found}."


def how_found(calibration: Calibration) -> str:
    """How large the deformations were, and what they cannot tell."""
    size = calibration.amplitude_mm
    large = "" if size is None else f"The deformations were of {size:.1f} mm. "
    return f"{large}{calibration.warning}"
