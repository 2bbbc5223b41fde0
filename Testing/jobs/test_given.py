"""A registration that was made elsewhere is judged among the samples of a backbone."""

import numpy as np
import pytest

from support.phantoms import smooth_field, textured
from UncertainRegLib.geometry import (
    DisplacementField,
    Grid,
    compose,
    interpolate,
    invert,
    invert_at,
    read_field,
    read_volume,
    warp,
    write_field,
    write_image,
)
from UncertainRegLib.geometry.landmarks import write_points
from UncertainRegLib.jobs import Job, JobError, run
from UncertainRegLib.jobs.events import Silent
from UncertainRegLib.posterior.region import prediction_radius
from UncertainRegLib.posterior.standing import standing
from UncertainRegLib.posterior.stream import SampleStream
from UncertainRegLib.report.whole import whole
from UncertainRegLib.results.record import Record
from UncertainRegLib.studies.validation import job_of

GRID = Grid.from_spacing((20, 24, 28), (3.0, 3.0, 3.0), (10, 20, -5), np.diag([-1.0, -1.0, 1.0]))
TRUTH = smooth_field(GRID, 3.0)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    moving = textured(GRID, seed=1)
    write_image(moving, folder / "moving.nrrd")
    write_image(warp(moving, TRUTH, None), folder / "fixed.nrrd")
    write_field(TRUTH, folder / "truth.nrrd")
    write_field(invert(TRUTH, iterations=60)[0], folder / "inverse.nrrd")
    points = GRID.to_world(np.array([[14.0, 12, 10], [4, 4, 4]]))
    write_points(["in", "out"], points, folder / "fixed_points.csv")
    write_points(["in", "out"], TRUTH.map(points), folder / "moving_points.csv")
    return folder


def judged(folder, out, transform, **entries):
    """A run of few samples, made by a backbone that knows the truth."""
    job = Job(
        fixed=str(folder / "fixed.nrrd"),
        moving=str(folder / "moving.nrrd"),
        out=str(out),
        transform=[str(transform)],
        backbone="known-field",
        parameters={"backbone": {"field": str(folder / "truth.nrrd")}},
        samples=6,
        **entries,
    )
    return Record.from_dict(run(job, Silent()))


def map_of(record, out, name):
    return read_volume(out / record.maps[name].file).array


def test_tables_and_maps_are_those_of_the_given_one(pair, tmp_path):
    given = DisplacementField(TRUTH.vectors + np.float32([2.0, 0, 0]), GRID)
    write_field(given, tmp_path / "given.nrrd")
    points = {f"{one}_points": str(pair / f"{one}_points.csv") for one in ("fixed", "moving")}
    record = judged(pair, tmp_path / "out", tmp_path / "given.nrrd", **points)
    found = read_field(tmp_path / "out" / record.transform)
    assert np.abs(found.vectors - given.vectors).max() < 1e-4
    for row in record.landmarks:
        assert row["tre_mm"] == pytest.approx(2.0, abs=0.4)
    offset = map_of(record, tmp_path / "out", "given_offset_mm")
    assert np.median(offset) == pytest.approx(2.0, abs=0.5)
    assert record.given.offset_mm == pytest.approx(2.0, abs=0.5)
    assert record.given.files == ["given.nrrd"] and record.given.covered == 1.0
    assert record.inputs["transform_1"].file == str(tmp_path / "given.nrrd")
    words = " ".join(whole(record))
    assert "given.nrrd" in words and "not its error" in words


def test_the_expected_error_is_that_of_the_place_where_it_puts_a_landmark(pair, tmp_path):
    given = DisplacementField(TRUTH.vectors + np.float32([3.0, 0, 0]), GRID)
    write_field(given, tmp_path / "given.nrrd")
    points = {f"{one}_points": str(pair / f"{one}_points.csv") for one in ("fixed", "moving")}
    record = judged(pair, tmp_path / "out", tmp_path / "given.nrrd", **points)
    expected = read_volume(tmp_path / "out" / record.maps["expected_error_mm"].file)
    (row,) = [row for row in record.landmarks if row["label"] == "in"]
    place, _ = invert_at(given, np.array([row["moving_lps"]]))
    found = interpolate(expected.array, GRID.to_index(place))[0]
    elsewhere = interpolate(expected.array, GRID.to_index(np.array([row["mean_lps"]])))[0]
    assert row["expected_mm"] == pytest.approx(found, abs=0.02)
    assert abs(found - elsewhere) > 0.05


def test_one_that_does_not_fit_has_no_expected_error(pair, tmp_path):
    """It would be that of registrations that do: a few mm, however far this one is off."""
    given = DisplacementField(TRUTH.vectors + np.float32([20.0, 0, 0]), GRID)
    write_field(given, tmp_path / "given.nrrd")
    record = judged(pair, tmp_path / "out", tmp_path / "given.nrrd")
    assert record.given.suspicions and record.expected_error is None
    assert "expected_error_mm" not in record.maps and "uncertainty_mm" in record.maps
    assert any("the transform that was given does not" in text for text in record.warnings)


def test_no_bound_is_stated_for_it_and_the_reason_is(pair, tmp_path):
    record = judged(pair, tmp_path / "out", pair / "truth.nrrd")
    assert "made elsewhere" in record.expected_error.refused
    assert record.bounded([{"expected_mm": 1.0}])[0].get("bound_mm") is None


