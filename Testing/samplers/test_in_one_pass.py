"""Perturbed images in one pass of a network give what each gives alone."""

import gc
import weakref

import numpy as np
import pytest

from support.phantoms import textured
from UncertainRegLib.backbones.facts import Facts
from UncertainRegLib.backbones.failures import TooManyFailedError
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import DisplacementField, Grid, identity
from UncertainRegLib.perturbations import Translation
from UncertainRegLib.samplers import Equivariance, equivariance, in_one_pass
from UncertainRegLib.samplers.in_one_pass import Passes, registers_many

GRID = Grid.from_spacing((12, 13, 14), (2.0, 2.0, 2.0))


class Together(Backbone):
    """Answers nothing, or nothing finite where the perturbed image is dark, and keeps the size of
    each pass."""

    facts = Facts("together", "Together")

    def __init__(self, dark=-1.0, room=99, fails=False):
        self.dark, self.room, self.fails, self.passes = dark, room, fails, []

    def register(self, fixed, moving):
        """Identity."""
        return self.register_many(fixed, [moving])[0]

    def register_many(self, fixed, moving):
        """Identities, if there is room for so many."""
        self.passes.append(len(moving))
        if len(moving) > self.room:
            raise RuntimeError("CUDA out of memory")
        dark = [float(one.array[:6].mean()) < self.dark for one in moving]
        if self.fails and any(dark):
            raise ValueError("too dark")
        field = identity(fixed.grid)
        return [
            DisplacementField(field.vectors + np.float32(np.nan), GRID) if it else field
            for it in dark
        ]


@pytest.fixture
def room(monkeypatch):
    """Sets how many images a pass may have, from the second on."""
    monkeypatch.setattr(equivariance, "pays_on", lambda device: True)
    return lambda size: monkeypatch.setattr(
        in_one_pass, "times_in_free_memory", lambda device: size / in_one_pass.SHARE
    )


def drawn(backbone, n=7, **settings):
    images = textured(GRID, 1), textured(GRID, 2)
    sampler = Equivariance(backbone, Translation(0.2), **settings)
    return list(sampler.sample(*images, n, np.random.default_rng(3)))


def test_a_pass_has_as_many_images_as_there_is_room_for_and_none_too_many(room):
    for size, passes in (
        (0.3, [1] * 7),
        (1, [1] * 7),
        (3, [1, 3, 3]),
        (4, [1, 4, 2]),
        (99, [1, 6]),
    ):
        room(size)
        backbone = Together()
        assert len(drawn(backbone)) == 7
        assert backbone.passes == passes
    room(99)
    backbone = Together()
    drawn(backbone, 20)
    assert backbone.passes == [1, 8, 8, 3]


def test_each_sampling_finds_out_anew_how_much_there_is_room_for(room, monkeypatch):
    """The peak of memory is that of an image, and not of the pass of a sampling before."""
    room(4)
    forgotten = []
    monkeypatch.setattr(in_one_pass, "forget_peak_on", forgotten.append)
    backbone = Together()
    drawn(backbone)
    drawn(backbone)
    assert backbone.passes == [1, 4, 2] * 2
    assert forgotten == ["cpu"] * 2


def test_the_samples_are_the_same(room):
    found = []
    for size in (1, 4):
        room(size)
        found.append(drawn(Together()))
    for alone, together in zip(*found, strict=True):
        assert alone.facts["shift_mm"] == together.facts["shift_mm"]
        np.testing.assert_array_equal(alone.field.vectors, together.field.vectors)


@pytest.mark.parametrize("fails", [True, False], ids=["raises", "diverges"])
@pytest.mark.parametrize("draws", [1, 2])
def test_failures_are_those_of_their_own_image(room, fails, draws):
    found = []
    for size in (1, 4):
        room(size)
        backbone = Together(8.0, fails=fails)
        samples = drawn(backbone, 25, draws_per_perturbation=draws)
        found.append([(s.group, s.facts["shift_mm"], s.of_all["failed"]) for s in samples])
    alone, together = found
    assert alone == together and alone[-1][2]["count"] > 0
    with pytest.raises(TooManyFailedError):
        drawn(Together(99.0, fails=fails))


def test_an_image_that_diverges_costs_the_others_nothing(room):
    room(4)
    backbone = Together(8.0)
    (*_, last) = drawn(backbone, 12)
    assert sum(backbone.passes) <= 12 + last.of_all["failed"]["count"]


def test_a_pass_that_fails_becomes_smaller(room):
    room(8)
    backbone = Together(room=2)
    assert len(drawn(backbone, 13)) == 13
    assert backbone.passes == [1, 8, 4, 2, 2, 4, 2, 2, 2, 2]
    with pytest.raises(RuntimeError, match="out of memory"):  # the run goes on elsewhere
        drawn(Together(room=0))


def test_a_stochastic_network_draws_for_one_after_the_other(room):
    room(4)
    backbone = Together()
    backbone.facts = Facts("together", "Together", stochastic=True)
    drawn(backbone, 4)
    assert backbone.passes == [1] * 4
    backbone = Together()
    drawn(backbone, 4, at_once=False)
    assert backbone.passes == [1] * 4


def test_who_registers_in_a_way_of_its_own_is_asked_for_one(room):
    """What it inherits for many images would be another registration."""

    class Moved(Together):
        def register(self, fixed, moving):
            self.passes.append(1)
            return DisplacementField(identity(fixed.grid).vectors + np.float32(7.0), GRID)

    class Further(Moved):
        def register_many(self, fixed, moving):
            return [self.register(fixed, one) for one in moving]

    assert registers_many(Together()) and registers_many(Further())
    assert not registers_many(Moved())
    room(4)
    backbone = Moved()
    drawn(backbone)
    assert backbone.passes == [1] * 7


def test_an_error_keeps_nothing_of_its_pass():
    """Its frames would keep the tensors."""
    passes = Passes("cpu")

    class Tensor:
        pass

    kept = []

    def wrong(things):
        tensor = Tensor()
        kept.append(weakref.ref(tensor))
        raise TypeError("a fault")

    gc.disable()
    try:
        result = passes.begin(wrong, 1)
        with pytest.raises(TypeError, match="a fault"):
            result()
        assert kept[0]() is None
    finally:
        gc.enable()


def test_on_a_cpu_images_come_alone():
    backbone = Together()
    drawn(backbone)
    assert backbone.passes == [1] * 7
