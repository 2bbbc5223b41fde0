"""Several perturbed images in one pass of a network, where a graphics card has memory for them.

One image leaves most of a large card idle at the coarse levels of a network. On a CPU, where two
images a pass took 0.8 to 1.2 times as long as one, they come alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..contracts import Backbone
from ..environment import forget_peak_on, times_in_free_memory

AT_MOST = 8  # images in a pass: by then the finest level fills a card
SHARE = 0.5  # of the free memory that they may take


def pays_on(device: str) -> bool:
    """Whether a pass gains by more images."""
    return device != "cpu"


def registers_many(backbone: Backbone) -> bool:
    """Whether a backbone registers several images in one pass: not where a subclass has a
    ``register`` of its own, and ``register_many`` is still that of the class before it."""
    classes = [vars(cls) for cls in type(backbone).__mro__]

    def made_by(method: str) -> int:
        return next(place for place, names in enumerate(classes) if method in names)

    return made_by("register_many") <= made_by("register")


@dataclass
class _Asked:
    """What was begun; its result or its error once it was computed."""

    thing: Any
    result: Any = None
    done: bool = False


class Passes:
    """Calls that are answered together: those that have begun when a result is wanted.

    The first one goes alone, to see how much memory it takes.

    Attributes:
        ahead: how many should have begun.
    """

    def __init__(self, device: str) -> None:
        self.ahead = 1
        self._device, self._waiting = device, list[_Asked]()
        self._is_first = True
        forget_peak_on(device)

    def begin(self, work: Callable[[Sequence], list], thing: Any) -> Callable[[], Any]:
        """A function that gives the result of ``work`` for ``thing``, or raises its error.

        Args:
            work: takes things; returns for each a result, or the error that it ended with.
        """
        asked = _Asked(thing)
        self._waiting.append(asked)

        def result() -> Any:
            if not asked.done:
                waiting, self._waiting = self._waiting, []
                self._compute(work, waiting)
                if self._is_first:
                    self._is_first = False
                    self.ahead = max(
                        1, min(AT_MOST, int(SHARE * times_in_free_memory(self._device)))
                    )
            return given(asked.result)

        return result

    def _compute(self, work: Callable[[Sequence], list], asked: list[_Asked]) -> None:
        """All at once; where that fails in halves, and from then on fewer."""
        half = len(asked) // 2
        try:
            for one, result in zip(asked, work([one.thing for one in asked]), strict=True):
                one.result, one.done = result, True
            return
        except Exception as error:
            if len(asked) == 1:
                # without the frames of the pass, whose tensors they would keep
                asked[0].result, asked[0].done = error.with_traceback(None), True
                return
            self.ahead = min(self.ahead, half)
        self._compute(work, asked[:half])
        self._compute(work, asked[half:])


def given(result: Any) -> Any:
    """A result; an error is raised."""
    if isinstance(result, Exception):
        raise result
    return result
