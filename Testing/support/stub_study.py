"""A study whose units kill their worker, fail, or say what they are."""

from __future__ import annotations

import os
import signal
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from UncertainRegLib.contracts import Each, OnRegistration, Study, one_by_one
from UncertainRegLib.studies.rows import Rows


@dataclass
class StubStudy(Study):
    """Its units: "deadly" kills its worker always, "unlucky" once; "wrong" and "strange" raise;
    "astray" is a registration that fails; any other gives two rows."""

    units: tuple[str, ...]
    out: Path
    failed: list[str] = field(default_factory=list)

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """None: no command makes it."""

    @classmethod
    def of(cls, options: Namespace, say: Callable[[str], None]) -> StubStudy:
        """No command makes it."""
        raise NotImplementedError

    def registrations(self) -> int:
        """At most."""
        return 2 * len(self.units)

    @staticmethod
    def table(rows: Rows) -> str:
        """How many there are."""
        return str(len(rows.all))

    def run(self, advance: OnRegistration = lambda text: None, each: Each = one_by_one) -> Rows:
        """The rows of all units that are not there."""
        rows = Rows(self.out / "rows.csv", ("unit", "number"))
        missing = [unit for unit in self.units if {"unit": unit, "number": 0} not in rows]
        each(self, missing, rows.add, advance)
        return rows

    def compute(self, unit: str, advance: OnRegistration) -> Iterator[dict]:
        """Two rows."""
        if unit in ("deadly", "unlucky"):
            with open(self.out / f"{unit}.tries", "a", encoding="utf-8") as file:
                file.write("x")
            if unit == "deadly" or (self.out / f"{unit}.tries").stat().st_size == 1:
                time.sleep(0.1)
                os.kill(os.getpid(), signal.SIGKILL)
        if unit == "wrong":
            raise ValueError("Nothing is\nleft of it.")
        if unit == "strange":
            raise KeyError("no such thing")
        if unit == "astray":
            self.failed.append("astray: lost its way.")
            return
        for number in range(2):
            advance(unit)
            yield {"unit": unit, "number": number, "process": os.getpid()}
