"""Registrations of SimpleITK side by side, a core each, instead of all cores for one at a time.

ITK's threads wait for each other, and for what Python does between two filters: on two cores 16
samples of a brain take a fifth less time, on more cores less still. And a sample does not depend on
the number of cores: threads add up in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import SimpleITK as sitk

from ..environment import available_memory_mb
from .in_one_pass import given

AT_MOST = 8  # at the same time: one thread sums up what all of them find
BYTES_PER_VOXEL = 320  # of the working grid, of one demons registration (300 measured)
SHARE = 0.5  # of the free memory that they may take


class Calls:
    """Calls in a row: begun early in threads, or, without a pool, each when its result is wanted.

    Attributes:
        ahead: how many should have begun; one more than there are threads, so that none waits.
    """

    def __init__(self, pool: ThreadPoolExecutor | None = None, threads: int = 0) -> None:
        self._pool, self.ahead = pool, threads + 1

    def begin(self, work: Callable[[Sequence], list], thing: Any) -> Callable[[], Any]:
        """A function that gives the result of ``work`` for ``thing``, or raises its error.

        Args:
            work: takes things, here one; returns for each a result, or the error that it ended with.
        """
        if self._pool is None:
            return lambda: given(work([thing])[0])
        future = self._pool.submit(work, [thing])
        return lambda: given(future.result()[0])


def at_once(voxels: int) -> int:
    """How many registrations on a grid of so many voxels cores and free memory allow for."""
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    free = available_memory_mb()
    room = AT_MOST if free is None else int(SHARE * free / registration_mb(voxels))
    return max(1, min(threads, AT_MOST, room))


def registration_mb(voxels: int) -> float:
    """What one more registration at the same time takes."""
    return BYTES_PER_VOXEL * voxels / 2**20


@contextmanager
def side_by_side(count: int) -> Iterator[Calls]:
    """Calls that register, ``count`` at the same time.

    What has begun is finished at the end, and what has not is dropped.
    """
    if count == 1:
        yield Calls()
        return
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    pool = ThreadPoolExecutor(count)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield Calls(pool, count)
    finally:
        try:
            pool.shutdown(cancel_futures=True)
        finally:  # also when the waiting is interrupted
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
