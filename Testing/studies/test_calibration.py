"""Self-calibration of one pair: amplitude, factor, check, refusal."""

from __future__ import annotations

import numpy as np
import pytest

from support.phantoms import smooth_field, textured
from UncertainRegLib import backbones
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import (
    DisplacementField,
    Grid,
    Image,
    folding_fraction,
    identity,
    warp,
)
from UncertainRegLib.geometry.foreground import patient
from UncertainRegLib.metrics.calibration import bound_coverage
from UncertainRegLib.perturbations import LinearMap
from UncertainRegLib.samplers import create_sampler
from UncertainRegLib.studies import calibration
from UncertainRegLib.studies.calibration import (
    calibrate,
    matched_truth,
    missing_mm,
    nonaffine_mm,
    registrations,
)
from UncertainRegLib.studies.disagreement import disagreement
from UncertainRegLib.studies.simulate import deformed, error_mm

GRID = Grid.from_spacing((24, 28, 32), (1.5, 1.5, 1.5))


def test_an_affine_field_has_no_nonaffine_part():
    matrix = np.array([[1.1, 0.05, 0], [0, 0.9, 0], [0.02, 0, 1]])
    tau = LinearMap(matrix, np.array([5.0, -3.0, 2.0]), {})
    everywhere = np.ones(GRID.shape, bool)
    affine = tau.field(GRID)
    assert nonaffine_mm(affine, everywhere) == pytest.approx(0, abs=1e-3)
    bent = smooth_field(GRID, 2.0)
    both = DisplacementField(affine.vectors + bent.vectors, GRID)
    assert nonaffine_mm(both, everywhere) == pytest.approx(nonaffine_mm(bent, everywhere), rel=1e-3)
    assert nonaffine_mm(bent, everywhere) > 0.3


@pytest.mark.parametrize("amplitude", [0.8, 1.4])
def test_simulated_deformations_are_as_large_as_asked_and_do_not_fold(amplitude):
    image = textured(GRID)
    field = matched_truth(image, amplitude, np.random.default_rng(2))
    assert nonaffine_mm(field, patient(image)) == pytest.approx(amplitude, rel=0.1)
    assert folding_fraction(field) == 0


def test_small_amplitudes_are_at_least_half_a_voxel_and_large_ones_stay_fold_free():
    image = textured(GRID)
    small = matched_truth(image, 0.0, np.random.default_rng(2))
    assert nonaffine_mm(small, patient(image)) == pytest.approx(0.75, rel=0.02)
    large = matched_truth(image, 50.0, np.random.default_rng(2))
    assert 1 < nonaffine_mm(large, patient(image)) < 10
    assert folding_fraction(large) == 0


def test_what_the_disagreement_lacks_of_the_error():
    u, error = np.full(1000, 3.0), np.full(1000, np.sqrt(9.0 + 3 * 2.0**2))
    assert missing_mm([(u, error), (u, error)]) == pytest.approx(2.0)
    assert missing_mm([(error, u)]) == 0.0


class Deaf(Backbone):
    """Answers "nothing moved" whatever it sees."""

    facts = backbones.Facts("deaf", "Deaf")

    def register(self, fixed, moving):
        return identity(fixed.grid)


def test_a_bound_is_refused_where_shifts_are_not_followed():
    image = textured(GRID)
    sampler = create_sampler("equivariance", Deaf(), "translation", {})
    steps = []
    found = calibrate(
        Deaf(), sampler, image, image, 4, 3, np.random.default_rng(0), lambda: steps.append(1)
    )
    assert found["factor"] is None and found["coverage_check"] is None
    assert found["refused"].startswith("Deaf follows only 0% of 1 mm")
    assert "No bound" not in found["refused"], "who shows the reason says so"
    assert found["competence"]["followed"] == {"1": 0.0, "4": 0.0, "10": 0.0}
    assert len(steps) == registrations(4, 0)


def test_a_bound_is_refused_for_two_contrasts():
    """All that is simulated has one: with the fixed image alone, demons would seem to do well."""
    fixed = textured(GRID)
    moving = warp(Image(fixed.array.max() - fixed.array, GRID), smooth_field(GRID, 1.0))
    backbone = backbones.create("demons", affine=False)
    sampler = create_sampler("equivariance", backbone, "deform", {})
    found = calibrate(backbone, sampler, fixed, moving, 2, 2, np.random.default_rng(1))
    assert "registers the fixed image with itself" in found["refused"]
    assert "the registered images " in found["refused"] and found["factor"] is None


def test_one_warp_cannot_be_checked():
    image = textured(GRID)
    sampler = create_sampler("equivariance", Deaf(), "translation", {})
    with pytest.raises(ValueError, match="at least 2"):
        calibrate(Deaf(), sampler, image, image, 4, 1, np.random.default_rng(0))


@pytest.mark.parametrize("known", [True, False])
def test_samples_that_agree_where_they_are_wrong_have_no_factor(monkeypatch, known):
    """Then only a result without an expected error is without a bound."""
    error = np.linspace(0.1, 2.0, 1000)
    scores = [[error / 1.25], [error / 2.5]] if known else [[], []]

    def simulated(*arguments):
        return (np.zeros(1000), error), 3.0, 0, scores.pop(0)

    monkeypatch.setattr(calibration, "_simulated", simulated)
    entry = {"samples": 4, "coverages": [], "factor": None, "refused": None, "warning": ""}
    entry |= {"wider": 1.0, "expected_within": None}
    nothing = lambda: None  # noqa: E731
    calibration._simulate(entry, None, None, None, 3.0, 2, np.random.default_rng(0), nothing)
    assert entry["factor"] is None and (entry["refused"] is None) is known
    assert entry["wider"] == pytest.approx(np.quantile(error, 0.95) / 1.25 if known else 1.0)
    within = (np.mean(error <= 1.25) + 1.0) / 2
    assert entry["expected_within"] == (pytest.approx(within) if known else None)


@pytest.mark.slow
def test_the_bound_covers_another_simulated_warp():
    backbone = backbones.create("demons", affine=True)
    sampler = create_sampler("equivariance", backbone, "deform", {})
    fixed = textured(GRID)
    moving = warp(textured(GRID, 0), smooth_field(GRID, 1.5))
    steps = []
    found = calibrate(
        backbone, sampler, fixed, moving, 6, 3, np.random.default_rng(3), lambda: steps.append(1)
    )
    assert found["refused"] is None and found["level"] == 0.95 and found["warps"] == 3
    assert len(steps) == registrations(6, 3)
    assert 0.85 <= found["coverage_check"] <= 0.99
    assert found["wider"] >= 1.0 and 0.5 < found["expected_within"] <= 1.0
    wanted = max(found["pair_amplitude_mm"], 0.75)  # half a voxel at least
    assert found["amplitude_mm"] == pytest.approx(wanted, rel=0.25)
    truth = matched_truth(fixed, found["amplitude_mm"], np.random.default_rng(77))
    image = deformed(fixed, truth)
    prepared = backbone.prepare(image, fixed)
    registration = backbone.register(*prepared)
    other = disagreement(sampler, *prepared, 6, np.random.default_rng(78))
    covered = bound_coverage(
        other.uncertainty_mm,
        error_mm(registration, truth),
        found["factor"],
        patient(image.resample(registration.grid)) & other.inside,
    )
    assert 0.85 <= covered <= 0.99
