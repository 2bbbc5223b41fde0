"""Registrations of SimpleITK side by side, a core each, instead of all cores for one at a time.

ITK's threads wait for each other, and for what Python does between two filters: on two cores 16
samples of a brain take a fifth less time, on more cores less still. And a sample does not depend on
the number of cores: threads add up in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import SimpleITK as sitk

AT_MOST = 8  # at the same time: each takes memory, and one thread sums up what all of them find


class Calls:
    """Calls in a row: begun early in threads, or, without a pool, each when its result is wanted.

    Attributes:
        ahead: how many should have begun; one more than there are threads, so that none waits.
    """

    def __init__(self, pool: ThreadPoolExecutor | None = None, threads: int = 0) -> None:
        self._pool, self.ahead = pool, threads + 1

    def begin(self, work: Callable, *arguments) -> Callable[[], Any]:
        """A function that gives the result of ``work``, or raises what it raised."""
        if self._pool is None:
            return partial(work, *arguments)
        return self._pool.submit(work, *arguments).result


@contextmanager
def side_by_side(can: bool) -> Iterator[Calls]:
    """Calls that register: at the same time where they ``can``, and there are several cores.

    What has begun is finished at the end, and what has not is dropped.
    """
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    if not can or threads == 1:
        yield Calls()
        return
    at_once = min(threads, AT_MOST)
    pool = ThreadPoolExecutor(at_once)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield Calls(pool, at_once)
    finally:
        pool.shutdown(cancel_futures=True)
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
