"""Triage: which pairs come first, and which part of the bad ones is seen among the first x %.

A pair is called bad only by something that the score does not know: the true structures (the lowest
fifth by Dice), the true landmarks (the largest fifth by target registration error), or a person's
decision (rejected, among the pairs that a person has decided on).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..results.maps import DISAGREEMENT, EXPECTED
from .table import COMPLETE, FAILED, MISSING

STATES = (FAILED, COMPLETE, MISSING)  # in the order in which people should look
WORST = 0.2  # which part of the pairs with a truth is called bad
FEWEST = 20  # pairs with a truth: below, a fifth is a pair or three, and a curve says nothing


@dataclass(frozen=True)
class Score:
    """What pairs are ordered by: the map that it comes from, and what it is in words."""

    map: str
    words: str


SCORES = {  # by column of the table, the best first (found on pairs whose truth was known)
    "expected_error_boundary_mm": Score(EXPECTED, "expected error of the structures' boundaries"),
    "expected_error_mean_mm": Score(EXPECTED, "mean expected error over the anatomy"),
    "uncertainty_mean_mm": Score(DISAGREEMENT, "mean disagreement over the anatomy"),
}


@dataclass(frozen=True)
class Curve:
    """What looking finds.

    Attributes:
        title: what is called bad, in words.
        looked: (n + 1,) part of the pairs looked at, 0 to 1, the highest score first.
        found: (n + 1,) part of the bad ones among them; the mean over all orders of equal scores.
        bad: how many are bad.
    """

    title: str
    looked: np.ndarray
    found: np.ndarray
    bad: int

    @property
    def pairs(self) -> int:
        """How many pairs have both a score and a truth."""
        return len(self.looked) - 1

    def found_at(self, share: float) -> float:
        """Which part of the bad ones is among this part of the pairs, between pairs linear."""
        return float(np.interp(share, self.looked, self.found))


def curve(scores: Sequence[float], bad: Sequence[bool], title: str = "") -> Curve:
    """The curve of a score.

    Args:
        scores: (n,) finite; the highest is looked at first.
        bad: (n,) which are bad.

    Raises:
        ValueError: nothing is bad, or a score is not finite.
    """
    scores, bad = np.asarray(scores, float), np.asarray(bad, bool)
    if not bad.any() or not np.isfinite(scores).all():
        raise ValueError("A triage curve needs finite scores and at least one bad pair.")
    order = np.argsort(-scores, kind="stable")
    seen = np.concatenate([[0], np.cumsum(bad[order])])
    # Equal scores could stand in any order: between the ends of such a run the mean is linear.
    changes = np.flatnonzero(np.diff(scores[order])) + 1
    ends = np.concatenate([[0], changes, [len(scores)]])
    counts = np.arange(len(scores) + 1)
    found = np.interp(counts, ends, seen[ends])
    return Curve(title, counts / len(scores), found / bad.sum(), int(bad.sum()))


def worst_by(values: Sequence[float], largest: bool) -> np.ndarray:
    """(n,) which pairs are the worst fifth by a measure of the truth, rounded to whole pairs.

    Args:
        values: finite.
        largest: whether large values are bad (errors) or small ones (overlaps).
    """
    values = np.asarray(values, float)
    count = round(WORST * len(values))
    order = np.argsort(-values if largest else values, kind="stable")
    found = np.zeros(len(values), bool)
    found[order[:count]] = True
    return found


@dataclass(frozen=True)
class _Truth:
    """A way of calling pairs bad: what is said, the column it stands in, and who is bad there."""

    title: str
    column: str
    bad: Callable[[list], np.ndarray]


TRUTHS = (
    _Truth("lowest fifth by Dice", "dice", lambda values: worst_by(values, largest=False)),
    _Truth("largest fifth by TRE", "tre_mm", lambda values: worst_by(values, largest=True)),
    _Truth(
        "rejected, among those decided",
        "decision",
        lambda values: np.array([value == "reject" for value in values]),
    ),
)


def curves(rows: Sequence[dict], score: str) -> list[Curve]:
    """The curves of a column of the pairs, one for each truth that enough pairs have.

    Args:
        rows: of the pairs, None where there is no value.
        score: name of the column; the largest value is looked at first.
    """
    found = []
    for truth in TRUTHS:
        known = [
            row
            for row in rows
            if row.get(score) is not None and row.get(truth.column) not in (None, "")
        ]
        if len(known) < FEWEST:
            continue
        bad = truth.bad([row[truth.column] for row in known])
        if bad.any():
            found.append(curve([row[score] for row in known], bad, truth.title))
    return found


def score_of(rows: Sequence[dict]) -> str:
    """The column of `SCORES` by which pairs are ordered: the first that most pairs have."""
    told = [row for row in rows if not _is_doubted(row)] or rows
    return max(SCORES, key=lambda score: sum(row[score] is not None for row in told))


def worst_first(rows: Sequence[dict]) -> list[dict]:
    """The failed pairs, then those with a result, the largest score first, then those that are still
    missing. Pairs without the score follow by another; those whose given transform does not fit have
    no expected error, and come before all others with a result.

    Args:
        rows: of the pairs, with "status" and the columns of `SCORES`.
    """
    first = score_of(rows)
    scores = [first, *(score for score in SCORES if score != first)]

    def key(row: dict) -> tuple:
        values = [row[score] for score in scores]
        order = [(value is None, 0.0 if value is None else -value) for value in values]
        return (STATES.index(row["status"]), not _is_doubted(row), *order)

    return sorted(rows, key=key)


def _is_doubted(row: dict) -> bool:
    """Is something said of a complete pair, and nothing decided yet?"""
    said = row.get("sentence") and not row.get("decision")
    return bool(said) and row["status"] == COMPLETE
