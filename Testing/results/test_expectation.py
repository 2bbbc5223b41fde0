"""What may be said about the error: bounds by hand, what a calibration does to them, refusals."""

from dataclasses import replace

import pytest

from support.fake_result import write_fake_result, write_fake_strays
from support.fake_validation import write_fake_calibration
from UncertainRegLib.results.calibration import Calibration, how_found
from UncertainRegLib.results.expectation import (
    NOT_STATED,
    Bound,
    Expectation,
    bound_of,
    in_words,
    margin_of,
    on_legend,
    refusal,
    with_bounds,
)
from UncertainRegLib.results.maps import DISAGREEMENT, EXPECTED
from UncertainRegLib.results.reader import read_record

FOUND = Expectation(
    boundary_factor=2.5,
    point_factor=2.0,
    volume_factor=0.8,
    centroid_factor=1.5,
    mean_mm=1.64,
    fitted_on="three pairs of balls.",
    longer=2.0,
)
WIDER = Calibration(warps=3, wider=1.5, expected_within=0.91, amplitude_mm=3.1, warning="Smooth.")
ENOUGH = replace(WIDER, wider=1.0, expected_within=0.97)
OLD = Calibration(factor=3.0, warps=3)
STRUCTURE = {
    "name": "Ball",
    "expected_mm": 2.0,
    "u_p95_mm": 4.0,
    "surface_cm2": 30.0,
    "volume_ml": 20.0,
    "volume_low_ml": 18.0,
    "volume_high_ml": 22.0,
}
LANDMARK = {"label": "a", "expected_mm": 1.5, "u_mm": 2.0, "tre_mm": 3.2}


def test_bounds_of_a_structure_by_hand():
    (row,) = with_bounds([STRUCTURE], FOUND, None)
    assert row["bound_mm"] == pytest.approx(2.5 * 2.0)
    assert row["centroid_bound_mm"] == pytest.approx(1.5 * 2.0)
    # 30 cm² moved by 2 mm are 6 mL, of which 0.8
    assert row["volume_from_ml"] == pytest.approx(20.0 - 4.8)
    assert row["volume_to_ml"] == pytest.approx(20.0 + 4.8)
    assert row["volume_low_ml"] is row["volume_high_ml"] is None, "one interval, not two"
    assert STRUCTURE["volume_low_ml"] == 18.0 and "bound_mm" not in STRUCTURE


def test_the_margin_is_the_bound_across_a_boundary():
    """The map is a length: twice the error across."""
    assert margin_of(FOUND, None) == Bound(EXPECTED, pytest.approx(2.5 / 2.0))
    assert margin_of(FOUND, WIDER).factor == pytest.approx(1.5 * 2.5 / 2.0)
    for none in (None, replace(FOUND, longer=None), replace(FOUND, refused="Too far.")):
        assert margin_of(none, None) is None


def test_no_volume_is_below_nothing():
    (row,) = with_bounds([{**STRUCTURE, "volume_ml": 3.0}], FOUND, None)
    assert (row["volume_from_ml"], row["volume_to_ml"]) == (0.0, pytest.approx(7.8))


@pytest.mark.parametrize("name", ["expected_mm", "surface_cm2", "volume_ml"])
def test_a_structure_of_which_a_number_is_missing_keeps_that_of_its_samples(name):
    for row in ({**STRUCTURE, name: None}, {k: v for k, v in STRUCTURE.items() if k != name}):
        assert with_bounds([row], FOUND, None) == [row]


def test_bounds_of_landmarks_by_hand():
    rows = [LANDMARK, {**LANDMARK, "tre_mm": 2.9}, {**LANDMARK, "tre_mm": None}]
    found = with_bounds(rows, FOUND, None)
    assert [row["bound_mm"] for row in found] == [3.0, 3.0, 3.0]
    assert [row["within_bound"] for row in found] == [False, True, None]
    outside = {**LANDMARK, "expected_mm": None}
    assert with_bounds([outside], FOUND, None) == [outside]


