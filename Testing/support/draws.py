"""Seeds, and whether everything that draws by them draws its own."""

import numpy as np

from UncertainRegLib.backbones.facts import Facts
from UncertainRegLib.contracts import Backbone
from UncertainRegLib.geometry import identity

SEEDS = (0, 7, 2**32 + 7, 2**40, 2**40 + 7, -7)  # torch on a CPU takes most of them for 0 or 7


def as_bytes(drawn) -> bytes:
    return np.ascontiguousarray(drawn).tobytes()


class Blind(Backbone):
    """A registration that finds nothing: a sample is the perturbation itself."""

    facts = Facts("blind", "Blind")

    def register(self, fixed, moving):
        return identity(fixed.grid)


def all_differ(consumers: dict) -> None:
    drawn = {
        (name, seed): as_bytes(draw(seed)) for name, draw in consumers.items() for seed in SEEDS
    }
    assert len(set(drawn.values())) == len(drawn)
    for (name, seed), numbers in drawn.items():
        assert as_bytes(consumers[name](seed)) == numbers, name
