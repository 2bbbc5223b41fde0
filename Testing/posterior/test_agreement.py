"""How well a map of other samples would agree, foretold from halves, against maps of other samples."""

import numpy as np
import pytest

from UncertainRegLib.metrics.correlation import spearman
from UncertainRegLib.posterior.agreement import FEWEST, agreement
from UncertainRegLib.results.record import Samples
from UncertainRegLib.results.steadiness import in_words, needed

PLACES = 3000


def samples(n, spread, seed, groups=None):
    """n displacements at places whose standard deviations differ by the factor exp(spread)."""
    generator = np.random.default_rng(seed)
    sd = np.exp(np.random.default_rng(0).normal(0, spread, PLACES))[:, None]
    drawn = generator.normal(size=(n, PLACES, 3))
    return list(sd * (drawn if groups is None else drawn[groups]))


def disagreement(fields):
    return np.var(fields, axis=0).sum(-1)


@pytest.mark.parametrize("n", [8, 16, 32])
@pytest.mark.parametrize("spread", [0.15, 0.3])
def test_what_is_foretold_is_what_other_samples_show(n, spread):
    found = agreement(samples(n, spread, 1))
    others = [disagreement(samples(n, spread, seed)) for seed in range(2, 10)]
    true = np.mean([spearman(a, b) for a, b in zip(others[::2], others[1::2])])
    assert found == pytest.approx(true, abs=0.04)


def test_samples_of_one_group_stay_together():
    """Copies in both halves would make them agree."""
    groups = np.repeat(np.arange(10), 4)
    fields = samples(10, 0.15, 1, groups)
    apart, alone = agreement(fields), agreement(samples(10, 0.15, 1))
    assert agreement(fields, groups.tolist()) == pytest.approx(alone, abs=0.05)
    assert apart > agreement(fields, groups.tolist()) + 0.1


def test_one_stray_sample_never_makes_the_map_steady():
    """It lies in one half alone, off where the others agree: the halves rank the places the other
    way round."""
    fields = samples(8, 0.3, 1)
    off = np.exp(-np.random.default_rng(0).normal(0, 0.3, PLACES))[:, None]
    fields[3] = 50.0 * off * np.ones(3)
    assert agreement(fields) == 0.0


def test_the_same_samples_say_the_same():
    fields = samples(12, 0.3, 1)
    assert agreement(fields) == agreement(fields)


@pytest.mark.parametrize(
    ("fields", "groups"),
    [
        (samples(FEWEST - 1, 0.3, 1), None),
        (samples(FEWEST, 0.3, 1), [0, 1, 2, 3, 3, 3, 3, 3]),
        ([np.ones((PLACES, 3))] * FEWEST, None),
    ],
)
def test_few_samples_and_those_without_a_spread_foretell_nothing(fields, groups):
    assert agreement(fields, groups) is None


@pytest.mark.parametrize("n", [8, 16])
def test_as_many_samples_as_are_said_to_be_needed_agree_so_well(n):
    count = needed(agreement(samples(n, 0.3, 1)), n)
    assert n < count < 20 * n
    maps = [disagreement(samples(count, 0.3, seed)) for seed in (2, 3)]
    assert spearman(*maps) == pytest.approx(0.9, abs=0.03)


def test_it_is_said_in_a_sentence():
    assert in_words(Samples(finished=16)) == []
    (steady,) = in_words(Samples(finished=16, agreement=0.923))
    assert steady.startswith(
        "A map of 16 other samples would rank the places like this one to 0.92"
    )
    assert "bring" not in steady
    (noisy,) = in_words(Samples(finished=16, agreement=0.784))
    assert noisy.endswith("; about 39 samples bring it to 0.90.")
