"""Registrations that fail: counted and named, and drawn again as long as most succeed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

from ..geometry import DisplacementField

# What a registration raises where it cannot align two images. Lack of memory is no such case, and
# neither is a fault in a program (TypeError and the like).
FAILURES = (ValueError, RuntimeError, ArithmeticError)
# Errors whose message a person understands without the name of its class.
MEANT_FOR_PEOPLE = (*FAILURES, OSError, MemoryError)
FEWEST = 4  # failures that are borne in any case; beyond, no more than there are successes


class TooManyFailedError(ValueError):
    """Most registrations fail, so the others are not a fair sample."""


class Failures:
    """Counts what failed and what did not.

    Args:
        what: the registrations in words, plural, for the sentence of the error.

    Attributes:
        finished: how many succeeded.
        reasons: sentence of an error -> how often.
    """

    def __init__(self, what: str = "registrations") -> None:
        self.what, self.finished, self.reasons = what, 0, Counter()

    @property
    def count(self) -> int:
        """How many failed."""
        return sum(self.reasons.values())

    def attempt(self, register: Callable, *arguments) -> Any:
        """The result of ``register``, or None where it failed.

        A displacement field with NaN or infinite values is a failure, too.

        Raises:
            TooManyFailedError: at least FEWEST failed, and more than succeeded.
        """
        try:
            answer = register(*arguments)
            if isinstance(answer, DisplacementField):
                check_finite(answer)
        except FAILURES as error:
            if out_of_memory(error):
                raise
            self.reasons[sentence(error)] += 1
            if self.count >= FEWEST and self.count > self.finished:
                raise TooManyFailedError(
                    f"{self.count} of {self.count + self.finished} {self.what} failed, the last "
                    f"one with: {sentence(error).rstrip('.')}. Try other settings, another "
                    "registration or another perturbation."
                ) from error
            return None
        self.finished += 1
        return answer

    def record(self) -> dict:
        """{"count": …, "reasons": {sentence: how often}} for ``result.json``."""
        return {"count": self.count, "reasons": dict(self.reasons)}


def check_finite(field: DisplacementField) -> None:
    """Refuse a registration that diverged.

    Raises:
        ValueError: a displacement is NaN or infinite.
    """
    if not math.isfinite(float(field.vectors.sum())):
        raise ValueError("The registration diverged: it holds NaN or infinite displacements.")


def out_of_memory(error: BaseException) -> bool:
    """Is it lack of memory? Libraries say so in different classes."""
    return isinstance(error, MemoryError) or any(
        words in str(error).lower()
        for words in ("out of memory", "bad_alloc", "failed to alloc", "alloc_failed")
    )


def told(error: BaseException) -> str:
    """The sentence of an error, with the name of its class where people would miss it."""
    text = sentence(error)
    return text if isinstance(error, MEANT_FOR_PEOPLE) else f"{type(error).__name__}: {text}"


def sentence(error: BaseException) -> str:
    """The message of an error as one line; of the system's: which file, and what is wrong."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}."
    text = " ".join(str(error).split())
    return text[:500] if text else type(error).__name__
