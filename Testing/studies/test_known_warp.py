"""The known-warp study: truths, scores, resuming, tables, the command."""

from __future__ import annotations

import csv
import itertools
import sys

import numpy as np
import pytest

from support.phantoms import smooth_field, textured
from UncertainRegLib import backbones
from UncertainRegLib.__main__ import main
from UncertainRegLib.backbones import Facts
from UncertainRegLib.backbones.demons import Demons
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import (
    DisplacementField,
    Grid,
    Image,
    folding_fraction,
    warp,
    write_field,
    write_image,
)
from UncertainRegLib.geometry.foreground import patient
from UncertainRegLib.jobs.expectation import Expecting
from UncertainRegLib.perturbations import LinearMap, Translation
from UncertainRegLib.samplers import Equivariance
from UncertainRegLib.studies import known_warp
from UncertainRegLib.studies.calibration import nonaffine_mm
from UncertainRegLib.studies.disagreement import Disagreement, disagreement, image_residual
from UncertainRegLib.studies.known_warp import (
    KnownWarp,
    binned,
    gaussian_scores,
    scores,
    variant,
    variants,
)
from UncertainRegLib.studies.rows import Rows, bootstrap_interval, summary, write_parquet
from UncertainRegLib.studies.simulate import (
    TRUTHS,
    affine_part,
    deformed,
    draw_truth,
    error_mm,
    registration_truth,
    seen,
)
from UncertainRegLib.studies.study import KEY, RESIDUAL, ImageStudy, sampler_of
from UncertainRegLib.studies.variant import ABOUT, EXPECTED, SMOOTHED

GRID = Grid.from_spacing((20, 24, 28), (1.5, 1.5, 2.0), (-10, 5, 3))


def study(out, **changes) -> KnownWarp:
    settings = {
        "families": ("translation",),
        "cases": ("elastic",),
        "samples": 4,
        "repeats": 1,
        "backbone_settings": {"affine": False},
        **changes,
    }
    return KnownWarp(textured(GRID), "phantom", out, **settings)


@pytest.mark.parametrize("name", TRUTHS)
def test_truths_are_fold_free_and_repeatable(name):
    first, again, other = (draw_truth(name, GRID, np.random.default_rng(s)) for s in (3, 3, 4))
    assert np.array_equal(first.vectors, again.vectors)
    assert not np.allclose(first.vectors, other.vectors)
    assert folding_fraction(first) == 0.0
    assert 0.3 < np.linalg.norm(first.vectors, axis=-1).mean() < 12.0


def test_a_translation_truth_is_constant_and_within_a_tenth_of_the_extent():
    vectors = draw_truth("translation", GRID, np.random.default_rng(1)).vectors
    assert np.ptp(vectors.reshape(-1, 3), axis=0) == pytest.approx(0, abs=1e-4)
    assert np.all(np.abs(vectors[0, 0, 0]) <= 0.1 * GRID.extent_mm + 1e-4)


def test_a_field_file_is_a_truth_and_an_unknown_name_is_refused(tmp_path):
    vectors = np.tile(np.float32([1, -2, 0.5]), (*GRID.shape, 1))
    write_field(DisplacementField(vectors, GRID), tmp_path / "real.nrrd")
    found = draw_truth(str(tmp_path / "real.nrrd"), GRID, np.random.default_rng(0))
    assert np.allclose(found.vectors, vectors)
    with pytest.raises(ValueError, match="Unknown truth 'elastik'"):
        draw_truth("elastik", GRID, np.random.default_rng(0))


def test_a_registration_of_two_real_images_is_a_truth_without_its_affine_part():
    image = textured(GRID)
    bent, shift = smooth_field(GRID, 1.5), np.float32([2.0, -1.0, 0.5])
    there = DisplacementField(bent.vectors + shift, GRID)
    found = registration_truth(warp(image, there, None), image)
    inside = patient(image)
    assert np.abs(affine_part(found, inside) - np.eye(4))[:3, :3].max() < 0.02
    size = np.linalg.norm(found.vectors, axis=-1)[inside].mean()
    assert 0.4 * nonaffine_mm(bent, inside) < size < 2.0 * nonaffine_mm(bent, inside) + 0.2
    assert folding_fraction(found) == 0


