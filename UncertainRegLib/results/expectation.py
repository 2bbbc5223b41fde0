"""The expected error of a run, and the 95 % bounds that are made of it.

The map "expected_error_mm" is the expected length of the error. The entry "expected_error" of
``result.json`` says how many times an expectation holds 95 % of the errors of a kind, on which
pairs that was found, and why no bound may be stated where none may. A calibration of the pair
(`calibration`) may widen all bounds; it never narrows them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

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
    """

    boundary_factor: float
    point_factor: float
    volume_factor: float
    centroid_factor: float
    mean_mm: float
    fitted_on: str
    refused: str | None = None

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


def bound_of(expected: Expectation | None, calibration: Calibration | None) -> Bound | None:
    """The bound of a result, or None where none may be stated.

    Results without an expected error, as older ones, have that of their calibration.
    """
    if expected is None:
        factor = bound_factor(calibration)
        return None if factor is None else Bound(DISAGREEMENT, factor)
    if expected.refused or (calibration is not None and calibration.refused):
        return None
    return Bound(EXPECTED, expected.point_factor * _wider(calibration))


def _wider(calibration: Calibration | None) -> float:
    """What the calibration of the pair does to every bound, at least 1."""
    return 1.0 if calibration is None else max(1.0, calibration.wider)


def with_bounds(
    rows: list[dict], expected: Expectation | None, calibration: Calibration | None
) -> list[dict]:
    """Rows of a table with their 95 % bounds, where those may be stated; else as they are.

    A structure gets ``bound_mm`` (of the error across its boundary), ``volume_from_ml`` and
    ``volume_to_ml``, and ``centroid_bound_mm``; a landmark ``bound_mm`` (of its length).
    """
    bound = bound_of(expected, calibration)
    if bound is None:
        return rows
    return [{**row, **_bounds(row, bound, expected, _wider(calibration))} for row in rows]


def _bounds(row: dict, bound: Bound, expected: Expectation | None, wider: float) -> dict:
    if expected is None:
        u = row.get("u_p95_mm", row.get("u_mm"))
        return {"bound_mm": None if u is None else bound.factor * u}
    size, is_structure = row.get("expected_mm"), "volume_ml" in row
    if not is_structure:
        return {"bound_mm": None if size is None else bound.factor * size}
    names = ("bound_mm", "volume_from_ml", "volume_to_ml", "centroid_bound_mm")
    if size is None or row["volume_ml"] is None:
        return dict.fromkeys(names)
    size *= wider
    off = expected.volume_factor * row["surface_cm2"] / 10.0 * size
    return dict(
        zip(
            names,
            (
                expected.boundary_factor * size,
                max(row["volume_ml"] - off, 0.0),
                row["volume_ml"] + off,
                expected.centroid_factor * size,
            ),
        )
    )


def in_words(expected: Expectation | None, calibration: Calibration | None) -> list[str]:
    """What may be said about the error, and what it is based on, a sentence each."""
    if expected is None:
        return []
    mean = f"The expected error is {expected.mean_mm:.1f} mm on average."
    if expected.refused:
        return [mean, f"No bound is stated: {expected.refused}"]
    bound = bound_of(expected, calibration)
    if bound is None:
        return [mean]
    return [
        mean,
        f"95 % of points are expected within {bound.factor:.1f} times the value of its map. "
        f"That held on average on other pairs: {expected.fitted_on}",
    ]


def on_legend(bound: Bound | None) -> str:
    """The bound as a line below the title of a legend; empty where none may be stated."""
    return "" if bound is None else f"95 % bound: {bound.factor:.1f} x value"
