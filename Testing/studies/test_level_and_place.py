"""The trial of a level and a place is what `truth_results.md` says of it."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from UncertainRegLib.expected_error.model import shipped
from UncertainRegLib.studies.truth import DEVELOPMENT, Pair


@pytest.fixture(scope="module")
def trial():
    file = Path(__file__).parents[1] / "benchmarks" / "level_and_place.py"
    spec = spec_from_file_location("level_and_place", file)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(trial, number: int, level: float, place: float) -> dict:
    """A pair whose error is known: exp(0.3 + level · mean + place · (cue − mean)) voxels."""
    generator = np.random.default_rng(number)
    one = {"voxel_mm": 2.0, "is_point": False}
    for name in {*trial.PLACE, *shipped().weights}:
        one[f"mean:{name}"] = generator.normal()
        one[f"at:{name}"] = one[f"mean:{name}"] + generator.normal(size=300)
    mean, cue = (one[f"{part}:{trial.DETAIL}"] for part in ("mean", "at"))
    return one | {"errors": np.exp(0.3 + level * mean + place * (cue - mean))}


def test_what_tells_pairs_apart_and_what_ranks_within_one_get_weights_of_their_own(
    trial, monkeypatch
):
    monkeypatch.setattr(trial, "RIDGE", 0.0)
    intercept, weights = trial.fitted([made(trial, n, level=1.0, place=0.4) for n in range(12)])
    assert [intercept, *weights] == pytest.approx([0.3, 1.0, 0.4, 0.0, 0.0], abs=0.01)


def test_the_level_of_the_product_is_held_and_the_place_is_of_the_trial(trial):
    one = made(trial, 3, level=1.0, place=0.4)
    found = trial.expected(one, (9.0, np.array([5.0, 0.4, 0.0, 0.0])))
    model = shipped()
    logarithm = model.intercept + sum(w * one[f"mean:{n}"] for n, w in model.weights.items())
    above = one[f"at:{trial.DETAIL}"] - one[f"mean:{trial.DETAIL}"]
    np.testing.assert_allclose(found[trial.BOTH], np.exp(logarithm + 0.4 * above))
    level = 9.0 + 5.0 * one[f"mean:{trial.DETAIL}"]
    np.testing.assert_allclose(found[trial.TRIAL], np.exp(level + 0.4 * above))


def test_the_expected_error_of_the_product_is_that_of_its_model(trial):
    one, model = made(trial, 4, level=1.0, place=0.4), shipped()
    cues = {name: np.exp(one[f"at:{name}"]) - floor for name, floor in model.floors.items()}
    found = 2.0 * trial.expected(one, (0.0, np.zeros(4)))[trial.PRODUCT]
    np.testing.assert_allclose(found, model.across_mm(cues, 2.0), rtol=1e-5)


def test_a_development_pair_is_judged_by_a_fit_without_its_people(trial):
    def pair(number: int, people: tuple[str, str]) -> Pair:
        return Pair(f"{number}", people, DEVELOPMENT, "made", {}, False)

    pairs = {pair(n, (f"{n}", f"{n}b")): made(trial, n, level=1.0, place=0.4) for n in range(6)}
    other = {**pairs, pair(6, ("6", "6b")): made(trial, 6, level=1.0, place=-3.0)}
    same = {**pairs, pair(6, ("5", "6b")): made(trial, 6, level=1.0, place=-3.0)}

    def ranking(found: list[dict], name: str) -> float:
        return next(r["naurc"] for r in found if (r["pair"], r["map"]) == (name, trial.TRIAL))

    # The pair that is upside down spoils the fits to others, but not to those of its own people.
    alone, spoiled, spared = (ranking(trial.judged(p), "5") for p in (pairs, other, same))
    assert spared == pytest.approx(alone)
    assert spoiled > alone + 0.01
