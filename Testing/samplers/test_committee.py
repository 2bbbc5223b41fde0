"""A committee of registration methods: what is within its members and what is between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from support.phantoms import GRID_PAIRS, blob
from UncertainRegLib import backbones
from UncertainRegLib.backbones.facts import Facts
from UncertainRegLib.backbones.failures import TooManyFailedError
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import DisplacementField, identity
from UncertainRegLib.perturbations import Translation, family
from UncertainRegLib.posterior.maps import uncertainty
from UncertainRegLib.posterior.moments import NestedMoments
from UncertainRegLib.samplers import create_sampler
from UncertainRegLib.samplers.committee import Committee

FIXED, MOVING = GRID_PAIRS["left-handed"]
PAIR = (blob(FIXED, FIXED.center, 3.0), blob(MOVING, MOVING.center, 3.0))


def centre(image):
    """LPS mm, of its intensities."""
    weights = image.array.ravel()
    places = np.stack(np.unravel_index(np.arange(weights.size), image.array.shape)[::-1], axis=-1)
    return image.grid.to_world((weights[:, None] * places).sum(axis=0) / weights.sum())


@dataclass(frozen=True)
class Biased(Backbone):
    """Moves by the difference of the centres of mass, and always so much too far along x."""

    name: str = "first"
    bias_mm: float = 0.0
    blind: bool = False

    @property
    def facts(self):
        return Facts(self.name, self.name.capitalize())

    def register(self, fixed, moving):
        """A shift everywhere."""
        shift = np.zeros(3) if self.blind else centre(moving) - centre(fixed)
        vectors = identity(fixed.grid).vectors + shift + [self.bias_mm, 0, 0]
        return DisplacementField(vectors.astype(np.float32), fixed.grid)


def samples_of(*others, n=8, seed=1):
    committee = Committee(Biased(), Translation(0.05), others)
    return list(committee.sample(*PAIR, n, np.random.default_rng(seed)))


def parts_of(samples):
    moments = NestedMoments()
    for sample in samples:
        moments.add(sample.field.vectors.astype(np.float64), 0.0, sample.group)
    return moments.summary()


def test_a_bias_of_one_method_is_seen_between_the_methods_and_not_within():
    """Members 0 and 3 mm off: the covariance of their means is 1.5² mm², and follows a shift each."""
    parts = parts_of(samples_of(Biased("second", 3.0)))
    assert uncertainty(parts.jitter).mean() == pytest.approx(1.5, abs=0.05)
    assert uncertainty(parts.spread).max() < 0.1
    assert np.allclose(parts.total, parts.jitter + parts.spread, atol=0.02)


def test_members_take_turns_with_the_same_perturbations():
    samples = samples_of(Biased("second", 3.0), n=7)
    assert [s.facts["member"] for s in samples] == ["first"] * 2 + ["second"] * 2 + [
        "first",
        "first",
        "second",
    ]
    assert [s.group for s in samples] == [0, 0, 1, 1, 2, 2, 3]
    assert samples[0].facts["shift_mm"] == samples[2].facts["shift_mm"]
    assert samples[-1].of_all == {
        "members": ["first", "second"],
        "left_out": {},
        "failed": {"count": 0, "reasons": {}},
    }


def test_the_samples_depend_on_the_seed_alone():
    once, again, other = (
        samples_of(Biased("second", 3.0), n=4, seed=s)[3].field.vectors for s in (1, 1, 2)
    )
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


class Broken(Biased):
    def register(self, fixed, moving):
        raise ValueError("No overlap.")


def test_a_member_that_follows_no_shift_or_fails_leaves_with_the_reason():
    samples = samples_of(Biased("blind", blind=True), Broken("broken"), Biased("second", 1.0), n=4)
    of_all = samples[0].of_all
    assert of_all["members"] == ["first", "second"]
    assert "follows only 0% of 4 mm" in of_all["left_out"]["blind"]
    assert of_all["left_out"]["broken"] == "No overlap."


def test_a_member_with_a_grid_of_its_own_answers_on_that_of_the_first():
    class Coarse(Biased):
        def prepare(self, fixed, moving):
            return fixed.resample(fixed.grid.at_spacing(3.0)), moving

    samples = samples_of(Coarse("second", 3.0))
    assert all(sample.field.grid == FIXED for sample in samples)
    assert uncertainty(parts_of(samples).jitter).mean() == pytest.approx(1.5, abs=0.05)


def test_settings_name_the_members():
    demons = backbones.create("demons")
    sampler = create_sampler("committee", demons, "deform", {"method": {"members": "bspline"}})
    assert [one.facts.name for one in sampler.others] == ["bspline"]
    for members, said in (("demons", "one already"), ("nobody", "Unknown backbone")):
        with pytest.raises(ValueError, match=said):
            create_sampler("committee", demons, "deform", {"method": {"members": members}})
    assert create_sampler("committee", demons, "deform", {}).others
    for members, said in (
        ("bspline, bspline", "bspline is one already"),
        (["bspline"], "give their names in one text, separated by commas"),
        (None, "members is None"),
    ):
        with pytest.raises(ValueError, match=said):
            create_sampler("committee", demons, "deform", {"method": {"members": members}})


def test_images_that_need_no_alignment_need_it_for_no_member():
    for affine in (True, False):
        demons = backbones.create("demons", affine=affine)
        sampler = create_sampler("committee", demons, "deform", {"method": {"members": "bspline"}})
        assert sampler.others[0].affine is affine


def test_a_stochastic_member_sees_the_same_perturbations():
    class Stochastic(Biased):
        @property
        def facts(self):
            return Facts(self.name, self.name, stochastic=True)

        def __setattr__(self, name, value):  # what it draws from, see `reseed`
            object.__setattr__(self, name, value)

    samples = samples_of(Stochastic("second", 3.0), n=4)
    assert samples[0].facts["shift_mm"] == samples[2].facts["shift_mm"]


def test_a_member_that_fails_later_is_named():
    asked = []

    class Tired(Biased):
        def register(self, fixed, moving):
            asked.append(1)
            if len(asked) > 2:
                raise ValueError("No overlap.")
            return super().register(fixed, moving)

    with pytest.raises(TooManyFailedError, match=r"^tired, of the committee, cannot go on: 4 of 4"):
        samples_of(Tired("tired"))


def test_it_is_listed_with_its_perturbation():
    assert Committee.perturbs({})
    assert Committee(Biased(), family("deform")).expected_seconds(4, 2.0) == 8.0


def test_without_further_packages_each_method_finds_another(monkeypatch):
    monkeypatch.setattr("UncertainRegLib.samplers.committee.PREFERRED", ())
    for name, other in (("demons", "bspline"), ("bspline", "demons")):
        sampler = create_sampler("committee", backbones.create(name), "deform", {})
        assert [one.facts.name for one in sampler.others] == [other]