def test_what_it_does_not_reach_is_blank_and_said(pair, tmp_path):
    part = GRID.part((8, 6, 4), (14, 16, 16))
    write_field(TRUTH.resample(part), tmp_path / "part.nrrd")
    points = {f"{one}_points": str(pair / f"{one}_points.csv") for one in ("fixed", "moving")}
    record = judged(pair, tmp_path / "out", tmp_path / "part.nrrd", **points)
    validity = map_of(record, tmp_path / "out", "validity")
    covered = np.zeros(GRID.shape, bool)
    covered[4:18, 6:22, 8:24] = True
    assert not validity[~covered].any() and validity[covered].mean() > 0.9
    assert any("does not reach" in text and "blank" in text for text in record.warnings)
    by_name = {row["label"]: row["tre_mm"] for row in record.landmarks}
    assert by_name["in"] < 0.1 and by_name["out"] is None


def test_its_inverse_is_judged_in_mm(pair, tmp_path):
    inverse = [str(pair / "inverse.nrrd")]
    record = judged(pair, tmp_path / "a", pair / "truth.nrrd", inverse=inverse)
    inner = (slice(5, -5),) * 3
    assert map_of(record, tmp_path / "a", "inverse_consistency_mm")[inner].max() < 0.1
    record = judged(pair, tmp_path / "b", pair / "truth.nrrd", inverse=[str(pair / "truth.nrrd")])
    found = map_of(record, tmp_path / "b", "inverse_consistency_mm")
    expected = np.linalg.norm(compose(TRUTH, TRUTH).vectors, axis=-1)
    assert np.abs(found - expected)[inner].max() < 1e-3


def test_a_backbone_registers_the_other_way_round_where_asked(pair, tmp_path):
    job = Job(
        fixed=str(pair / "fixed.nrrd"),
        moving=str(pair / "moving.nrrd"),
        out=str(tmp_path / "out"),
        backbone="known-field",
        parameters={"backbone": {"field": str(pair / "truth.nrrd")}},
        samples=2,
        inverse_consistency=True,
    )
    record = Record.from_dict(run(job, Silent()))
    assert record.given is None
    found = map_of(record, tmp_path / "out", "inverse_consistency_mm")
    expected = np.linalg.norm(compose(TRUTH, TRUTH).vectors, axis=-1)  # it knows one answer only
    assert np.abs(found - expected)[5:-5, 5:-5, 5:-5].max() < 1e-3


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"inverse": ["i.nrrd"]}, "inverse is given without transform"),
        ({"transform": ["t.nrrd"], "inverse_consistency": True}, "made elsewhere"),
        ({"transform": [3]}, "list of texts"),
        ({"transform": "t.nrrd"}, "list of texts"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(entries, words):
    with pytest.raises(JobError, match=words):
        Job(fixed="f", moving="m", out="o", **entries).check()


def test_the_job_of_a_result_has_the_same_files(pair, tmp_path):
    inverse = [str(pair / "inverse.nrrd")]
    record = judged(pair, tmp_path / "out", pair / "truth.nrrd", inverse=inverse)
    job = job_of(tmp_path / "out", record)
    assert job.transform == [str(pair / "truth.nrrd")] and job.inverse == inverse


def test_the_level_is_the_share_of_further_samples_that_are_nearer():
    """Gaussian samples, as everywhere in the theory; the given one is one more of them."""
    rng = np.random.default_rng(5)
    grid = Grid.from_spacing((16, 16, 16))
    spread = np.array([2.0, 1.0, 0.5])
    stream = SampleStream(grid)
    for _ in range(12):
        vectors = rng.normal(size=(*grid.shape, 3)) * spread
        stream.add(DisplacementField(vectors.astype(np.float32), grid))
    found = standing(stream, rng.normal(size=(*grid.shape, 3)) * spread)
    assert (found["given_level"] > 0.95).mean() == pytest.approx(0.05, abs=0.012)
    assert np.isfinite(prediction_radius(12))
    mean = stream.mean().vectors
    assert standing(stream, mean)["given_offset_mm"].max() == 0


def test_with_four_samples_there_is_no_level():
    grid, stream = Grid.from_spacing((4, 4, 4)), SampleStream(Grid.from_spacing((4, 4, 4)))
    for seed in range(4):
        vectors = np.random.default_rng(seed).normal(size=(4, 4, 4, 3))
        stream.add(DisplacementField(vectors.astype(np.float32), grid))
    assert set(standing(stream, np.zeros((4, 4, 4, 3)))) == {"given_offset_mm"}


def test_an_image_instead_of_a_transform_is_refused_before_a_folder_is_made(pair, tmp_path):
    with pytest.raises(ValueError, match="not a displacement field"):
        judged(pair, tmp_path / "out", pair / "moving.nrrd")
    assert not (tmp_path / "out").exists()


def test_a_matrix_without_an_inverse_is_refused_before_the_work(pair, tmp_path):
    file = tmp_path / "flat.txt"
    file.write_text("0 0 0 1\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="presses the image flat"):
        judged(pair, tmp_path / "out", file)
    assert not (tmp_path / "out").exists()