def test_the_truth_of_a_registration_may_keep_its_affine_part_and_have_another_maker():
    image = textured(GRID)
    shift = np.tile(np.float32([3.0, -2.0, 1.0]), (*GRID.shape, 1))
    there = warp(image, DisplacementField(shift, GRID), None)
    inside = patient(image)
    for maker in ("demons", "bspline"):
        found = registration_truth(there, image, maker, keeps_affine=True)
        gap = np.linalg.norm(found.vectors - shift, axis=-1)[inside]
        assert np.median(gap) < 1.0  # without: the whole 3.7 mm
    with pytest.raises(ValueError, match="nobody"):
        registration_truth(there, image, "nobody")


def test_elastic_truths_of_the_paper_reach_further():
    """Half of the spacing of the control points instead of 0.35."""
    size = {
        name: np.mean(
            [
                np.linalg.norm(draw_truth(name, GRID, np.random.default_rng(s)).vectors, axis=-1)
                for s in range(6)
            ]
        )
        for name in ("elastic", "elastic-paper", "elastic2", "elastic2-paper")
    }
    assert size["elastic-paper"] > 1.15 * size["elastic"]
    assert size["elastic2-paper"] > 1.15 * size["elastic2"]


def test_a_family_of_a_study_has_settings_of_its_own():
    backbone = backbones.create("demons")
    sampler = sampler_of(backbone, 'deform {"fraction": 0.4, "control_points": 8}')
    assert (sampler.family.fraction, sampler.family.control_points) == (0.4, 8)
    assert sampler_of(backbone, "deform").family.fraction != 0.4
    for text, message in (
        ("deform 0.4", "comes a JSON object"),
        ('deform {"speed": 1}', "no setting speed"),
        ("swirl", "Unknown perturbation family"),
    ):
        with pytest.raises(ValueError, match=message):
            sampler_of(backbone, text)


def test_the_affine_part_of_an_affine_map_is_the_map():
    matrix = np.array([[1.1, 0.05, 0], [0, 0.9, 0], [0.02, 0, 1]])
    tau = LinearMap(matrix, np.array([5.0, -3.0, 2.0]), {})
    everywhere = np.ones(GRID.shape, bool)
    found = affine_part(tau.field(GRID), everywhere)
    points = GRID.to_world(np.array([[0, 0, 0], [20, 3, 7.0]]))
    np.testing.assert_allclose(
        points @ found[:3, :3].T + found[:3, 3], tau.points(points), atol=1e-3
    )
    with pytest.raises(ValueError, match="region of interest is empty"):
        affine_part(tau.field(GRID), ~everywhere)


def test_rows_become_a_parquet_file_or_a_sentence(tmp_path, monkeypatch):
    rows = [
        {"map": "deform", "naurc": "0.5", "pairs": "1"},
        {"map": "scale", "naurc": "", "pairs": "2"},
    ]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(ValueError, match=r"pip install pyarrow.*rows\.csv"):
            write_parquet(rows, tmp_path / "rows.parquet")
    parquet = pytest.importorskip("pyarrow.parquet")
    write_parquet(rows, tmp_path / "rows.parquet")
    assert parquet.read_table(tmp_path / "rows.parquet").to_pydict() == {
        "map": ["deform", "scale"],
        "naurc": [0.5, None],
        "pairs": [1.0, 2.0],
    }


def test_the_truth_maps_fixed_points_to_the_same_anatomy_in_the_moving_image():
    image = textured(GRID)
    shift = np.float32([3.0, 0, 0])  # two voxels of 1.5 mm along i
    truth = DisplacementField(np.tile(shift, (*GRID.shape, 1)), GRID)
    fixed = deformed(image, truth)
    assert np.allclose(fixed.array[..., :-2], image.array[..., 2:], atol=1e-3)
    assert not seen(truth, GRID)[..., -2:].any()
    assert seen(truth, GRID)[..., :-2].all()
    assert error_mm(truth, truth).max() == 0
    still = DisplacementField(np.zeros_like(truth.vectors), GRID)
    assert error_mm(still, truth) == pytest.approx(3.0)


def test_the_body_is_the_largest_component_with_its_holes():
    array = np.zeros((20, 20, 20), np.float32)
    array[4:14, 4:14, 4:14] = 100
    array[8:10, 8:10, 8:10] = 0  # a hole
    array[17:19, 17:19, 17:19] = 100  # a table
    expected = np.zeros(array.shape, bool)
    expected[4:14, 4:14, 4:14] = True
    assert np.array_equal(patient(Image(array, Grid.from_spacing(array.shape))), expected)


