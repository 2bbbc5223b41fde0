"""Several perturbed images in one pass of a network, as many as a graphics card has memory for.

One image leaves most of a large card idle at the coarse levels of a network. A CPU has nothing to
gain: there the batch is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..backbones.failures import FAILURES, out_of_memory
from ..environment import times_in_free_memory

AT_MOST = 8  # images in a pass: by then the finest level fills a card
SHARE = 0.5  # of the free memory that they may take; the peak so far is that of one image


def batch_size(device: str) -> int:
    """How many images a pass may have, once one was registered on the device."""
    return max(1, min(AT_MOST, int(SHARE * times_in_free_memory(device))))


@dataclass
class _Asked:
    """What was begun; its result or its error once it was computed."""

    thing: Any
    result: Any = None
    error: BaseException | None = None
    done: bool = False


class Passes:
    """Calls that are answered together: those that have begun when a result is wanted.

    Attributes:
        ahead: how many should have begun.
    """

    def __init__(self, size: int) -> None:
        self.ahead = size
        self._waiting: list[_Asked] = []

    def begin(self, work: Callable[[Sequence], list], thing: Any) -> Callable[[], Any]:
        """A function that gives the result of ``work`` for ``thing``, or raises its error.

        Args:
            work: takes things, returns a result for each.
        """
        asked = _Asked(thing)
        self._waiting.append(asked)

        def result() -> Any:
            if not asked.done:
                waiting, self._waiting = self._waiting, []
                self._compute(work, waiting)
            if asked.error is not None:
                raise asked.error
            return asked.result

        return result

    def _compute(self, work: Callable[[Sequence], list], asked: list[_Asked]) -> None:
        """All at once; where that fails in halves, so that an error is that of one alone."""
        half = len(asked) // 2
        try:
            for one, result in zip(asked, work([one.thing for one in asked]), strict=True):
                one.result, one.done = result, True
            return
        except (*FAILURES, MemoryError) as error:
            if len(asked) == 1:
                asked[0].error, asked[0].done = error, True
                return
            if out_of_memory(error):
                self.ahead = half
        self._compute(work, asked[:half])
        self._compute(work, asked[half:])
