"""Would other samples draw the same map of disagreement? In a sentence."""

from __future__ import annotations

import math

from .record import Samples

WANTED = 0.9


def in_words(samples: Samples) -> list[str]:
    """How well the map of disagreement agrees with one of as many other samples, and how many would
    do; nothing where that is not known."""
    found, count = samples.agreement, samples.finished
    if found is None:
        return []
    text = (
        f"A map of {count} other samples would rank the places like this one to {found:.2f} (rank "
        "correlation of the disagreement, foretold from halves of the samples"
    )
    if round(found, 2) >= WANTED:
        return [f"{text})."]
    return [f"{text}); about {needed(found, count)} samples bring it to {WANTED:.2f}."]


def needed(found: float, samples: int) -> int:
    """About how many samples agree to `WANTED` where ``samples`` agree to ``found``: what they lack
    falls as their number grows (Spearman and Brown, 1910)."""
    found = max(found, 0.1)
    return math.ceil(1 + (samples - 1) * WANTED / (1 - WANTED) * (1 - found) / found)
