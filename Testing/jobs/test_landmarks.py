"""Landmarks of a run: one space for all their numbers, and no number where there is no answer."""

import json

import numpy as np
import pytest

from support.phantoms import whirl
from UncertainRegLib.geometry import DisplacementField, Grid, Image
from UncertainRegLib.jobs import warnings
from UncertainRegLib.jobs.comparison import before_after
from UncertainRegLib.jobs.inputs import Inputs
from UncertainRegLib.jobs.landmarks import landmark_rows, lost_samples
from UncertainRegLib.jobs.products import uncertainty_moving
from UncertainRegLib.jobs.summary import Summary
from UncertainRegLib.posterior.points import map_to_fixed
from UncertainRegLib.samplers import Sample

GRID = Grid.from_spacing((32, 36, 40), (1.5, 1.5, 1.5), (-30, -27, -24))
OF_SAMPLES = ("mean_lps", "covariance_mm2", "u_mm", "axes_mm", "directions", "inside95")


def linear(matrix, shift=(0.0, 0.0, 0.0), grid=GRID) -> DisplacementField:
    """The registration y = matrix @ (x + shift), mm LPS."""
    points = grid.points(np.zeros(0))
    moved = (points + np.asarray(shift)) @ np.asarray(matrix).T
    return DisplacementField((moved - points).astype(np.float32), grid)


def summary_of(fields, registration, moving_points, fixed_points=None, fixed_grid=GRID) -> Summary:
    names = [f"p{number}" for number in range(len(moving_points))]
    images = (Image(np.zeros(grid.shape, np.float32), grid) for grid in (fixed_grid, GRID))
    points = {"point_names": names, "moving_points": moving_points, "fixed_points": fixed_points}
    summary = Summary(Inputs(*images, **points), registration)
    for field in fields:
        summary.add(Sample(field))
    return summary


def test_the_disagreement_in_the_moving_space_lies_where_the_anatomy_is():
    """Tian et al., "Uncertainty (Inv)": shifted by 6 mm, it is 1 mm left of a plane and 3 mm right
    of it; blank where nothing was registered."""
    grid = Grid.from_spacing((16, 16, 32), (2.0, 2.0, 2.0))
    x = grid.points()[..., 0]
    spread = np.where(x < 30.0, 1.0, 3.0)
    fields = []
    for sign in (-1.0, 1.0):
        vectors = np.zeros((*grid.shape, 3), np.float32)
        vectors[..., 0], vectors[..., 1] = 6.0, sign * spread
        fields.append(DisplacementField(vectors, grid))
    image = Image(np.zeros(grid.shape, np.float32), grid)
    summary = Summary(Inputs(image, image), fields[0])
    for field in fields:
        summary.add(Sample(field))
    found = uncertainty_moving(summary)
    assert found.grid == grid
    seen = np.isfinite(found.array)
    assert seen[..., 4:].all() and not seen[..., :2].any()  # moving x < 6 mm is seen by no point
    assert np.allclose(found.array[..., 4:17], 1.0, atol=1e-4)  # to 34 mm: 28 mm in the fixed one
    assert np.allclose(found.array[..., 19:], 3.0, atol=1e-4)


