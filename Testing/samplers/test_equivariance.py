"""The equivariance sampler against analytic truth."""

import numpy as np
import pytest

from support.phantoms import GRID_PAIRS, blob, smooth_field
from UncertainRegLib.backbones.facts import Facts
from UncertainRegLib.backbones.known_field import KnownField
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import DisplacementField, Grid, identity
from UncertainRegLib.perturbations import Scale, Translation, family
from UncertainRegLib.posterior.maps import uncertainty
from UncertainRegLib.posterior.moments import Moments
from UncertainRegLib.samplers import Equivariance, create_sampler

FIXED, MOVING = GRID_PAIRS["left-handed"]


def u_of(samples):
    moments = Moments()
    for sample in samples:
        moments.add(sample.field.vectors.astype(np.float64))
    return uncertainty(moments.covariance)


def rng(seed=1):
    return np.random.default_rng(seed)


def known():
    backbone = KnownField(smooth_field(FIXED))
    image = blob(MOVING, MOVING.center + [2, 1, -1], 3.0)
    return backbone, backbone.prepare(blob(FIXED, FIXED.center, 3.0), image)


def test_plus_and_minus_three_millimetres_disagree_by_three():
    """Norm first, variance later would give 0."""
    grid = Grid.from_spacing((4, 4, 4))
    moments = Moments()
    for sign in (3.0, -3.0):
        vectors = np.zeros((*grid.shape, 3), np.float32)
        vectors[..., 1] = sign
        moments.add(vectors)
    assert np.allclose(uncertainty(moments.covariance), 3.0, atol=1e-6)


def test_a_translation_equivariant_registration_agrees_with_itself():
    backbone, pair = known()
    sampler = Equivariance(backbone, Translation(0.05))
    assert u_of(sampler.sample(*pair, 12, rng())).max() < 1e-4


def test_the_same_registration_is_not_equivariant_to_scale():
    backbone, pair = known()
    assert u_of(Equivariance(backbone, Scale()).sample(*pair, 12, rng())).max() > 0.5


class Stubborn(Backbone):
    """Always answers "no displacement", whatever it is shown."""

    facts = Facts("stubborn", "Stubborn")

    def register(self, fixed, moving):
        """Identity."""
        return identity(fixed.grid)


def test_a_blind_registration_shows_the_spread_of_the_perturbations():
    """g = tau for phi = identity, so u is the standard deviation of the drawn shifts."""
    _, (fixed, moving) = known()
    samples = list(Equivariance(Stubborn(), Translation(0.05)).sample(fixed, moving, 40, rng()))
    shifts = np.array([s.facts["shift_mm"] for s in samples])
    expected = np.sqrt(shifts.var(0).sum())
    assert np.allclose(u_of(samples), expected, rtol=1e-4)


def test_samples_say_whether_the_answer_changed_with_the_perturbation():
    backbone, pair = known()
    for each, followed in ((Stubborn(), False), (backbone, True)):
        samples = list(Equivariance(each, Translation(0.05)).sample(*pair, 6, rng()))
        changed = [s.facts["changed_mm"] for s in samples]
        assert changed[0] == 0 and (max(changed) > 0.5) == followed


@pytest.mark.parametrize("name", ["translation", "scale", "deform"])
def test_samples_do_not_depend_on_how_many_follow(name):
    backbone, pair = known()
    few = [s.field.vectors for s in Equivariance(backbone, family(name)).sample(*pair, 2, rng(5))]
    many = [s.field.vectors for s in Equivariance(backbone, family(name)).sample(*pair, 4, rng(5))]
    assert all(np.array_equal(a, b) for a, b in zip(few, many))


def test_nested_draws_share_their_perturbation():
    backbone, pair = known()
    samples = list(Equivariance(backbone, Scale(), 3).sample(*pair, 7, rng()))
    assert [s.group for s in samples] == [0, 0, 0, 1, 1, 1, 2]
    assert samples[0].facts["factors"] == samples[2].facts["factors"]
    assert samples[0].facts["factors"] != samples[3].facts["factors"]


def test_unknown_method_and_settings():
    with pytest.raises(ValueError, match="choose one of equivariance"):
        create_sampler("magic", Stubborn(), "scale", {})
    with pytest.raises(ValueError, match="no setting speed; it has draws"):
        create_sampler("equivariance", Stubborn(), "scale", {"method": {"speed": 2}})


def test_sample_field_is_in_the_original_moving_space():
    """tau∘phi, not phi: a registration of the perturbed image is undone."""
    backbone, pair = known()
    sample = next(Equivariance(backbone, Translation(0.05)).sample(*pair, 1, rng()))
    assert isinstance(sample.field, DisplacementField)
    assert np.allclose(sample.field.vectors, smooth_field(FIXED).vectors, atol=1e-3)
