"""The list of pairs: a CSV whose columns are the options of ``run``, and ``id`` and ``group``."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

from ..jobs import Job
from ..jobs.inputs import read_label_names
from ..jobs.job import LISTS, PATHS
from ..json_text import each_once
from ..pair_list import Line, read_lines
from ..results.record import Record

OWN = ("id", "group")
NOT_OF_A_PAIR = ("out", "scene", "names", "parent_pid")
KINDS = {one.name: one.type for one in fields(Job) if one.name not in NOT_OF_A_PAIR}
COLUMNS = (*OWN, *KINDS)
IN_WORDS = (
    f"columns: {', '.join(COLUMNS)}. Fixed and moving are needed; the others are the options of "
    "`run`, empty for their default. Paths are relative to the list; several files of a transform "
    "are separated by semicolons; yes or no for what is switched on; JSON for parameters."
)
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,118}[A-Za-z0-9_-])?")
YES, NO = ("yes", "true", "1"), ("no", "false", "0")


@dataclass(frozen=True)
class Pair:
    """One line of the list.

    Attributes:
        name: the id, unique in the list: the name of its folder.
        group: of pairs that belong together, in the person's own words.
        line: in the file.
        job: what is asked; "out" is empty.
        problems: what is wrong with the line, a sentence each.
    """

    name: str
    group: str
    line: int
    job: Job
    problems: tuple[str, ...] = ()

    def differs(self, record: Record) -> str:
        """By which setting a result was made with something else, in words; empty where it was
        not. Files are not looked at, see `finished`."""
        if not record.job:
            return "was made by an older version, which did not say how"
        if self.problems:  # the files beside the list have moved since: nothing can be told
            return ""
        for name, mine in self.job.settings().items():
            if name in record.job and record.job[name] != mine:
                return f"was made with {name} {record.job[name]!r}, not {mine!r}"
        return ""


def read_pairs(path: Path, relative_to: Path | None = None) -> Iterator[Pair]:
    """The pairs of a list, in its order.

    Args:
        relative_to: the folder that its paths are relative to; None is that of the list.

    Raises:
        PairsError: no such file, no CSV, or a column that is missing, unknown or there twice.
    """
    for line in read_lines(path, COLUMNS):
        yield _pair(relative_to or path.parent, line)


def problems(path: Path) -> Iterator[str]:
    """All that is wrong with the lines of a list, a sentence each; no file of theirs is opened."""
    with closing(sqlite3.connect("")) as names:  # a file: a set of 100,000 names is no small thing
        names.execute("CREATE TABLE seen (name TEXT PRIMARY KEY COLLATE NOCASE, line INTEGER)")
        empty = True
        for pair in read_pairs(path):
            empty = False
            yield from (f"Line {pair.line}: {text}" for text in pair.problems)
            entry = (pair.name, pair.line)
            if names.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", entry).rowcount == 0:
                found = names.execute("SELECT line FROM seen WHERE name = ?", entry[:1])
                (first,) = found.fetchone()
                yield (
                    f"Line {pair.line}: the id {pair.name} is that of line {first}; give each pair "
                    "one of its own in a column id."
                )
        if empty:
            yield f"{path}: lists no pair."


def _pair(folder: Path, line: Line) -> Pair:
    """What a line says; what it says wrong is in the problems of the pair."""
    wrong = []
    if line.is_too_long:
        wrong.append("has more cells than the heading.")
    given = line.cells
    job = Job()
    for name, text in given.items():
        if name in OWN:
            continue
        try:
            setattr(job, name, _value(name, text, folder))
        except ValueError as error:
            wrong.append(f"{name}: {error}")
    try:
        job.out = "out"  # is needed, and not the line's to say
        job.check()
    except ValueError as error:
        wrong.append(str(error))
    job.out = ""
    name = given.get("id") or f"{_stem(job.fixed)}-from-{_stem(job.moving)}"
    if not NAME.fullmatch(name):
        wrong.append(
            f"the id {name!r} cannot name a folder; use up to 120 letters, digits, dots, hyphens and "
            "underscores, and begin with a letter or a digit."
        )
    return Pair(name, given.get("group", ""), line.number, job, tuple(wrong))


def _value(name: str, text: str, folder: Path) -> object:
    """A cell as an entry of a job.

    Raises:
        ValueError: it is of another kind.
    """
    if name in PATHS:
        return str(folder / text)
    if name in LISTS:
        return [str(folder / one.strip()) for one in text.split(";") if one.strip()]
    if name == "label_names":
        return _label_names(str(folder / text))
    if name == "backbone" and ("/" in text or text.endswith(".json")):  # a model, or a network
        return str(folder / text)
    if KINDS[name] == "int":
        try:
            return int(text)
        except ValueError:
            raise ValueError(f"{text!r} is no whole number.") from None
    if KINDS[name] == "float":
        try:
            return float(text)
        except ValueError:
            raise ValueError(f"{text!r} is no number.") from None
    if KINDS[name] == "bool":
        if text.lower() not in YES + NO:
            raise ValueError(f"{text!r} is neither yes nor no.")
        return text.lower() in YES
    if KINDS[name] == "dict":
        try:
            return json.loads(text, object_pairs_hook=each_once)
        except ValueError as error:
            raise ValueError(f"is not valid JSON ({error}).") from None
    return text


@lru_cache(maxsize=64)
def _label_names(file: str) -> dict[str, str]:
    return read_label_names(file)


def _stem(path: str) -> str:
    """A file name without its endings."""
    return Path(path).name.split(".")[0]
