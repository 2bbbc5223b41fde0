"""The expected error of a run, and the 95 % bounds that are made of it.

The map "expected_error_mm" is the expected length of the error. The entry "expected_error" of
``result.json`` says how many times an expectation holds 95 % of the errors of a kind, on which
pairs that was found, and why no bound may be stated where none may. A calibration of the pair
(`calibration`) may widen all bounds; it never narrows them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from . import calibration as calibrated
from .calibration import Calibration, bound_factor
from .maps import DISAGREEMENT, EXPECTED
from .views import known


@dataclass(frozen=True)
class Expectation:
    """The entry "expected_error".

    Attributes:
        boundary_factor, point_factor: how many times the expectation holds 95 % of the errors
            across a boundary, and of the lengths of the errors of points.
        volume_factor: the same of the error of a volume, in units of the surface of the structure
            times the error expected across it.
        centroid_factor: of the error of a centroid, in units of that error.
        mean_mm: mean of the map over the anatomy.
        fitted_on: the pairs that all this was found on, one sentence.
        refused: why no bound may be stated; None where one may.
        longer: mean length of an error over its mean size across a boundary: the map over it is
            the error expected across one. Older results do not say it.
    """

    boundary_factor: float
    point_factor: float
    volume_factor: float
    centroid_factor: float
    mean_mm: float
    fitted_on: str
    refused: str | None = None
    longer: float | None = None

    @classmethod
    def from_dict(cls, content: dict | None) -> Expectation | None:
        """The view of the entry; None where there is none."""
        return cls(**known(cls, content)) if content else None

    def as_dict(self) -> dict:
        """The entry of ``result.json``."""
        return asdict(self)


@dataclass(frozen=True)
class Bound:
    """The 95 % bound of the error at a point: a factor times a map."""

    map: str
    factor: float


def refusal(expected: Expectation | None, calibration: Calibration | None) -> str:
    """Why no bound may be stated; empty where one may, or where nothing was found to state."""
    refused = None if expected is None else expected.refused
    return refused or calibrated.reason(calibration)


def bound_of(expected: Expectation | None, calibration: Calibration | None) -> Bound | None:
    """The bound of a result, or None where none may be stated.

    Results without an expected error, as older ones, have that of their calibration.
    """
    if expected is None:
        factor = bound_factor(calibration)
        return None if factor is None else Bound(DISAGREEMENT, factor)
    if refusal(expected, calibration):
        return None
    return Bound(EXPECTED, expected.point_factor * _wider(calibration))


def margin_of(expected: Expectation | None, calibration: Calibration | None) -> Bound | None:
    """The bound of the error across a boundary, or None where none may be stated."""
    if expected is None or expected.longer is None or refusal(expected, calibration):
        return None
    return Bound(EXPECTED, expected.boundary_factor * _wider(calibration) / expected.longer)


def _wider(calibration: Calibration | None) -> float:
    """What the calibration of the pair does to every bound, at least 1."""
    return 1.0 if calibration is None else max(1.0, calibration.wider)


def with_bounds(
    rows: list[dict], expected: Expectation | None, calibration: Calibration | None
) -> list[dict]:
    """Rows of a table with their 95 % bounds, where those may be stated; else as they are.

    A structure gets ``bound_mm`` (of the error across its boundary), ``centroid_bound_mm``, and,
    instead of the extremes of its samples, ``volume_from_ml`` and ``volume_to_ml``. A landmark gets
    ``bound_mm`` (of its length) and, where the truth is known, ``within_bound``.
    """
    bound = bound_of(expected, calibration)
    if bound is None:
        return rows
    wider = _wider(calibration)
    return [{**row, **_bounds(row, bound, expected, wider)} for row in rows]


def _bounds(row: dict, bound: Bound, expected: Expectation | None, wider: float) -> dict:
    if "u_mm" in row:  # a landmark
        size = row["u_mm"] if expected is None else row.get("expected_mm")
        return {} if size is None else _of_landmark(row, bound.factor * size)
    if expected is None:
        u = row["u_p95_mm"]
        return {} if u is None else {"bound_mm": bound.factor * u}
    size, volume, surface = (row.get(n) for n in ("expected_mm", "volume_ml", "surface_cm2"))
    if size is None or volume is None or surface is None:
        return {}
    size *= wider
    off = expected.volume_factor * size * surface / 10.0  # mm cm² = 0.1 mL
    return {
        "bound_mm": expected.boundary_factor * size,
        "volume_from_ml": max(volume - off, 0.0),
        "volume_to_ml": volume + off,
        "volume_low_ml": None,
        "volume_high_ml": None,
        "centroid_bound_mm": expected.centroid_factor * size,
    }


def _of_landmark(row: dict, bound_mm: float) -> dict:
    error = row.get("tre_mm")
    return {"bound_mm": bound_mm, "within_bound": None if error is None else error <= bound_mm}


NOT_STATED = "No bound is stated: "  # how a refusal begins


def in_words(expected: Expectation | None, calibration: Calibration | None) -> list[str]:
    """What may be said about the error, and what it is based on, a sentence each (a refusal has as
    many as its reason)."""
    refused = refusal(expected, calibration)
    found = []
    if expected is not None:
        found.append(f"The expected error is {expected.mean_mm:.1f} mm on average.")
    if refused:
        found.append(f"{NOT_STATED}{refused}")
    elif expected is None:
        found.append(calibrated.of_disagreement(calibration))
    else:
        factor = expected.point_factor * _wider(calibration)
        found += [
            f"95 % of points are expected within {factor:.1f} times the value of its map, as found "
            f"on {expected.fitted_on}",
            calibrated.of_bound(calibration),
        ]
    return [text for text in found if text]


def on_legend(bound: Bound | None) -> str:
    """The bound as a line below the title of a legend; empty where none may be stated."""
    return "" if bound is None else f"95 % bound: {bound.factor:.1f} x value"
