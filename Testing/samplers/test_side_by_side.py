"""Registrations side by side give what they give one after the other, and leave nothing behind."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import SimpleITK as sitk

from support.phantoms import textured
from UncertainRegLib import backbones
from UncertainRegLib.backbones.facts import Facts
from UncertainRegLib.backbones.failures import TooManyFailedError
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import Grid, identity
from UncertainRegLib.perturbations import Deform, Translation
from UncertainRegLib.samplers import Equivariance
from UncertainRegLib.samplers.equivariance import _Draw
from UncertainRegLib.samplers.side_by_side import at_once, registration_mb, side_by_side

GRID = Grid.from_spacing((24, 26, 28), (2.0, 2.0, 2.0))


@pytest.fixture
def threads():
    """Sets the number of threads that a filter of SimpleITK uses, until the test is over."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    yield sitk.ProcessObject.SetGlobalDefaultNumberOfThreads
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def drawn(backbone, family, n=5):
    images = backbone.prepare(textured(GRID, 1), textured(GRID, 2))
    return list(Equivariance(backbone, family).sample(*images, n, np.random.default_rng(3)))


@pytest.mark.parametrize("affine", [True, False])
def test_a_sample_does_not_depend_on_the_number_of_cores(threads, affine):
    backbone = backbones.create("demons", affine=affine)
    found = []
    for count in (1, 2, 5):
        threads(count)
        images = backbone.prepare(textured(GRID, 1), textured(GRID, 1))
        samples = Equivariance(backbone, Deform()).sample(*images, 4, np.random.default_rng(3))
        found.append([sample.field.vectors for sample in samples])
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other))
    assert np.abs(found[0][0] - found[0][1]).max() > 0.01  # so there is something to compare


class Picky(Backbone):
    """Answers nothing, fails where the perturbed image is dark, and counts its calls."""

    facts = Facts("picky", "Picky")
    one_core = True

    def __init__(self, dark):
        self.dark, self.calls = dark, 0

    def register(self, fixed, moving):
        """Identity."""
        self.calls += 1
        if float(moving.array[:12].mean()) < self.dark:
            raise ValueError("too dark")
        return identity(fixed.grid)


def test_failures_are_drawn_again_in_the_same_order(threads):
    found = []
    for count in (1, 4):
        threads(count)
        samples = drawn(Picky(18.0), Translation(0.2), 12)
        found.append([(s.group, s.facts["shift_mm"], s.of_all["failed"]) for s in samples])
    alone, beside = found
    assert alone == beside
    assert alone[-1][2]["reasons"] == {"too dark": alone[-1][0] - 11}


def test_a_stochastic_registration_draws_in_turn(threads):
    """Threads would draw in the order in which they happen to run."""
    threads(4)

    class Random(Picky):
        facts = Facts("random", "Random", stochastic=True)

        def register(self, fixed, moving):
            assert threading.current_thread() is threading.main_thread()
            return super().register(fixed, moving)

    assert len(drawn(Random(-1.0), Translation(0.1), 5)) == 5


def test_no_more_is_registered_than_asked_for(threads):
    threads(4)
    for n in (1, 3, 9):
        backbone = Picky(-1.0)
        drawn(backbone, Translation(0.1), n)
        assert backbone.calls == n


def test_the_number_of_threads_is_put_back(threads):
    threads(3)

    def now():
        return sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()

    images = textured(GRID, 1), textured(GRID, 2)
    samples = Equivariance(Picky(-1.0), Translation(0.1)).sample(
        *images, 5, np.random.default_rng(3)
    )
    next(samples)
    assert now() == 1
    samples.close()
    assert now() == 3
    with pytest.raises(TooManyFailedError, match="too dark"):
        drawn(Picky(99.0), Translation(0.1))
    assert now() == 3
    with pytest.raises(KeyError), side_by_side(3):
        raise KeyError
    assert now() == 3


def test_the_threads_are_put_back_when_the_waiting_is_interrupted(threads, monkeypatch):
    threads(3)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("concurrent.futures.ThreadPoolExecutor.shutdown", interrupted)
    with pytest.raises(KeyboardInterrupt), side_by_side(3):
        pass
    assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == 3


def test_memory_limits_how_many_are_computed_at_the_same_time(threads, monkeypatch):
    threads(16)
    one = registration_mb(1_000_000)
    for free, count in ((None, 8), (100 * one, 8), (8 * one, 4), (one, 1)):
        monkeypatch.setattr(
            "UncertainRegLib.samplers.side_by_side.available_memory_mb", lambda free=free: free
        )
        assert at_once(1_000_000) == count
        sampler = Equivariance(backbones.create("demons"), Deform())
        assert sampler.beside_mb(1_000_000) == pytest.approx((count - 1) * one)
    assert Equivariance(Picky(0.0), Deform(), at_once=False).beside_mb(1_000_000) == 0


def test_several_perturb_at_the_same_time():
    """On Python 3.11 a cached_property would let one thread wait for the other."""
    both = threading.Barrier(2, timeout=20)

    class Slow(Translation):
        def perturbed(self, image, outside):
            both.wait()
            return image

    draws = [_Draw(n, Slow(), textured(GRID, 1), None) for n in range(2)]
    with ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(_Draw.perturbed, draws))) == 2


def test_what_lasts_one_at_a_time_begins_when_it_is_asked_for(threads):
    threads(4)
    with side_by_side(1) as calls:
        begun = []
        result = calls.begin(lambda things: begun.extend(things) or things, 1)
        assert begun == [] and result() == 1 and begun == [1]