def test_a_calibration_widens_all_bounds_and_never_narrows_them():
    (row,), (mark,) = (with_bounds([r], FOUND, WIDER) for r in (STRUCTURE, LANDMARK))
    assert row["bound_mm"] == pytest.approx(1.5 * 5.0)
    assert row["centroid_bound_mm"] == pytest.approx(1.5 * 3.0)
    assert row["volume_to_ml"] - 20.0 == pytest.approx(1.5 * 4.8)
    assert mark["bound_mm"] == pytest.approx(4.5) and mark["within_bound"]
    assert bound_of(FOUND, WIDER) == Bound(EXPECTED, 3.0)
    narrower = replace(WIDER, wider=0.5)
    assert with_bounds([STRUCTURE], FOUND, narrower) == with_bounds([STRUCTURE], FOUND, None)
    assert bound_of(FOUND, narrower) == bound_of(FOUND, None) == Bound(EXPECTED, 2.0)


def test_without_an_expected_error_the_bound_is_a_multiple_of_the_disagreement():
    assert bound_of(None, OLD) == Bound(DISAGREEMENT, 3.0) and bound_of(None, None) is None
    rows = with_bounds([STRUCTURE, {"u_mm": 2.0}, {"u_p95_mm": None}], None, OLD)
    assert [row.get("bound_mm") for row in rows] == [12.0, 6.0, None]
    assert rows[0]["volume_low_ml"] == 18.0 and "volume_from_ml" not in rows[0]
    assert with_bounds([STRUCTURE], None, None) == [STRUCTURE]


@pytest.mark.parametrize(
    ("expected", "calibration"),
    [
        (replace(FOUND, refused="It is stuck."), None),
        (replace(FOUND, refused="It is stuck."), WIDER),
        (FOUND, Calibration(refused="It is stuck.")),
        (None, Calibration(refused="It is stuck. No bound is stated.")),  # as once
    ],
)
def test_a_refusal_leaves_no_bound_and_one_sentence(expected, calibration):
    assert refusal(expected, calibration) == "It is stuck."
    assert bound_of(expected, calibration) is None
    assert with_bounds([STRUCTURE, LANDMARK], expected, calibration) == [STRUCTURE, LANDMARK]
    said = in_words(expected, calibration)
    assert said[-1] == f"{NOT_STATED}It is stuck." and "95 %" not in " ".join(said)
    assert said[:-1] == (["The expected error is 1.6 mm on average."] if expected else [])


def test_what_is_said_of_the_error():
    mean = "The expected error is 1.6 mm on average."
    bound = (
        "95 % of points are expected within {} times the value of its map, as found on three pairs "
        "of balls."
    )
    assert in_words(FOUND, None) == [mean, bound.format("2.0")]
    assert in_words(FOUND, ENOUGH) == [
        mean,
        bound.format("2.0"),
        "On 3 known deformations of the fixed image, 97 % of the errors lay within this bound.",
    ]
    assert in_words(FOUND, WIDER) == [
        mean,
        bound.format("3.0"),
        "On 3 known deformations of the fixed image, 91 % of the errors lay within this bound "
        "before it was widened by a factor of 1.50, so that in each of them 95 % do.",
    ]
    assert how_found(WIDER) == "The deformations were of 3.1 mm. Smooth."


def test_what_is_said_of_the_disagreement_alone():
    (said,) = in_words(None, replace(OLD, coverage_check=0.94))
    assert said == (
        "On simulated deformations of this image, 95 % of the voxels had an error below 3.00 times "
        "the disagreement (94 % when each was checked by the others)."
    )
    (said,) = in_words(None, None)
    assert said.startswith("The disagreement is not calibrated")


def test_the_legend_has_the_same_factor():
    assert on_legend(bound_of(FOUND, WIDER)) == "95 % bound: 3.0 x value"
    assert on_legend(None) == ""


def test_what_a_calibration_says_holds_without_stray_samples_too(tmp_path):
    """Left out, it would narrow the bound again, or state one that it had refused."""
    folder = write_fake_result(tmp_path / "result")
    write_fake_strays(folder)
    write_fake_calibration(folder, "It is stuck.")
    record = read_record(folder).without_strays
    assert bound_of(record.expected_error, record.calibration) is None
    write_fake_calibration(folder)
    record = read_record(folder).without_strays
    assert bound_of(record.expected_error, record.calibration) == Bound(EXPECTED, 2.0 * 1.2)
