"""How the values of each structure are distributed over the pairs, and which pairs are outliers."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

REACH = 1.5  # times the distance of the quartiles beyond them: Tukey's fences
FEWEST = 5  # values, below which there are no quartiles worth the name
RULE = (
    "The box holds the middle half of the pairs, the line in it is the median. An outlier lies "
    f"more than {REACH:g} times the length of the box beyond it, on the bad side."
)


@dataclass(frozen=True)
class Spread:
    """One column of one structure over the pairs.

    Attributes:
        structure, column: names.
        count: pairs that have a value.
        quartiles: 25th, 50th and 75th percentile.
        ends: smallest and largest value that is within the fences on both sides.
        limits: smallest and largest value of all.
        outliers: (pair, value) beyond the fence on the bad side, the worst first.
    """

    structure: str
    column: str
    count: int
    quartiles: tuple[float, float, float]
    ends: tuple[float, float]
    limits: tuple[float, float]
    outliers: list[tuple[str, float]]


def spread(
    structure: str, column: str, pairs: Sequence[str], values: Sequence[float], largest: bool
) -> Spread | None:
    """The distribution of a column; None of fewer than five values.

    Args:
        pairs, values: identifiers, and a finite number of each.
        largest: whether large values are bad.
    """
    if len(values) < FEWEST:
        return None
    numbers = np.asarray(values, float)
    low, middle, high = np.percentile(numbers, (25, 50, 75))
    fences = low - REACH * (high - low), high + REACH * (high - low)
    within = numbers[(numbers >= fences[0]) & (numbers <= fences[1])]
    beyond = np.flatnonzero(numbers > fences[1] if largest else numbers < fences[0])
    worst = beyond[np.argsort(-numbers[beyond] if largest else numbers[beyond], kind="stable")]
    return Spread(
        structure,
        column,
        len(numbers),
        (float(low), float(middle), float(high)),
        (float(within.min()), float(within.max())),
        (float(numbers.min()), float(numbers.max())),
        [(pairs[place], float(numbers[place])) for place in worst],
    )


def spreads(rows: Iterable[dict], columns: dict[str, bool]) -> list[Spread]:
    """All distributions, structures in the order in which they first come.

    Args:
        rows: of structures: "id" of the pair, "name", and numbers or None.
        columns: name -> whether large values are bad.
    """
    pairs: dict[tuple[str, str], list[str]] = {}
    values: dict[tuple[str, str], array] = {}
    names: dict[str, str] = {}  # one text for all rows of a pair: there may be a million
    for row in rows:
        for column in columns:
            value = row.get(column)
            if value is not None and math.isfinite(value):
                key = str(row["name"]), column
                pairs.setdefault(key, []).append(names.setdefault(row["id"], row["id"]))
                values.setdefault(key, array("d")).append(value)
    made = [spread(*key, pairs[key], values[key], columns[key[1]]) for key in pairs]
    return [one for one in made if one is not None]
