"""Where every random number begins: a generator from a seed, a purpose and an index.

A seed alone is not enough: two consumers of one seed would draw the same numbers, and torch's
generator on the CPU keeps only the last 32 bits of a seed, so that 7 and 2**40 + 7 are one seed to
it. Here all of it is hashed, and every bit of the hash depends on all of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def seed_of(seed: int, purpose: str, *index: int | str) -> int:
    """A seed of 64 bits for one purpose, and for one of many of them.

    Args:
        seed: of the user; any whole number, of any size.
        purpose: what is drawn, in words: other words, other numbers.
        index: which of them: numbers of steps, samples, networks, or names.
    """
    text = json.dumps([int(seed), purpose, *(i if isinstance(i, str) else int(i) for i in index)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def numpy_generator(seed: int, purpose: str, *index: int | str) -> np.random.Generator:
    """numpy's random numbers for a purpose, see `seed_of`."""
    return np.random.default_rng(seed_of(seed, purpose, *index))


def torch_generator(seed: int, purpose: str, *index: int | str, device="cpu"):
    """torch's random numbers for a purpose, on a device, see `seed_of`."""
    import torch

    return torch.Generator(device).manual_seed(seed_of(seed, purpose, *index))


@contextmanager
def torch_seeded(seed: int, purpose: str, *index: int | str) -> Iterator[None]:
    """What draws from torch's global state (dropout, new weights) draws for a purpose in here.

    The caller's own state is as before afterwards, on the CPU and on the current GPU.
    """
    import torch

    gpu = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(gpu):
        torch.manual_seed(seed_of(seed, purpose, *index))
        yield
