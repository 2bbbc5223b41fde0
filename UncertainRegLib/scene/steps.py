"""Work in parts: a generator that yields between them, so that an application can answer meanwhile.

Its value is what it returns at the end. Between two parts the scene is in good order.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]


def finished(steps: Steps[T]) -> T:
    """Do all parts at once; returns the value at the end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
