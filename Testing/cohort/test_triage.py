"""Triage curves whose course is known beforehand."""

import numpy as np
import pytest

from UncertainRegLib.cohort.triage import FEWEST, curve, curves, score_of, worst_by, worst_first


def test_a_perfect_order_finds_all_bad_ones_first():
    bad = np.arange(100) < 20
    found = curve(np.arange(100, 0, -1), bad)
    assert found.pairs == 100 and found.bad == 20
    assert found.found_at(0.1) == pytest.approx(0.5)
    assert found.found_at(0.2) == found.found_at(0.7) == 1.0


def test_the_reverse_of_it_finds_them_last():
    found = curve(np.arange(100), np.arange(100) < 20)
    assert found.found_at(0.8) == 0.0 and found.found_at(0.9) == pytest.approx(0.5)


def test_equal_scores_find_what_chance_finds():
    found = curve(np.ones(50), np.arange(50) < 10)
    np.testing.assert_allclose(found.found, found.looked)


def test_a_random_order_finds_what_chance_finds_on_average():
    generator = np.random.default_rng(1)
    bad = np.arange(60) < 12
    mean = np.mean([curve(generator.random(60), bad).found for _ in range(4000)], axis=0)
    np.testing.assert_allclose(mean, np.arange(61) / 60, atol=0.01)


def test_ties_are_the_mean_over_their_orders():
    """Two of three equal scores are bad: whichever comes first, it is bad in two of three orders."""
    found = curve([2.0, 1.0, 1.0, 1.0], [False, True, True, False])
    np.testing.assert_allclose(found.found, [0, 0, 1 / 3, 2 / 3, 1])


@pytest.mark.parametrize("scores", [[1.0, float("nan")], [1.0, float("inf")]])
def test_scores_that_are_no_numbers_are_refused(scores):
    with pytest.raises(ValueError, match="finite"):
        curve(scores, [True, False])
    with pytest.raises(ValueError, match="at least one bad"):
        curve([1.0, 2.0], [False, False])


def test_the_worst_fifth_is_at_the_right_end():
    values = np.arange(10.0)
    assert np.flatnonzero(worst_by(values, largest=True)).tolist() == [8, 9]
    assert np.flatnonzero(worst_by(values, largest=False)).tolist() == [0, 1]


def pairs(count=20):
    """The score is right about Dice, and says nothing else."""
    return [{"expected_error_mean_mm": float(n), "dice": 0.9 - 0.01 * n} for n in range(count)]


def test_a_truth_that_no_pair_has_gives_no_curve():
    (found,) = curves(pairs(), "expected_error_mean_mm")
    assert found.title == "lowest fifth by Dice" and found.found_at(0.2) == 1.0
    assert curves(pairs(), "uncertainty_mean_mm") == []
    assert curves(pairs(FEWEST - 1), "expected_error_mean_mm") == []


def test_a_rejection_counts_among_decided_pairs_only():
    rows = pairs(50)
    for number, row in enumerate(rows[:FEWEST]):
        row["decision"] = "reject" if number in (0, FEWEST - 1) else "approve"
    found = curves(rows, "expected_error_mean_mm")[-1]
    assert found.title == "rejected, among those decided"
    assert (found.pairs, found.bad) == (FEWEST, 2)
    assert found.found_at(1 / FEWEST) == found.found_at(1 - 1 / FEWEST) == 0.5


def test_a_dice_of_zero_is_a_truth():
    rows = pairs()
    rows[-1]["dice"] = 0.0
    (found,) = curves(rows, "expected_error_mean_mm")
    assert found.pairs == 20


def row(status, *scores):
    """Expected error of boundaries, over the anatomy, and disagreement."""
    names = ("expected_error_boundary_mm", "expected_error_mean_mm", "uncertainty_mean_mm")
    return {"status": status, **dict(zip(names, scores))}


def test_pairs_without_an_expected_error_follow_by_their_disagreement():
    rows = [
        row("missing", None, None, None),
        row("complete", None, None, 1.0),
        row("complete", None, 1.0, 9.0),
        row("complete", None, None, 2.0),
        row("failed", None, None, None),
        row("complete", None, 2.0, 1.0),
        row("complete", None, 0.5, None),
    ]
    assert score_of(rows) == "uncertainty_mean_mm"
    del rows[3], rows[1]
    assert score_of(rows) == "expected_error_mean_mm"
    assert [rows.index(one) for one in worst_first(rows)] == [2, 3, 1, 4, 0]


def test_pairs_are_ordered_by_what_most_of_them_have():
    rows = [row("complete", None, 9.0, 9.0), row("complete", 1.0, 3.0, 9.0)]
    assert score_of(rows) == "expected_error_mean_mm"
    rows += [row("complete", 2.0, None, 1.0)]
    assert score_of(rows) == "uncertainty_mean_mm"
    rows = [row("complete", 2.0, 1.0, 1.0), row("complete", 3.0, 0.5, 0.5)]
    assert score_of(rows) == "expected_error_boundary_mm"
    assert worst_first(rows) == rows[::-1]


def test_a_transform_that_does_not_fit_comes_first_and_does_not_choose_the_order():
    """It has no expected error, and a low disagreement of the samples would put it last."""
    numbers = {"expected_error_boundary_mm": None}
    rows = [
        {
            "status": "complete",
            "expected_error_mean_mm": value,
            "uncertainty_mean_mm": 2.0,
            **numbers,
        }
        for value in (1.0, 3.0)
    ]
    misfit = {**rows[0], "expected_error_mean_mm": None, "sentence": "does not fit this pair"}
    misfit["uncertainty_mean_mm"] = 0.1
    decided = {**misfit, "decision": "reject"}
    assert score_of([*rows, misfit]) == "expected_error_mean_mm"
    ordered = worst_first([*rows, decided, misfit])
    assert ordered == [misfit, rows[1], rows[0], decided]
