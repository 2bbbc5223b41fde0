"""Every consumer of random numbers draws its own: by seed, by purpose, by number."""

import itertools
import re
from pathlib import Path

import numpy as np

from support import ROOT
from support.draws import SEEDS, Blind, all_differ
from support.phantoms import textured
from UncertainRegLib.geometry import Grid
from UncertainRegLib.perturbations import Deform
from UncertainRegLib.randomness import numpy_generator, seed_of
from UncertainRegLib.samplers import Equivariance
from UncertainRegLib.studies.known_warp import KnownWarp

LIBRARY = ROOT / "UncertainRegLib"
GRID = Grid.from_spacing((8, 8, 8))


def test_a_seed_of_a_purpose_and_number_is_nobody_elses():
    asked = list(
        itertools.product(
            SEEDS,
            ("training pair", "test pair"),
            ((), (0,), (1,), (0, 1), (1, 0), ("1",), (2**40,)),
        )
    )
    assert len({seed_of(seed, purpose, *index) % 2**32 for seed, purpose, index in asked}) == len(
        asked
    )
    assert seed_of(np.int64(7), "a", np.uint8(1)) == seed_of(7, "a", 1) < 2**64


def test_no_generator_is_made_elsewhere():
    """Constants of numpy may stay: a phantom's places, a bootstrap's draws."""
    elsewhere = re.compile(r"manual_seed|SeedSequence|RandomState|random\.seed|crc32")
    of_a_seed = re.compile(r"default_rng\((?!\d+\))")
    # The sample pair has a published checksum, and its texture is that of the tests.
    own = ("randomness.py", "sample_pair.py")
    library = [file for file in LIBRARY.rglob("*.py") if file.name not in own]
    benchmarks = list((ROOT / "Testing" / "benchmarks").rglob("*.py"))
    assert len(library) > 100 and benchmarks
    for file in library + benchmarks:
        text = file.read_text(encoding="utf-8")
        assert not elsewhere.search(text), file
        assert file in benchmarks or not of_a_seed.search(text), file


def numpy_consumers() -> dict:
    image = textured(GRID)

    def sampled(seed, purpose):  # of a run and of a calibration
        sampler = Equivariance(Blind(), Deform())
        return next(sampler.sample(image, image, 1, numpy_generator(seed, purpose))).field.vectors

    def study(seed, number, name):
        pair = {"case": "elastic", "number": number}
        one = KnownWarp(image, "image", Path("none"), ("elastic",), seed=seed)
        return one.generator(pair, name).random(4)

    return {
        "samples": lambda seed: sampled(seed, "samples"),
        "calibration": lambda seed: sampled(seed, "calibration"),
        "study, pair": lambda seed: study(seed, 0, ""),
        "study, another pair": lambda seed: study(seed, 1, ""),
        "study, map": lambda seed: study(seed, 0, "deform"),
        "study, another map": lambda seed: study(seed, 0, "scale"),
        "labels": lambda seed: numpy_generator(seed, "label study", "deform").random(4),
    }


def test_numpy_consumers_draw_by_seed_and_purpose():
    all_differ(numpy_consumers())
