"""Variants of a map of the same samples, told apart by the end of its name."""

from __future__ import annotations

SMOOTHED, ABOUT = ", smoothed", ", about the registration"
EXPECTED = ", expected error"


def variant(name: str) -> str:
    """The ending of a map's name: "", SMOOTHED, ABOUT or EXPECTED."""
    return next((ending for ending in (SMOOTHED, ABOUT, EXPECTED) if name.endswith(ending)), "")
