"""Tasks that do not depend on each other, handed to workers and taken back as they are done."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..backbones.failures import sentence
from . import machine

if TYPE_CHECKING:
    from distributed import Client

# Tasks that the scheduler knows of; more than two a worker would only cost memory.
FEWEST_AT_ONCE = 16
LOOK_S = 0.05  # between looks whether a task is done
GONE = "The scheduler has gone; the same command goes on where it stopped."
LOOK_AGAIN = 100  # tasks until the workers are counted anew, and the names of tasks forgotten


@dataclass(frozen=True)
class Lost:
    """A task without an answer, and why, one sentence."""

    why: str


@contextlib.contextmanager
def started(
    count: int | None,
    scheduler: str,
    shared: Path,
    tasks: int,
    need_mb: float,
    may_use_gpu: bool,
    report: Callable[..., None],
) -> Iterator[Client]:
    """Workers of this machine, or those of a scheduler elsewhere, until the end of the block.

    Args:
        count: of this machine; None leaves their number to it.
        scheduler: address of one whose workers are taken instead.
        shared: file or folder that workers elsewhere must see.
        tasks: how many there are.
        need_mb, may_use_gpu: of the largest task, see `machine.plan`.
        report: takes events, see ``jobs.events``.

    Raises:
        NoWorkersError: there is nothing to work with.
        KeyboardInterrupt: after Ctrl-C, even if the workers do not end in time.
    """

    def say(text: str) -> None:
        report("warning", text=text)

    machine.check_installed()
    if scheduler:
        workers = machine.elsewhere(scheduler, shared.resolve(), say)
    else:
        environments, memory_mb = machine.plan(count, tasks, need_mb, may_use_gpu, say)
        report("stage", text=f"Starting {len(environments)} workers of {memory_mb} MB")
        workers = machine.local(environments, memory_mb)
    stopped = False
    try:
        with workers as client:
            try:
                yield client
            except KeyboardInterrupt:
                stopped = True
                raise
    except Exception as error:
        if stopped:  # on a busy machine Dask may not close in time
            raise KeyboardInterrupt from error
        raise


def answers(
    client: Client, task: Callable, calls: Iterable[tuple]
) -> Iterator[tuple[tuple, Any, int]]:
    """Each call of a task with its answer, in the order in which they are done.

    Only a few more calls than there are workers are drawn from ``calls`` at a time. A task whose
    worker is killed is given to another one.

    Args:
        task: a function that workers can import.
        calls: the arguments of each task.

    Yields:
        The arguments, the answer (`Lost` where there is none), and how many tasks are at work, at
        most one a thread of the workers.

    Raises:
        NoWorkersError: the scheduler or all workers of this machine have gone.
    """
    from dask.utils import key_split
    from distributed import as_completed

    left = enumerate(calls)
    known: dict[str, tuple] = {}  # key of a task -> its arguments
    run_of = time.time_ns()
    results = as_completed(with_results=True, raise_errors=False)
    workers = at_once = done = 0
    while True:
        if done % LOOK_AGAIN == 0:
            workers = sum(client.nthreads().values())
            at_once = max(FEWEST_AT_ONCE, 2 * workers)
            key_split.cache_clear()  # it keeps the names of the last 100,000 tasks
        for number, arguments in islice(left, at_once - len(known)):
            # the arguments are no part of the key: Dask keeps something for each kind of name
            key = f"task-{run_of}-{number}"
            known[key] = arguments
            results.add(client.submit(task, *arguments, key=key, pure=False))
        if not known:
            return
        _wait(client, results)
        future, found = next(results)
        arguments, done = known.pop(future.key), done + 1
        answer = found if future.status == "finished" else _lost(client, future, found)
        future.release()
        yield arguments, answer, min(workers, len(known))


def _wait(client: Client, results) -> None:
    """Until the next task is done, or nobody is left to do it.

    Raises:
        NoWorkersError: the scheduler or all workers of this machine have gone.
    """
    from distributed.core import Status

    ended = (Status.closed, Status.failed)
    while not results.has_ready():
        time.sleep(LOOK_S)
        if client.status != "running":
            raise machine.NoWorkersError(GONE)
        mine = client.cluster.workers.values() if client.cluster is not None else [client]
        if all(one.status in ended for one in mine):
            raise machine.NoWorkersError(
                "All workers have ended and cannot be started again; the same command goes on where "
                "it stopped."
            )


def _lost(client: Client, future, found) -> Lost:
    """A task without an answer.

    Raises:
        NoWorkersError: the scheduler has gone.
    """
    from distributed import KilledWorker

    if client.status != "running" or future.cancelled():
        raise machine.NoWorkersError(GONE)
    error = found[1] if isinstance(found, tuple) else future.exception()
    if isinstance(error, KilledWorker):
        return Lost(
            f"{error.allowed_failures + 1} workers were killed while they had it, by lack of memory "
            "or from outside; try fewer workers, or smaller images."
        )
    return Lost(f"{type(error).__name__}: {sentence(error)}")
