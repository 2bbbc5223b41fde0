"""The expected error of a run: the map and its entry, and when there is none, or no bound."""

import sys

import numpy as np
import pytest

from support.phantoms import smooth_field, textured
from UncertainRegLib.backbones.competence import Competence
from UncertainRegLib.expected_error.model import shipped
from UncertainRegLib.geometry import DisplacementField, Grid, Image, read_image, warp, write_image
from UncertainRegLib.geometry.landmarks import write_points
from UncertainRegLib.jobs import Job, run
from UncertainRegLib.jobs.events import Silent
from UncertainRegLib.jobs.expectation import BEYOND, Expecting
from UncertainRegLib.results.expectation import bound_of, with_bounds
from UncertainRegLib.results.maps import DISAGREEMENT, EXPECTED
from UncertainRegLib.results.reader import read_record

GRID = Grid.from_spacing((24, 28, 32), (2.0, 2.0, 2.0), (10, 20, -5), np.diag([-1.0, -1.0, 1.0]))
NONE = "There is no map of the expected error"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Files of a small pair, and of its moving image in another contrast."""
    folder = tmp_path_factory.mktemp("pair")
    truth, moving = smooth_field(GRID, 2.0), textured(GRID, seed=1)
    labels = np.zeros(GRID.shape, np.uint8)
    labels[6:16, 8:20, 8:20] = 1
    points = GRID.to_world(np.array([[14.0, 12, 11], [20, 16, 12]]))
    write_image(moving, folder / "moving.nrrd")
    write_image(warp(moving, truth, None), folder / "fixed.nrrd")
    write_image(Image(labels, GRID), folder / "labels.nrrd")
    write_points(["a", "b"], truth.map(points), folder / "moving.csv")
    write_points(["a", "b"], points, folder / "fixed.csv")
    inside = moving.array > 5
    other = np.where(inside, 100 - np.abs(2 * moving.array - 120), 0).astype(np.float32)
    write_image(Image(other, GRID), folder / "other.nrrd")
    return folder


def result_of(pair, out, moving="moving", **changes):
    job = {
        "fixed": str(pair / "fixed.nrrd"),
        "moving": str(pair / f"{moving}.nrrd"),
        "moving_labels": str(pair / "labels.nrrd"),
        "moving_points": str(pair / "moving.csv"),
        "fixed_points": str(pair / "fixed.csv"),
        "out": str(out),
        "samples": 4,
        "parameters": {"backbone": {"affine": False}},
    }
    run(Job(**job | changes), Silent())
    return read_record(out)


@pytest.fixture(scope="module")
def finished(pair, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "result"
    return out, result_of(pair, out)


def test_a_run_writes_the_map_and_what_may_be_made_of_it(finished):
    out, record = finished
    found = read_image(out / record.maps[EXPECTED].file)
    assert found.grid == GRID and record.maps[EXPECTED].unit == "mm"
    assert np.isfinite(found.array).all() and found.array.min() > 0
    expected, model = record.expected_error, shipped()
    assert expected.refused is None and expected.fitted_on == model.fitted_on
    assert expected.point_factor == model.factors.point
    assert expected.boundary_factor == model.factors.boundary
    assert found.array.min() < expected.mean_mm < found.array.max()
    assert not any(NONE in text for text in record.warnings)


def test_tables_say_the_expectation_and_its_bound(finished):
    out, record = finished
    found = read_image(out / record.maps[EXPECTED].file)
    expected = record.expected_error
    for row in record.landmarks:
        k, j, i = np.round(found.grid.to_index(np.array(row["mean_lps"]))).astype(int)[::-1]
        assert row["expected_mm"] == pytest.approx(found.array[k, j, i], rel=0.2)
    (structure,) = with_bounds(record.labels, expected, None)
    # across its boundary an error is shorter than it is long
    assert 0 < structure["expected_mm"] < found.array.max() / shipped().longer
    assert structure["bound_mm"] == pytest.approx(
        expected.boundary_factor * structure["expected_mm"]
    )
    half = (structure["volume_to_ml"] - structure["volume_from_ml"]) / 2
    surface_mm2 = 100.0 * structure["surface_cm2"]
    wide_mm = expected.volume_factor * structure["expected_mm"]
    assert half == pytest.approx(surface_mm2 * wide_mm / 1000.0)
    box_mm2 = 2 * 4.0 * (10 * 12 + 10 * 12 + 12 * 12)
    assert surface_mm2 == pytest.approx(box_mm2, rel=0.15)


def test_no_bound_is_stated_where_the_method_does_not_follow(pair, tmp_path, monkeypatch):
    def stuck(*arguments, **keywords):
        return Competence({1.0: 0.1}, ("It follows only 10% of 1 mm.",))

    monkeypatch.setattr(sys.modules["UncertainRegLib.jobs.run"], "probe", stuck)
    record = result_of(pair, tmp_path / "out", competence=True)
    assert EXPECTED in record.maps, "what is expected is still shown"
    assert record.expected_error.refused == "It follows only 10% of 1 mm."
    assert bound_of(record.expected_error, None) is None


def test_two_contrasts_have_no_expected_error_and_one_sentence_says_why(pair, tmp_path):
    record = result_of(pair, tmp_path / "out", moving="other")
    assert EXPECTED not in record.maps and DISAGREEMENT in record.maps
    assert record.expected_error is None
    (said,) = [text for text in record.warnings if NONE in text]
    assert "judged by intensities, and the registered images" in said
    assert record.labels[0]["expected_mm"] is None
    assert with_bounds(record.labels, record.expected_error, None) == record.labels


def test_three_samples_are_too_few_and_it_is_said(pair, tmp_path):
    record = result_of(pair, tmp_path / "out", samples=3)
    assert EXPECTED not in record.maps and record.expected_error is None
    assert [text for text in record.warnings if NONE in text] == [
        f"{NONE}: it is made of 4 samples or more."
    ]


def expected_of(model):
    """Of a registration that leaves two different images as they are."""
    registration = DisplacementField(np.zeros((*GRID.shape, 3), np.float32), GRID)
    images = [Image(textured(GRID, seed).array / 100, GRID) for seed in (0, 1)]
    expecting = Expecting(*images, registration, model=model)
    return expecting.found(np.ones(GRID.shape, np.float32), GRID)


def test_no_bound_is_stated_beyond_the_errors_that_a_model_was_fitted_to():
    from dataclasses import replace

    model = shipped()
    across = expected_of(model).said.mean_mm / model.longer / GRID.voxel_mm  # voxels
    inside = replace(model, range_voxels=(0.0, 1.01 * across / BEYOND))
    assert expected_of(inside).said.refused is None
    beyond = replace(model, range_voxels=(0.0, 0.99 * across / BEYOND))
    refused = expected_of(beyond).said.refused
    assert f"{across * GRID.voxel_mm:.1f} mm on average, is beyond" in refused


def test_no_bound_is_stated_of_what_was_never_checked(pair, tmp_path):
    record = result_of(pair, tmp_path / "out", perturbation="shear")
    assert record.expected_error.refused.endswith("and not with demons + shear.")
    assert EXPECTED in record.maps and bound_of(record.expected_error, None) is None


def test_samples_on_a_grid_of_their_own_are_brought_to_that_of_the_registration():
    image = textured(GRID)
    expecting = Expecting(image, image, smooth_field(GRID, 1.0))
    coarse = GRID.at_spacing(4.0)
    found = expecting.found(np.full(coarse.shape, 0.7, np.float32), coarse)
    same = expecting.found(np.full(GRID.shape, 0.7, np.float32), GRID)
    np.testing.assert_allclose(found.length_mm, same.length_mm, rtol=1e-5)
