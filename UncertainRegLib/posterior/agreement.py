"""How steady is the map of disagreement: would as many other samples rank the places alike?

The samples are parted into two halves at random, several times, and the maps of the two halves
compared by Spearman's rank correlation r. With another map of as many, the whole one agrees better:
to k r / (1 + (k - 1) r), where the noise of a half is k times that of the whole (Spearman and Brown,
1910), and that of a variance falls as 1 / (N - 1). On 48 samples of two brains this foretold 0.62,
0.72, 0.79 and 0.85 for 8, 12, 16 and 24 samples, where independent maps agreed to 0.63, 0.73, 0.79
and 0.85 (`agreement_of_networks.py` prints both).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..metrics.correlation import spearman
from ..randomness import numpy_generator

FEWEST = 8  # samples, or groups of them: halves of fewer say nothing
SPLITS = 10


def agreement(fields: Sequence[np.ndarray], groups: Sequence[int] | None = None) -> float | None:
    """Rank correlation of the map of disagreement with one of as many other samples, from 0 to 1.

    Args:
        fields: displacements of each sample in mm, (P, 3) at the same places; of equal weight.
        groups: of each sample; those of one group stay together. None: each is one of its own.

    Returns:
        None of fewer than eight groups, or where a map is the same everywhere.
    """
    groups = range(len(fields)) if groups is None else groups
    numbers = sorted(set(groups))
    if len(numbers) < FEWEST:
        return None
    values, generator, found = np.stack(fields), numpy_generator(0, "halves"), []
    for _ in range(SPLITS):
        first = generator.permutation(numbers)[: len(numbers) // 2]
        here = np.isin(groups, first)
        found.append(spearman(*(values[part].var(axis=0).sum(-1) for part in (here, ~here))))
    r, count = float(np.mean(found)), len(numbers)
    if math.isnan(r):
        return None
    r, noise = max(r, 0.0), (count - 1) / (count / 2 - 1)
    return noise * r / (1 + (noise - 1) * r)
