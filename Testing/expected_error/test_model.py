"""The model of the expected error: what it computes, how it is fitted, that its bounds hold."""

from dataclasses import replace

import numpy as np
import pytest

from UncertainRegLib.expected_error.fit import LEVEL, PLACE, KnownErrors, fit, in_units
from UncertainRegLib.expected_error.model import ErrorModel, Factors, shipped

MODEL = ErrorModel(
    {"gap": 0.5, "strain": 0.25},
    {"squeeze": 2.0, "gap": 0.1},
    0.3,
    2.0,
    Factors(3.0, 2.0, 1.0, 1.5),
    (0.2, 1.0),
    "invented pairs.",
    ("demons + deform",),
)


def test_the_level_is_of_the_means_and_the_place_of_the_distance_from_them():
    cues = {"gap": np.array([1.0, -1.0]), "squeeze": np.array([0.5, 0.1]), "unlike": np.ones(2)}
    means = {"gap": 0.6, "strain": -0.4, "squeeze": 0.2, "unlike": 5.0}
    level = 0.3 + 0.5 * 0.6 + 0.25 * -0.4
    by_hand = np.exp(level + np.array([2.0 * 0.3 + 0.1 * 0.4, 2.0 * -0.1 + 0.1 * -1.6]))
    assert MODEL.across_mm(cues, means, 1.0) == pytest.approx(by_hand, rel=1e-5)
    across = MODEL.across_mm(cues, means, 2.5)
    assert across == pytest.approx(2.5 * by_hand, rel=1e-5)
    assert MODEL.length_mm(across) == pytest.approx(5.0 * by_hand, rel=1e-5)


def test_a_model_is_read_as_it_was_written(tmp_path):
    MODEL.write(tmp_path / "model.json")
    assert ErrorModel.read(tmp_path / "model.json") == MODEL


@pytest.mark.parametrize("text", ["{}", "[]", "nonsense", '{"factors": {"boundary": 1}}'])
def test_another_file_is_no_model(tmp_path, text):
    (tmp_path / "model.json").write_text(text, "utf-8")
    with pytest.raises(ValueError, match="no model of the expected error"):
        ErrorModel.read(tmp_path / "model.json")


def test_the_shipped_model_says_what_it_was_fitted_on():
    model = shipped()
    assert min(*model.level.values(), *model.place.values()) >= 0
    assert set(model.level) == set(LEVEL) and set(model.place) == set(PLACE)
    assert model.fitted_on.endswith(".")
    assert all(np.isfinite(list(vars(model.factors).values())))


def simulated_pairs(count, seed, is_simulated=False, points=1500):
    """Pairs whose errors are normal, with a standard deviation that their cues decide: their level
    by one, their place by another."""
    generator = np.random.default_rng(seed)
    pairs = []
    for number in range(count):
        voxel = generator.uniform(0.8, 2.0)
        level = generator.normal(0.0, 0.5)
        cues = {name: level + generator.normal(0.0, 0.6, points) for name in (*LEVEL, *PLACE)}
        cues["gap"] = np.full(points, level)  # the same all over the pair
        means = {name: values.mean() for name, values in cues.items()}
        place = cues["unlike_in_detail"] - means["unlike_in_detail"]
        sigma = voxel * np.exp(0.7 * means["gap"] + 0.3 * place)
        vectors = generator.normal(size=(points, 3)) * sigma[:, None]
        length = np.linalg.norm(vectors, axis=1)
        boundaries = np.array_split(np.arange(points), 3)
        mean = np.array([sigma[chosen].mean() for chosen in boundaries])
        volumes = np.full((3, 2), 20.0)
        volumes[:, 0] += generator.normal(size=3) * mean
        pairs.append(
            KnownErrors(
                frozenset({f"{seed}-{number}"}),
                voxel,
                cues,
                means,
                vectors[:, 0],
                length if is_simulated else np.full(points, np.nan),
                volumes,
                np.ones(3),
                np.abs(generator.normal(size=3)) * mean,
                is_simulated,
                boundaries,
            )
        )
    return pairs


@pytest.fixture(scope="module")
def fitted():
    return fit(simulated_pairs(16, 1) + simulated_pairs(3, 2, True), "simulated pairs.", "a + b")


def test_a_fit_finds_the_law_of_the_errors(fitted):
    assert fitted.level["gap"] == pytest.approx(0.7, abs=0.07)
    assert sum(weight for name, weight in fitted.level.items() if name != "gap") < 0.1
    assert fitted.place["unlike_in_detail"] == pytest.approx(0.3, abs=0.03)
    assert sum(w for name, w in fitted.place.items() if name != "unlike_in_detail") < 0.05
    # E|x| of a normal distribution, and what a length in three dimensions is of it
    assert np.exp(fitted.intercept) == pytest.approx(np.sqrt(2 / np.pi), rel=0.1)
    assert fitted.longer == pytest.approx(2.0, rel=0.03)
    assert fitted.factors.boundary == pytest.approx(1.96 * np.sqrt(np.pi / 2), rel=0.03)
    assert fitted.factors.point == pytest.approx(2.795 / 1.596, rel=0.05)


def test_its_bounds_hold_on_other_pairs(fitted):
    units = [in_units(pair, fitted) for pair in simulated_pairs(12, 3, True)]
    for kind in ("boundary", "point"):
        ratios = np.concatenate([one[kind] for one in units])
        assert (ratios <= getattr(fitted.factors, kind)).mean() == pytest.approx(0.95, abs=0.015)
    ratios = np.concatenate([one["volume"] for one in units])
    assert (ratios <= fitted.factors.volume).mean() >= 0.85


def test_a_cue_that_seems_to_promise_less_error_counts_nothing():
    pairs = simulated_pairs(8, 4)
    for pair in pairs:
        pair.cues["squeeze"][:] = -pair.cues["unlike_in_detail"]
        pair.means["squeeze"] = pair.cues["squeeze"].mean()
        pair.cues["unlike_in_detail"][:] = pair.means["unlike_in_detail"] = 0.0
    found = fit(pairs + simulated_pairs(1, 5, True), "pairs.", "a + b")
    assert found.place["squeeze"] == 0.0


def test_a_pair_with_many_points_counts_no_more_than_one_with_few():
    """Every point of three pairs four times over changes nothing."""
    pairs, twins = simulated_pairs(6, 6), simulated_pairs(1, 8, True)
    once = fit(pairs + twins, "pairs.", "a + b")
    heavier = [
        replace(
            pair,
            cues={name: np.tile(values, 4) for name, values in pair.cues.items()},
            across_mm=np.tile(pair.across_mm, 4),
            length_mm=np.tile(pair.length_mm, 4),
        )
        for pair in pairs[:3]
    ]
    again = fit(heavier + pairs[3:] + twins, "pairs.", "a + b")
    assert again.intercept == pytest.approx(once.intercept, abs=0.01)
    assert again.place["unlike_in_detail"] == pytest.approx(
        once.place["unlike_in_detail"], abs=0.01
    )
    assert again.factors.boundary == pytest.approx(once.factors.boundary, rel=0.01)


def test_too_few_pairs_are_refused():
    with pytest.raises(ValueError, match="2 real and 0 simulated pairs are too few"):
        fit(simulated_pairs(2, 1), "pairs.", "a + b")