def test_scores_of_a_perfect_a_constant_and_a_reversed_map():
    error = np.random.default_rng(0).uniform(0, 4, (6, 7, 8))
    mask = np.ones(error.shape, bool)
    perfect = scores(2 * error, error, mask)
    assert perfect["naurc"] == pytest.approx(0) and perfect["spearman"] == pytest.approx(1)
    assert perfect["factor95"] == pytest.approx(0.5)
    constant = scores(np.ones_like(error), error, mask)
    assert constant["naurc"] == pytest.approx(1)
    assert constant["aurc"] == pytest.approx(constant["mean_error"])
    assert scores(-error + 5, error, mask)["naurc"] > 1
    curve = [row["error"] for row in binned(error, error, mask)]
    assert curve == sorted(curve) and np.mean(curve) == pytest.approx(error.mean(), rel=0.02)


class Shaky(Backbone):
    """Answers with the shift of the moving image's brightest voxel, and half of it too much."""

    facts = Facts("shaky", "Shaky")

    def register(self, fixed, moving):
        at = np.unravel_index(moving.array.argmax(), moving.array.shape)[::-1]
        shift = 1.5 * (moving.grid.to_world(np.array(at)) - self.start)
        return DisplacementField(
            np.tile(shift.astype(np.float32), (*fixed.grid.shape, 1)), fixed.grid
        )

    def __init__(self, image):
        self.start = image.grid.to_world(
            np.array(np.unravel_index(image.array.argmax(), image.array.shape)[::-1])
        )


def test_disagreement_is_the_spread_of_the_samples_and_calls_for_each():
    image = textured(GRID)
    sampler = Equivariance(Shaky(image), Translation(0.1))
    fields, steps = [], []
    found = disagreement(
        sampler,
        image,
        image,
        6,
        np.random.default_rng(0),
        lambda: steps.append(1),
        lambda field, _: fields.append(field.vectors),
    )
    expected = np.sqrt(np.var(fields, axis=0).sum(-1))
    assert len(steps) == 6 and expected.min() > 0.3
    assert np.allclose(found.uncertainty_mm, expected, atol=1e-3)
    assert np.allclose(found.mean.vectors, np.mean(fields, axis=0), atol=1e-3)
    assert np.allclose(found.halves[0], np.sqrt(np.var(fields[::2], axis=0).sum(-1)), atol=1e-3)


def test_variants_of_a_map_are_smoothed_or_about_the_registration():
    image = textured(GRID)
    found = disagreement(
        Equivariance(Shaky(image), Translation(0.1)), image, image, 6, np.random.default_rng(0)
    )
    shift = np.float32([3.0, 0.0, 4.0])
    elsewhere = DisplacementField(found.mean.vectors + shift, found.mean.grid)
    everywhere = np.ones(GRID.shape, bool)
    expecting = Expecting(image, image, elsewhere)
    got = variants("deform", found, elsewhere, everywhere, expecting)
    assert list(got) == [f"deform{EXPECTED}", f"deform{SMOOTHED}", f"deform{ABOUT}", "deform"]
    expected = expecting.found(found.uncertainty_mm, found.mean.grid)
    assert np.array_equal(got[f"deform{EXPECTED}"][0], expected.length_mm)
    u = found.uncertainty_mm
    np.testing.assert_allclose(got[f"deform{ABOUT}"][0], np.hypot(u, 5.0), rtol=1e-4)
    assert np.ptp(got[f"deform{SMOOTHED}"][0]) <= np.ptp(u)
    assert got["deform"][0] is u
    same = variants("deform", found, found.mean, everywhere, expecting)[f"deform{ABOUT}"][0]
    np.testing.assert_allclose(same, u, rtol=1e-5)


def test_the_image_residual_sees_where_the_registration_is_wrong():
    image = textured(GRID)
    vectors = np.zeros((*GRID.shape, 3), np.float32)
    vectors[:, :, :10, 0] = 3.0
    truth = DisplacementField(vectors, GRID)
    still = DisplacementField(np.zeros_like(vectors), GRID)
    fixed = warp(image, truth, None)
    assert image_residual(fixed, image, truth).max() == pytest.approx(0, abs=1e-4)
    residual = image_residual(fixed, image, still)
    assert residual[5:15, 8:16, 6].mean() > 10 * residual[5:15, 8:16, 20].mean()


