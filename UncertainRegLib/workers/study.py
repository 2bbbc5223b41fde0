"""The units of a study by workers: what is found is what one process would find."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..backbones.failures import told
from ..contracts import OnRegistration, Study
from .tasks import Lost, answers, started

if TYPE_CHECKING:
    from distributed import Client

MOST_SAID = 3  # of the sentences about units that failed


class UnitsFailedError(ValueError):
    """Some units have no answer; the message says why, and what is kept."""


@dataclass(frozen=True)
class OverWorkers:
    """Computes the units of a study by workers; a `contracts.Each`.

    Attributes:
        count: workers of this machine.
        scheduler: address of one whose workers are taken instead.
        shared: folder of the study, which workers elsewhere must see.
        may_use_gpu: a unit may run a network on one.
        report: takes events, see ``jobs.events``.
    """

    count: int | None
    scheduler: str
    shared: Path
    may_use_gpu: bool
    report: Callable[..., None]

    def __call__(
        self,
        study: Study,
        units: Sequence[Any],
        keep: Callable[[Any], None],
        advance: OnRegistration,
    ) -> None:
        """Keep what is found, a unit at a time, in the order in which they are done.

        A unit that fails is said at once, and the others go on.

        Raises:
            UnitsFailedError: some failed; after all others.
            NoWorkersError: there is nothing to work with.
        """
        if not units:
            return
        self.shared.mkdir(parents=True, exist_ok=True)
        lost = []
        place = (self.count, self.scheduler, self.shared, len(units), 0.0, self.may_use_gpu)
        with started(*place, self.report) as client, _known_to_all(client, study) as name:
            calls = ((name, unit, __version__) for unit in units)
            for (_, unit, _), answer, _ in answers(client, compute, calls):
                found = Found(why=answer.why) if isinstance(answer, Lost) else answer
                for item in found.items:
                    keep(item)
                study.failed.extend(found.failed)
                if found.why:
                    lost.append(f"{study.in_words(unit)}: {found.why}")
                    self.report("warning", text=lost[-1])
                for text in found.registered:
                    advance(text)
        if lost:
            more = " …" if len(lost) > MOST_SAID else ""
            raise UnitsFailedError(
                f"{len(lost)} of {len(units)} parts of the study failed; what the others found is "
                f"kept, and the same command tries these again. {' '.join(lost[:MOST_SAID])}{more}"
            )


@dataclass(frozen=True)
class Found:
    """What a worker found of a unit.

    Attributes:
        items: what `Study.compute` gave.
        registered: what each registration was for.
        failed: sentences about registrations.
        why: a sentence where the unit failed; else empty.
    """

    items: list[Any] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    why: str = ""


def compute(name: str, unit: Any, version: str) -> Found:
    """Compute a unit of the study of that name; runs in a worker.

    Args:
        version: of UncertainReg, where the study was started.
    """
    from distributed import get_worker

    if version != __version__:
        why = f"Its worker has UncertainReg {__version__}, the study was started with {version}."
        return Found(why=why)
    study = get_worker().plugins[name].study
    study.failed, registered = [], []
    try:
        items = list(study.compute(unit, registered.append))
    except Exception as error:
        return Found(why=told(error))
    return Found(items, registered, study.failed)


@contextlib.contextmanager
def _known_to_all(client: Client, study: Study) -> Iterator[str]:
    """The name by which every worker knows the study, also one that starts later: its images
    travel once a worker, not once a unit."""
    from distributed import WorkerPlugin

    class Known(WorkerPlugin):
        def __init__(self, study: Study) -> None:
            self.study = study

    name = f"study {uuid.uuid4()}"
    client.register_plugin(Known(study), name)
    try:
        yield name
    finally:
        with contextlib.suppress(Exception):  # the workers may have gone
            client.unregister_worker_plugin(name)
