"""All pairs of a list, by the processes of Dask: nothing is lost, nothing is done twice."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..backbones.failures import sentence
from ..checksum import sha256_of
from ..results.atomic import replace_text
from . import machine
from .dashboard import write_dashboard
from .folder import CohortFolder
from .pairs_file import Pair, read_pairs
from .survey import Needs, needs
from .table import write_tables
from .work import Outcome, sweep, work

if TYPE_CHECKING:
    from distributed import Client

# Pairs that the scheduler knows of; more than two a worker would only cost memory.
FEWEST_AT_ONCE = 16
LOOK_S = 0.05  # between looks whether a pair is done
GONE = "The scheduler has gone; the same command goes on where it stopped."
LOOK_AGAIN = 100  # pairs until the workers are counted anew


@dataclass
class Progress:
    """How far a cohort is.

    Attributes:
        total: pairs of the list.
        done: that are finished, those of earlier runs included; failed; were_there: of earlier runs.
        running: pairs at work, at most one a worker.
    """

    total: int
    done: int = 0
    failed: int = 0
    were_there: int = 0
    running: int = 0
    begun: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """Count a pair."""
        self.failed += bool(outcome.why)
        self.done += not outcome.why
        self.were_there += outcome.was_there

    def facts(self) -> dict:
        """For an event: "done", "failed", "running", "total", "eta_s" and "per_hour"."""
        worked = self.done + self.failed - self.were_there
        each = (time.monotonic() - self.begun) / worked if worked else None
        left = self.total - self.done - self.failed
        return {
            "done": self.done,
            "failed": self.failed,
            "running": self.running,
            "total": self.total,
            "eta_s": None if each is None else round(each * left, 1),
            "per_hour": None if each is None else round(3600 / each, 1),
        }


def run_cohort(
    pairs_file: Path,
    folder: CohortFolder,
    report,
    workers: int | None = None,
    scheduler: str = "",
    task: Callable[[Pair, CohortFolder, str], Outcome] = work,
) -> dict[str, int]:
    """Register all pairs of a list that are not finished, and write the tables.

    A pair that fails has its sentence, and the others go on. Ctrl-C leaves what is finished, with
    its tables.

    Args:
        pairs_file: a list without problems (`pairs_file.problems`).
        report: takes events, see ``jobs.events``.
        workers: of this machine; None leaves their number to it.
        scheduler: address of one whose workers are taken instead.
        task: what is done with a pair.

    Returns:
        How many pairs are complete, failed, missing.

    Raises:
        NoWorkersError: there is nothing to work with.
        PairsError: the list cannot be used.
        ValueError: the folder belongs to something else, or another cohort is at work in it.
        KeyboardInterrupt: after Ctrl-C, with the tables written.
    """
    machine.check_installed()
    folder.description()  # refuses what is of another kind
    folder.pairs.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        sweep(folder)
        _keep_list(folder, pairs_file)
        report("stage", text="Reading the list of pairs and the headers of its images")
        asked = needs(read_pairs(pairs_file))
        stopped = False
        try:
            with _workers(folder, workers, scheduler, asked, report) as client:
                try:
                    _all(client, pairs_file, folder, asked, report, task)
                except KeyboardInterrupt:
                    stopped = True
                    raise
        except Exception as error:
            if stopped:  # on a busy machine Dask may not close in time
                raise KeyboardInterrupt from error
            raise
        finally:
            sweep(folder)
            counts = finish(folder, report)
    return counts


def finish(folder: CohortFolder, report) -> dict[str, int]:
    """Write tables and dashboard of what is there; returns how many pairs are complete, failed,
    missing."""
    report("stage", text=f"Writing {folder.csv}")
    counts = write_tables(folder, listed_in(folder), lambda text: report("warning", text=text))
    folder.describe(ended=_now(), counts=counts)
    write_dashboard(folder.path, report)
    return counts


def listed_in(folder: CohortFolder) -> Iterator[Pair]:
    """The pairs of the copy of the list; its paths are relative to the list itself.

    Raises:
        ValueError: the folder is not that of a cohort.
    """
    about = folder.description()
    if "pairs" not in about:
        raise ValueError(f"{folder.path}: is not the folder of a cohort.")
    return read_pairs(folder.pairs_file, Path(about["pairs"]["file"]).parent)


@contextlib.contextmanager
def _alone(folder: CohortFolder) -> Iterator[None]:
    """One cohort at a time in a folder; a lock goes with its process."""
    import locket

    lock = locket.lock_file(str(folder.path / ".lock"), timeout=0)
    try:
        lock.acquire()
    except locket.LockError:
        raise ValueError(f"{folder.path}: another cohort is at work in it.") from None
    try:
        yield
    finally:
        lock.release()


def _keep_list(folder: CohortFolder, pairs_file: Path) -> None:
    text = pairs_file.read_text(encoding="utf-8-sig")
    replace_text(folder.pairs_file, text)
    about = {"file": str(pairs_file.resolve()), "sha256": sha256_of(pairs_file)}
    columns = text.partition("\n")[0].strip().split(",")
    folder.describe(
        version=__version__, pairs={**about, "columns": columns}, started=_now(), ended=None
    )


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


@contextlib.contextmanager
def _workers(
    folder: CohortFolder, workers: int | None, scheduler: str, asked: Needs, report
) -> Iterator[Client]:
    def say(text: str) -> None:
        report("warning", text=text)

    if scheduler:
        with machine.elsewhere(scheduler, folder.about.resolve(), say) as client:
            yield client
        return
    environments, memory_mb = machine.plan(workers, asked, say)
    report("stage", text=f"Starting {len(environments)} workers of {memory_mb} MB")
    with machine.local(environments, memory_mb) as client:
        yield client


def _all(client: Client, pairs_file: Path, folder, asked: Needs, report, task) -> None:
    """Hand out the pairs, a few more than there are workers, and take in what became of them."""
    from distributed import as_completed

    progress = Progress(asked.pairs, begun=time.monotonic())
    here = CohortFolder(folder.path.resolve())
    pairs = iter(read_pairs(pairs_file))
    names: dict[str, str] = {}  # key of a task -> the pair's id
    run_of = time.time_ns()
    results = as_completed(with_results=True, raise_errors=False)
    workers = at_once = 0

    def hand_out(how_many: int) -> None:
        for pair in islice(pairs, how_many):
            # the id is no part of the key: Dask keeps something for each kind of name
            key = f"pair-{run_of}-{pair.line}"
            names[key] = pair.name
            results.add(client.submit(task, pair, here, __version__, key=key, pure=False))

    while True:
        if (progress.done + progress.failed) % LOOK_AGAIN == 0:
            workers = sum(client.nthreads().values())
            at_once = max(FEWEST_AT_ONCE, 2 * workers)
        hand_out(at_once - len(names))
        if not names:
            return
        _wait(client, results)
        future, found = next(results)
        name = names.pop(future.key)
        outcome = found if isinstance(found, Outcome) else _lost(client, name, future, found)
        future.release()
        progress.add(outcome)
        progress.running = min(workers, len(names))
        if outcome.why:
            folder.fail(name, outcome.why)
        else:
            folder.failure(name).unlink(missing_ok=True)
        report(
            "pair",
            id=name,
            failed_because=outcome.why,
            was_there=outcome.was_there,
            seconds=outcome.seconds,
            **progress.facts(),
        )


def _wait(client: Client, results) -> None:
    """Until the next pair is done, or nobody is left to do it.

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


def _lost(client: Client, name: str, future, found) -> Outcome:
    """A pair without an answer of its own.

    Raises:
        NoWorkersError: the scheduler has gone.
    """
    from distributed import KilledWorker

    if client.status != "running" or future.cancelled():
        raise machine.NoWorkersError(GONE)
    error = found[1] if isinstance(found, tuple) else future.exception()
    if isinstance(error, KilledWorker):
        return Outcome(
            name,
            f"{error.allowed_failures + 1} workers were killed while they had it, by lack of memory "
            "or from outside; try fewer workers, or smaller images.",
        )
    return Outcome(name, f"{type(error).__name__}: {sentence(error)}")
