"""All pairs of a list, by the processes of Dask: nothing is lost, nothing is done twice."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..checksum import sha256_of
from ..results.atomic import replace_text
from ..workers.machine import check_installed
from ..workers.tasks import Lost, answers, started
from .dashboard import write_dashboard
from .folder import CohortFolder
from .pairs_file import Pair, read_pairs
from .survey import Needs, needs
from .table import write_tables
from .work import Outcome, sweep, work

if TYPE_CHECKING:
    from distributed import Client


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
    check_installed()
    folder.description()  # refuses what is of another kind
    folder.pairs.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        sweep(folder)
        _keep_list(folder, pairs_file)
        report("stage", text="Reading the list of pairs and the headers of its images")
        asked = needs(read_pairs(pairs_file))
        needed = (asked.pairs, asked.memory_mb, asked.may_use_gpu)
        try:
            with started(workers, scheduler, folder.about, *needed, report) as client:
                _all(client, pairs_file, folder, asked, report, task)
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


def _all(client: Client, pairs_file: Path, folder, asked: Needs, report, task) -> None:
    """Hand out the pairs, and take in what became of them."""
    progress = Progress(asked.pairs, begun=time.monotonic())
    here = CohortFolder(folder.path.resolve())
    calls = ((pair, here, __version__) for pair in read_pairs(pairs_file))
    for (pair, *_), answer, running in answers(client, task, calls):
        name = pair.name
        outcome = Outcome(name, answer.why) if isinstance(answer, Lost) else answer
        progress.add(outcome)
        progress.running = running
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
