"""Perturbed images in one pass of a network give what each gives alone."""

import numpy as np
import pytest

from support.phantoms import textured
from UncertainRegLib.backbones.facts import Facts
from UncertainRegLib.backbones.failures import TooManyFailedError
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import Grid, identity
from UncertainRegLib.perturbations import Translation
from UncertainRegLib.samplers import Equivariance, equivariance, in_one_pass
from UncertainRegLib.samplers.in_one_pass import Passes, batch_size

GRID = Grid.from_spacing((12, 13, 14), (2.0, 2.0, 2.0))


class Together(Backbone):
    """Answers nothing, fails where the perturbed image is dark, and keeps the size of each pass."""

    facts = Facts("together", "Together")
    in_one_pass = True

    def __init__(self, dark=-1.0, room=99):
        self.dark, self.room, self.passes = dark, room, []

    def register(self, fixed, moving):
        """Identity."""
        return self.register_many(fixed, [moving])[0]

    def register_many(self, fixed, moving):
        """Identities, if there is room for so many."""
        self.passes.append(len(moving))
        if len(moving) > self.room:
            raise RuntimeError("CUDA out of memory")
        if any(float(one.array[:6].mean()) < self.dark for one in moving):
            raise ValueError("too dark")
        return [identity(fixed.grid) for _ in moving]


@pytest.fixture
def room(monkeypatch):
    """Sets how many images a pass may have."""
    return lambda size: monkeypatch.setattr(equivariance, "batch_size", lambda device: size)


def drawn(backbone, n=7):
    images, sampler = (
        (textured(GRID, 1), textured(GRID, 2)),
        Equivariance(backbone, Translation(0.2)),
    )
    return list(sampler.sample(*images, n, np.random.default_rng(3)))


def test_a_pass_has_as_many_images_as_there_is_room_for_and_none_too_many(room):
    for size, passes in ((1, [1] * 7), (3, [3, 3, 1]), (8, [7])):
        room(size)
        backbone = Together()
        assert len(drawn(backbone)) == 7
        assert backbone.passes == passes


def test_the_samples_are_the_same(room):
    found = []
    for size in (1, 4):
        room(size)
        found.append(drawn(Together()))
    for alone, together in zip(*found):
        assert alone.facts["shift_mm"] == together.facts["shift_mm"]
        np.testing.assert_array_equal(alone.field.vectors, together.field.vectors)


def test_failures_are_those_of_their_own_image(room):
    """A pass that fails is repeated in halves, so that one image spoils no other."""
    found = []
    for size in (1, 4):
        room(size)
        samples = drawn(Together(dark=8.0), 12)
        found.append([(s.group, s.facts["shift_mm"], s.of_all["failed"]) for s in samples])
    alone, together = found
    assert [one[:2] for one in alone] == [one[:2] for one in together]
    assert alone[-1] == together[-1] and alone[-1][2]["count"] > 0
    with pytest.raises(TooManyFailedError, match="too dark"):
        drawn(Together(dark=99.0))


def test_a_pass_that_lacks_memory_becomes_smaller(room):
    room(8)
    backbone = Together(room=2)
    assert len(drawn(backbone, 12)) == 12
    assert backbone.passes == [8, 4, 2, 2, 4, 2, 2, 2, 2]
    with pytest.raises(RuntimeError, match="out of memory"):  # the run goes on elsewhere
        drawn(Together(room=0))


def test_a_stochastic_network_draws_for_one_after_the_other(room):
    room(4)
    backbone = Together()
    backbone.facts = Facts("together", "Together", stochastic=True)
    drawn(backbone, 4)
    assert backbone.passes == [1] * 4


def test_an_error_of_the_program_is_no_failure():
    passes = Passes(2)

    def wrong(things):
        raise TypeError("a fault")

    result = passes.begin(wrong, 1)
    with pytest.raises(TypeError, match="a fault"):
        result()


@pytest.mark.parametrize("fits, size", [(0.3, 1), (2.0, 1), (7.0, 3), (99.0, 8)])
def test_half_of_the_free_memory_is_used(monkeypatch, fits, size):
    monkeypatch.setattr(in_one_pass, "times_in_free_memory", lambda device: fits)
    assert batch_size("cuda") == size


def test_on_a_cpu_images_come_alone():
    assert batch_size("cpu") == 1
