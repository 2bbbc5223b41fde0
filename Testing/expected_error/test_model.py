"""The model of the expected error: what it computes, how it is fitted, that its bounds hold."""

import numpy as np
import pytest

from UncertainRegLib.expected_error.fit import FLOORS, KnownErrors, fit, in_units
from UncertainRegLib.expected_error.model import ErrorModel, Factors, shipped

MODEL = ErrorModel(
    {"gap": 0.5, "offset": 0.25},
    {"gap": 0.05, "offset": 0.1},
    0.3,
    2.0,
    Factors(3.0, 2.0, 1.0, 1.5),
    (0.2, 1.0),
    "invented pairs.",
    ("demons + deform",),
)


def test_the_expectation_is_a_product_of_powers_in_voxels():
    cues = {"gap": np.array([0.95, 0.0]), "offset": np.array([0.9, 0.2]), "unlike": np.ones(2)}
    by_hand = np.exp(0.3) * np.array([1.0, 0.05**0.5 * 0.3**0.25])
    assert MODEL.across_mm(cues, 1.0) == pytest.approx(by_hand, rel=1e-5)
    assert MODEL.across_mm(cues, 2.5) == pytest.approx(2.5 * by_hand, rel=1e-5)
    assert MODEL.length_mm(MODEL.across_mm(cues, 2.5)) == pytest.approx(5.0 * by_hand, rel=1e-5)


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
    assert model.weights and min(model.weights.values()) > 0
    assert set(model.weights) <= set(FLOORS) and model.fitted_on.endswith(".")
    assert all(np.isfinite(list(vars(model.factors).values())))


def simulated_pairs(count, seed, is_simulated=False, points=1500):
    """Pairs whose errors are normal, with a standard deviation that their cues decide."""
    generator = np.random.default_rng(seed)
    pairs = []
    for number in range(count):
        voxel = generator.uniform(0.8, 2.0)
        level = generator.normal(0.0, 0.5)
        cues = {
            name: np.exp(level + generator.normal(0.0, 0.6, points)) * floor * 5
            for name, floor in FLOORS.items()
        }
        sigma = voxel * (cues["gap"] + FLOORS["gap"]) ** 0.7
        sigma = sigma * (cues["unlike"] + FLOORS["unlike"]) ** 0.3
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
    assert fitted.weights["gap"] == pytest.approx(0.7, abs=0.05)
    assert fitted.weights["unlike"] == pytest.approx(0.3, abs=0.05)
    others = [weight for name, weight in fitted.weights.items() if name not in ("gap", "unlike")]
    assert sum(others) < 0.05
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
        pair.cues["strain"][:] = 1.0 / pair.cues["gap"]
        pair.cues["gap"][:] = 1.0
    found = fit(pairs + simulated_pairs(1, 5, True), "pairs.", "a + b")
    assert found.weights.get("strain", 0.0) == 0.0


def test_a_pair_with_many_points_counts_no_more_than_one_with_few():
    many, few = simulated_pairs(3, 6, points=6000), simulated_pairs(3, 7, points=300)
    for pair in few:
        pair.across_mm[:] *= 3.0
    twins = simulated_pairs(1, 8, True)
    once = fit(many + few + twins, "pairs.", "a + b")
    heavier = simulated_pairs(3, 6, points=12000)
    again = fit(heavier + few + twins, "pairs.", "a + b")
    assert np.exp(again.intercept - once.intercept) == pytest.approx(1.0, abs=0.15)


def test_too_few_pairs_are_refused():
    with pytest.raises(ValueError, match="2 real and 0 simulated pairs are too few"):
        fit(simulated_pairs(2, 1), "pairs.", "a + b")