@pytest.mark.parametrize("degrees", [0.0, 90.0])
def test_disagreement_error_and_directions_are_of_the_fixed_space(degrees):
    """The moving image is larger by 1.5 and turned: its millimetres and axes are not ours."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = 1.5 * np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    shifts = np.random.default_rng(1).normal(size=(12, 3)) * [1.5, 0.6, 0.3]  # fixed space, mm
    where = np.array([[3.0, -2.0, 4.0], [-5.0, 6.0, 0.0]])
    off = np.array([1.2, 0.0, 0.0])
    summary = summary_of(
        [linear(matrix, shift) for shift in shifts], linear(matrix), where @ matrix.T, where + off
    )
    rows = landmark_rows(summary)
    covariance = np.cov(shifts.T, ddof=0)
    for row in rows:
        assert row["u_mm"] == pytest.approx(np.sqrt(np.trace(covariance)), rel=1e-3)
        assert abs(row["directions"][0][0]) > 0.95  # along x, as the samples differ in our space
        assert row["tre_mm"] == pytest.approx(1.2, abs=1e-3)  # not 1.8
        assert row["lost"] == 0
    found = before_after(summary.inputs, summary.registration, GRID)["tre_mm"]
    assert found["after"] == pytest.approx(1.2, abs=1e-3)
    before = [row["tre_before_mm"] for row in rows]
    assert before == pytest.approx(np.linalg.norm(where @ matrix.T - where - off, axis=1))
    assert found["before"] == pytest.approx(np.mean(before))


def test_samples_without_an_answer_are_left_out_of_that_landmark_and_named():
    points = np.array([[0.0, 1.5, 0.0], [20.0, -15.0, 3.0]])
    shifts = np.random.default_rng(2).normal(size=(6, 3))
    fields = [linear(np.eye(3), shift) for shift in shifts]
    fields += [whirl(GRID, (0.0, 0.0, 0.0), degrees) for degrees in (160.0, 170.0)]
    assert np.isnan(map_to_fixed(fields[-1], points)).any(axis=1).tolist() == [True, False]
    summary = summary_of(fields, fields[0], points, points)
    rows = landmark_rows(summary)
    assert [row["lost"] for row in rows] == [2, 0]
    assert rows[0]["mean_lps"] == pytest.approx(points[0] - shifts.mean(axis=0), abs=1e-3)
    covariance = np.cov(shifts.T, ddof=0)
    assert rows[0]["u_mm"] == pytest.approx(np.sqrt(np.trace(covariance)), rel=1e-3)
    assert rows[0]["axes_mm"] is not None  # six are left
    (said,) = warnings.of_lost_samples(*lost_samples(summary), 8)
    assert "p0 (2)" in said and "p1" not in said and "folds" in said and "outside" not in said
    few = landmark_rows(summary_of(fields[2:], fields[0], points, points))[0]
    assert few["u_mm"] > 0 and few["axes_mm"] is few["inside95"] is None  # four are left


def test_a_registration_without_an_inverse_there_has_no_error_there():
    points = np.array([[0.0, 1.5, 0.0], [20.0, -15.0, 3.0]])
    lost = whirl(GRID, (0.0, 0.0, 0.0))
    summary = summary_of([lost, lost, lost], lost, points, points)
    rows = landmark_rows(summary)
    assert [rows[0][name] for name in OF_SAMPLES] == [None] * 6 and rows[0]["tre_mm"] is None
    assert rows[1]["tre_mm"] < 0.5 and rows[1]["mean_lps"] is not None
    assert summary.truth.nearest() == 0  # by the other landmark
    found = before_after(summary.inputs, lost, GRID)["tre_mm"]
    assert found["after"] == pytest.approx(rows[1]["tre_mm"])
    json.dumps(rows, allow_nan=False)


def test_nothing_is_said_of_a_landmark_outside_the_grid_of_the_samples():
    small = Grid.from_spacing((16, 16, 16), (1.5, 1.5, 1.5), (-12, -12, -12))
    points = np.array([[0.0, 0.0, 0.0], [24.0, 0.0, 0.0]])
    shifts = np.random.default_rng(3).normal(size=(8, 3))
    fields = [linear(np.eye(3), shift, small) for shift in shifts]
    summary = summary_of(fields, fields[0], points, points)
    rows = landmark_rows(summary)
    assert [row["lost"] for row in rows] == [0, 8]
    assert [rows[1][name] for name in OF_SAMPLES] == [None] * 6
    assert rows[1]["tre_mm"] is not None  # the field goes on there, and its error is an error
    (said,) = warnings.of_lost_samples(*lost_samples(summary), 8)
    assert "p1 (8)" in said and "p0" not in said and "outside" in said
