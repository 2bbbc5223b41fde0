"""Distributions over the pairs, and Tukey's outliers."""

import pytest

from UncertainRegLib.cohort.spread import spread, spreads


def test_quartiles_ends_and_outliers_of_known_numbers():
    values = {f"p{n}": float(n) for n in range(1, 10)}  # 1 to 9: quartiles 3, 5 and 7
    values |= {"far": 13.1, "near": 12.9, "low": -20.0}
    del values["p9"], values["p8"], values["p1"]
    found = spread("liver", "expected_mm", list(values), list(values.values()), largest=True)
    low, middle, high = found.quartiles
    assert (low, middle, high) == (3.0, 5.0, 7.0)  # fences at -3 and 13
    assert (found.count, found.limits) == (9, (-20.0, 13.1))
    assert found.ends == (2.0, 12.9) and found.outliers == [("far", 13.1)]


@pytest.mark.parametrize(("largest", "named"), [(True, ["worse", "bad"]), (False, ["good"])])
def test_only_the_bad_side_is_named_the_worst_first(largest, named):
    values = {f"p{n}": float(n) for n in range(20)} | {"bad": 60.0, "worse": 90.0, "good": -60.0}
    found = spread("liver", "expected_mm", list(values), list(values.values()), largest)
    assert [pair for pair, _ in found.outliers] == named


def test_rows_without_a_value_and_structures_of_few_pairs_are_left_out():
    rows = [{"id": f"p{n}", "name": "liver", "dice": 0.9, "expected_mm": None} for n in range(6)]
    rows += [{"id": f"p{n}", "name": "cyst", "dice": 0.9} for n in range(4)]
    (found,) = spreads(rows, {"expected_mm": True, "dice": False})
    assert (found.structure, found.column, found.count) == ("liver", "dice", 6)
    assert found.outliers == []
