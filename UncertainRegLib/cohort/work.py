"""One pair, in a worker process: a result folder that is whole or not there."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from .. import __version__
from ..backbones.failures import told
from ..environment import forget_peak_memory
from ..jobs import run
from ..jobs.events import Silent
from ..results import decision
from ..results.reader import read_record
from .finished import is_finished
from .folder import CohortFolder
from .pairs_file import Pair

DRAFT, ASIDE, RUBBISH = ".draft", ".before", ".rubbish"  # what names in progress end in


@dataclass(frozen=True)
class Outcome:
    """What became of a pair.

    Attributes:
        name: its id.
        why: a sentence where it failed; else empty.
        was_there: it was finished already.
        seconds: that it took.
    """

    name: str
    why: str = ""
    was_there: bool = False
    seconds: float = 0.0


def work(pair: Pair, folder: CohortFolder, version: str) -> Outcome:
    """Register a pair unless that is done.

    Args:
        version: of UncertainReg, where the cohort was started.
    """
    started = time.perf_counter()
    if version != __version__:
        why = (
            f"Its worker has UncertainReg {__version__}, and the cohort was started with {version}."
        )
        return Outcome(pair.name, why)
    target = folder.result(pair.name)
    draft = target.with_name(f".{pair.name}.{uuid.uuid4().hex[:8]}{DRAFT}")
    try:
        if is_finished(target, pair):
            return Outcome(pair.name, was_there=True, seconds=time.perf_counter() - started)
        forget_peak_memory()
        run(replace(pair.job, out=str(draft)), Silent())
        if read_record(draft).status != "complete":
            return Outcome(pair.name, "Its run was stopped.", seconds=time.perf_counter() - started)
        _put(draft, target, pair)
    except Exception as error:
        return Outcome(pair.name, told(error), seconds=time.perf_counter() - started)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Outcome(pair.name, seconds=time.perf_counter() - started)


def _put(draft: Path, target: Path, pair: Pair) -> None:
    """Give a finished result its place in one step; decisions about an older one stay."""
    try:
        os.rename(draft, target)
        return
    except OSError:
        if not target.exists():
            raise
    if is_finished(target, pair):  # another worker was asked as well, and was faster
        return
    aside = target.with_name(f".{pair.name}{ASIDE}")
    os.rename(target, aside)
    if (aside / decision.FILE).exists():
        shutil.copy2(aside / decision.FILE, draft / decision.FILE)
    os.rename(draft, target)
    shutil.rmtree(aside, ignore_errors=True)


def sweep(folder: CohortFolder) -> None:
    """Remove what workers left that were killed.

    Each folder is renamed first: a worker that still writes into it cannot put it in place any more.
    """
    if not folder.pairs.is_dir():
        return
    with os.scandir(folder.pairs) as found:
        left = [Path(one.path) for one in found if one.name.startswith(".")]
    for path in left:
        target = path.with_name(path.name[1:].removesuffix(ASIDE))
        if path.name.endswith(ASIDE) and not target.exists():
            os.rename(path, target)  # killed before the new one was in its place
            continue
        if path.name.endswith((DRAFT, ASIDE)):
            rubbish = path.with_name(f".{uuid.uuid4().hex[:8]}{RUBBISH}")
            try:
                os.rename(path, rubbish)
            except FileNotFoundError:  # finished meanwhile
                continue
            path = rubbish
        if path.name.endswith(RUBBISH):
            shutil.rmtree(path, ignore_errors=True)
