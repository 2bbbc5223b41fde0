"""Stochastic backbones: repeated draws, and spread and jitter told apart in whole runs."""

import numpy as np
import pytest

from support.phantoms import GRID_PAIRS, textured
from UncertainRegLib.backbones.facts import Facts
from UncertainRegLib.backbones.transmorph import TransMorphBayes
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import DisplacementField
from UncertainRegLib.jobs.inputs import Inputs
from UncertainRegLib.jobs.products import maps
from UncertainRegLib.jobs.summary import Summary
from UncertainRegLib.perturbations import Translation
from UncertainRegLib.samplers import Dropout, Equivariance, create_sampler

GRID = GRID_PAIRS["identity"][0]


class Noisy(Backbone):
    """A registration that answers a known shift plus independent noise, whatever it is shown."""

    facts = Facts("noisy", "Noisy", stochastic=True)

    def __init__(self, sd_mm=(0.5, 0.3, 0.0)):
        self.sd = np.array(sd_mm)
        self.generator = np.random.default_rng(3)

    def register(self, fixed, moving):
        """One draw: noise that is independent in every voxel."""
        noise = self.generator.normal(size=(*GRID.shape, 3)) * self.sd
        return DisplacementField((noise + [1.0, 0, 0]).astype(np.float32), GRID)


def summary_of(sampler, n, parts=None):
    image = textured(GRID)
    summary = Summary(
        Inputs(image, image),
        next(sampler.sample(image, image, 1, np.random.default_rng(0))).field,
        parts,
    )
    for sample in sampler.sample(image, image, n, np.random.default_rng(1)):
        summary.add(sample)
    return maps(summary)


def test_repeated_draws_have_the_spread_of_the_backbone():
    u = summary_of(Dropout(Noisy()), 24)["uncertainty_mm"]
    assert np.sqrt((u**2).mean()) == pytest.approx(np.sqrt(0.34 * 23 / 24), rel=0.01)


def test_a_deterministic_backbone_is_refused():
    class Quiet(Noisy):
        facts = Facts("quiet", "Quiet")

    with pytest.raises(ValueError, match="same answer every time"):
        create_sampler("mc-dropout", Quiet(), "deform", {})


def test_spread_and_jitter_of_a_blind_noisy_backbone():
    """Spread is the known noise; jitter the known variance of the shifts, without the noise."""
    sampler = Equivariance(Noisy(), Translation(0.02), 4)
    maps = summary_of(sampler, 48, sampler.parts)
    spread2 = (maps["spread_mm"] ** 2).mean()
    assert spread2 == pytest.approx(0.34, rel=0.02)
    shifts = [
        Translation(0.02).draw(GRID, generator).facts["shift_mm"]
        for generator in [np.random.default_rng(1)]
        for _ in range(12)
    ]
    jitter2 = (maps["jitter_mm"] ** 2).mean()
    assert jitter2 == pytest.approx(np.var(shifts, axis=0).sum(), rel=0.1)
    total2 = (maps["uncertainty_mm"] ** 2).mean()
    assert total2 > jitter2


def test_registry_nests_stochastic_backbones():
    sampler = create_sampler("equivariance", Noisy(), "translation", {})
    assert sampler.draws_per_perturbation == 2
    assert isinstance(create_sampler("mc-dropout", Noisy(), "translation", {}), Dropout)


def test_without_dropout_a_network_is_asked_once():
    """The "static" variant of Tian et al.: 50 samples are 50 perturbations."""
    static = TransMorphBayes(rate=0.0)
    assert create_sampler("equivariance", static, "translation", {}).draws_per_perturbation == 1
    with pytest.raises(ValueError, match="the same answer every time"):
        create_sampler("mc-dropout", static, "translation", {})
    drawing = TransMorphBayes()
    assert create_sampler("equivariance", drawing, "translation", {}).draws_per_perturbation == 2
