"""The landmarks of a run, in the fixed space: their table, and the samples that have no answer."""

from __future__ import annotations

import numpy as np

from ..geometry import Grid, inside_index, interpolate
from ..posterior.points import landmark_table, map_to_fixed
from .expectation import ExpectedError
from .summary import Summary


def landmark_rows(summary: Summary) -> list[dict]:
    """The landmark table; all its distances are of the fixed space.

    Samples that have no answer, or one from outside the grid where they were computed (there a
    field repeats its border), are left out.
    """
    inputs, stream = summary.inputs, summary.stream
    if inputs.moving_points is None:
        return []
    positions = np.stack(stream.positions)
    positions[_beyond(stream.grid, positions)] = np.nan
    mapped = map_to_fixed(summary.registration, inputs.moving_points)
    if summary.given is not None:
        reached = summary.given.transform.map(np.nan_to_num(mapped))[1]
        mapped[~reached] = np.nan
    rows = landmark_table(
        positions,
        inputs.moving_points,
        inputs.point_names,
        inputs.fixed_points,
        mapped,
        stream.weights(),
    )
    expected = summary.expected_error
    for row, place in zip(rows, mapped):
        if row["fixed_lps"] is not None:
            before = np.subtract(row["moving_lps"], row["fixed_lps"])
            row["tre_before_mm"] = float(np.linalg.norm(before))
        if expected is not None:
            if summary.given is None:  # else that of the given transform, where it puts the point
                place = row["mean_lps"]
            row["expected_mm"] = _expected_at(expected, place)
    return rows


def lost_samples(summary: Summary) -> tuple[dict[str, int], dict[str, int]]:
    """Names of landmarks and to how many samples they are lost: because those have no inverse
    there, and because their answer lies outside the grid where they were computed."""
    stream, names = summary.stream, summary.inputs.point_names
    if not stream.positions:
        return {}, {}
    positions = np.stack(stream.positions)
    lost = np.isnan(positions).any(axis=-1), _beyond(stream.grid, positions)
    folded, outside = (
        {name: int(count) for name, count in zip(names, each.sum(axis=0)) if count} for each in lost
    )
    return folded, outside


def _expected_at(expected: ExpectedError, place) -> float | None:
    if place is None or not np.isfinite(place).all() or _beyond(expected.grid, np.array(place)):
        return None
    return float(interpolate(expected.length_mm, expected.grid.to_index([place]))[0])


def _beyond(grid: Grid, points: np.ndarray) -> np.ndarray:
    """(...) booleans: points (..., 3), LPS mm, that are known and lie outside of a grid."""
    known = np.isfinite(points).all(axis=-1)
    return known & ~inside_index(grid.shape, grid.to_index(points))