def test_a_study_is_resumed_and_rows_are_not_computed_again(tmp_path, monkeypatch):
    steps = []
    study(tmp_path).run(steps.append)
    assert len(steps) == 1 + 4
    rows = Rows(tmp_path / "rows.csv", KEY)
    assert [row["map"] for row in rows.all if not variant(row["map"])] == [RESIDUAL, "translation"]
    assert len(rows.all) == 5  # the residual; the map and its three variants
    before = (tmp_path / "rows.csv").read_text("utf-8")
    study(tmp_path).run(steps.append)
    assert len(steps) == 5 and (tmp_path / "rows.csv").read_text("utf-8") == before
    more = study(tmp_path, families=("translation", "scale"))
    assert more.registrations() == 5
    more.run(steps.append)
    assert len(steps) == 10
    with open(tmp_path / "rows.csv", encoding="utf-8", newline="") as stream:
        names = [row["map"] for row in csv.DictReader(stream)]
    assert [name for name in names if not variant(name)] == [RESIDUAL, "translation", "scale"]
    endings = (EXPECTED, SMOOTHED, ABOUT, "")
    assert names[1:5] == [f"translation{ending}" for ending in endings]
    with open(tmp_path / "bins.csv", encoding="utf-8", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 9 * known_warp.BINS


class Drawing(Demons):
    """Stochastic: its answer depends on how often it was asked."""

    calls, one_core = 0, False

    def register(self, fixed, moving):
        found = super().register(fixed, moving)
        object.__setattr__(self, "calls", self.calls + 1)
        return DisplacementField(found.vectors + np.float32(0.01 * self.calls), found.grid)


def test_what_a_pair_gives_does_not_depend_on_the_pairs_before_it(tmp_path, monkeypatch):
    """A stochastic method went on drawing where the pair before had ended."""
    monkeypatch.setattr(ImageStudy, "made_backbone", lambda self: Drawing(**self.backbone_settings))
    two = study(tmp_path, repeats=2)
    units = two.missing(two.rows())
    clock = {"seconds"}

    def rows_of(unit):
        rows = [row for row, _ in two.compute(unit, lambda text: None)]
        return [{name: value for name, value in row.items() if name not in clock} for row in rows]

    first, second = (rows_of(unit) for unit in units)
    assert rows_of(units[1]) == second and rows_of(units[0]) == first


def fails_at(monkeypatch, *calls: int) -> None:
    """Let demons fail at calls of these numbers, from 0."""
    original, made = Demons.register, itertools.count()

    def register(self, fixed, moving):
        if next(made) in calls:
            raise RuntimeError("The metric fell off a cliff.")
        return original(self, fixed, moving)

    monkeypatch.setattr(Demons, "register", register)


def test_a_pair_that_cannot_be_registered_is_named_and_the_others_go_on(tmp_path, monkeypatch):
    """The next run tries it again."""
    fails_at(monkeypatch, 0)
    one = study(tmp_path, repeats=2)
    rows = one.run()
    assert {row["number"] for row in rows.all} == {"1"}
    assert one.failed == [
        "phantom, elastic 0: the pair could not be registered (The metric fell off a cliff.)"
    ]
    again = study(tmp_path, repeats=2)
    assert {row["number"] for row in again.run().all} == {"0", "1"} and not again.failed


def test_a_map_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    fails_at(monkeypatch, *range(1, 50))
    one = study(tmp_path)
    assert [row["map"] for row in one.run().all] == [RESIDUAL]
    assert "no map of translation" in one.failed[0] and "off a cliff" in one.failed[0]


def test_the_command_names_pairs_without_a_registration(tmp_path, monkeypatch, capsys):
    write_image(textured(GRID), tmp_path / "phantom.nrrd")
    options = ["evaluate", "known-warp", "--image", str(tmp_path / "phantom.nrrd")]
    options += ["--families", "translation", "--truths", "elastic", "--samples", "2"]
    options += ["--backbone-settings", '{"affine": false}', "--out"]
    fails_at(monkeypatch, 0, 1)
    assert main([*options, str(tmp_path / "one"), "--warps", "1"]) == 1
    assert "No pair could be judged. phantom, elastic 0" in capsys.readouterr().err
    assert main([*options, str(tmp_path / "two"), "--warps", "2"]) == 0
    assert "phantom, elastic 0: the pair could not" in capsys.readouterr().err


def test_rows_of_a_case_share_their_error(tmp_path):
    rows = study(tmp_path).run().all
    for row in rows:
        assert float(row["oracle_aurc"]) <= float(row["aurc"])
        assert float(row["validity"]) > 0.8
        assert float(row["mean_error"]) < float(row["true_displacement"])
    assert "AURC below the mean error in" in KnownWarp.table(Rows(tmp_path / "rows.csv", KEY))


def test_summary_gives_means_and_bootstrap_intervals():
    rows = [{"g": "a", "x": str(v)} for v in (1, 2, 3, 4)] + [
        {"g": "b", "x": "7"},
        {"g": "b", "x": ""},
    ]
    first, second = summary(rows, ("g",), ("x",))
    assert first["pairs"] == 4 and first["x"] == pytest.approx(2.5)
    low, high = first["x_interval"]
    assert 1 < low < 2.5 < high < 4
    assert second["x"] == 7 and second["x_interval"] is None
    assert bootstrap_interval(np.full(5, 3.0)) == pytest.approx((3, 3))


def test_a_table_of_something_else_is_refused(tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n", "utf-8")
    with pytest.raises(ValueError, match="not a table of this study"):
        study(tmp_path).run()


def test_labels_that_mark_nothing_are_refused(tmp_path):
    empty = Image(np.zeros(GRID.shape, np.uint8), GRID)
    with pytest.raises(ValueError, match="no voxel of the region of interest"):
        study(tmp_path, labels=empty).run()


def test_the_command_prints_a_table_and_draws_figures(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    write_image(textured(GRID), tmp_path / "phantom.nrrd")
    code = main(
        [
            "evaluate",
            "known-warp",
            "--image",
            str(tmp_path / "phantom.nrrd"),
            "--out",
            str(tmp_path / "out"),
            "--families",
            "translation",
            "--truths",
            "elastic",
            "--samples",
            "2",
            "--warps",
            "2",
            "--backbone-settings",
            '{"affine": false}',
        ]
    )
    assert code == 0
    printed = capsys.readouterr().out
    assert "nAURC" in printed and "image residual" in printed and "[" in printed
    assert list((tmp_path / "out").glob("*.png"))
    assert (tmp_path / "out" / "table.txt").read_text("utf-8") in printed


@pytest.mark.parametrize(
    ("change", "words"), [({"repeats": 0}, "repeats .* is 0"), ({"samples": 1}, "samples is 1")]
)
def test_a_study_without_pairs_or_spread_is_refused(tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        study(tmp_path / "out", **change)


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    write_image(textured(GRID), tmp_path / "phantom.nrrd")
    options = [
        "evaluate",
        "known-warp",
        "--image",
        str(tmp_path / "phantom.nrrd"),
        "--out",
        str(tmp_path / "out"),
        "--truths",
    ]
    assert main([*options, "elastik"]) == 1
    assert "Unknown truth" in capsys.readouterr().err
    assert main([*options, "registration"]) == 1
    assert "--truth-moving" in capsys.readouterr().err
    assert main([*options, "elastic", "--warps", "0"]) == 1
    assert "--warps) is 0" in capsys.readouterr().err


def test_true_displacements_fit_the_gaussian_that_they_were_drawn_from():
    """Covariance diag(1, 4, 9) mm² about the mean; a covariance of a quarter is overconfident."""
    grid = Grid.from_spacing((20, 20, 20))
    rng = np.random.default_rng(0)
    sd = np.array([1.0, 2.0, 3.0])
    truth = DisplacementField((sd * rng.normal(size=(*grid.shape, 3))).astype(np.float32), grid)
    mean = DisplacementField(np.zeros((*grid.shape, 3), np.float32), grid)
    inside = np.ones(grid.shape, bool)
    right, narrow = (
        gaussian_scores(
            Disagreement(
                inside,
                mean,
                np.tile(share * np.array([1.0, 0, 0, 4, 0, 9]), (*grid.shape, 1)),
                inside,
                (inside, inside),
            ),
            truth,
            inside,
        )
        for share in (1, 0.25)
    )
    entropy = 1.5 * (1 + np.log(2 * np.pi)) + np.log(6)  # of that Gaussian
    assert right["nll"] == pytest.approx(entropy, rel=0.01)
    assert right["miscalibration"] < 0.015
    assert narrow["miscalibration"] > 0.2 and narrow["nll"] > right["nll"] + 1
