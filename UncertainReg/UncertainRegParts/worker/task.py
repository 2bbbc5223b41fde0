"""What a run and an evaluation share: a command in its own process, from its start to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from ..wording import translated
from .process import Worker, workerScript


class Task:
    """One command of the library at work; each kind of task says what its end means.

    Attributes:
        state: running, cancelling, loading, complete, partial, cancelled or failed.
        finished, asked, secondsLeft: progress; asked is 0 and secondsLeft None as long as they
            are unknown.
        agreement: how well a map of as many other samples would agree, or None.
        error: one sentence from the worker when it failed.
        names: path of a file -> what people call it; the worker's sentences name paths.
        worker: the process; ``worker.log`` has its last words.
    """

    def __init__(self, onChanged: Callable[[], None]) -> None:
        """
        Args:
            onChanged: called whenever an attribute changed.
        """
        self.state, self.error = "running", ""
        self.finished, self.asked, self.secondsLeft, self.agreement = 0, 0, None, None
        self.names: dict[str, str] = {}
        self.worker = Worker(self._onEvent, self._onWorkerEnd)
        self._onChanged = onChanged

    @property
    def isActive(self) -> bool:
        """Is the worker, or the reading of its result, not finished yet?"""
        return self.state in ("running", "cancelling", "loading")

    def cancel(self) -> None:
        """Ask the worker to stop after the registration that is being computed."""
        if self.state == "running":
            self.worker.cancel()
            self.state = "cancelling"
            self._onChanged()

    def kill(self) -> None:
        """Stop at once; nothing is reported any more, and the scene is not touched."""
        if self.isActive:
            self._onChanged = lambda: None
            self.state = "cancelled"
            self.worker.kill()
            slicer.app.disconnect("aboutToQuit()", self.kill)

    def told(self, text: str) -> str:
        """A sentence of the library in the language of the application, with the names of volumes
        and files instead of their paths."""
        text = translated(text)
        for path in sorted(self.names, key=len, reverse=True):
            text = text.replace(path, self.names[path])
        return text

    def _startWorker(self, arguments: list[str], out: Path) -> None:
        """Start the command, which works on the folder ``out``.

        Raises:
            RuntimeError: the worker cannot be started.
        """
        self.worker.start(workerScript(), arguments, out)
        slicer.app.connect("aboutToQuit()", self.kill)

    def _onEvent(self, event: dict) -> None:
        """One JSON line of the worker."""
        if event.get("event") == "sample":
            self.finished, self.asked = event["finished"], event["asked"]
            self.secondsLeft, self.agreement = event.get("eta_s"), event.get("agreement")
            self._onChanged()
        elif event.get("event") == "failed":
            self.error = self.told(event["error"])

    def _onWorkerEnd(self, exitCode: int) -> None:
        slicer.app.disconnect("aboutToQuit()", self.kill)
        self._attempt(self._onEnd, exitCode)

    def _attempt(self, step: Callable, *arguments) -> None:
        """A step after the worker's end; whatever goes wrong in it, the task is over then."""
        try:
            step(*arguments)
        except Exception as error:
            logging.exception("UncertainReg: the end of a task went wrong")
            self.error = self.error or _("The result cannot be shown: {reason}").format(
                reason=self.told(str(error)) or type(error).__name__
            )
            self._fail()

    def _fail(self) -> None:
        """End without what was asked for; ``error`` says why."""
        self.state = "failed"
        self._onChanged()

    def _onEnd(self, exitCode: int) -> None:
        """The worker ended by itself; comes after its last event."""
        raise NotImplementedError


def duration(seconds: float) -> str:
    """A time for people: "41 s", "3 min", "1 h 5 min"."""
    if seconds < 90:
        return _("{n} s").format(n=round(seconds))
    minutes = round(seconds / 60)
    if minutes < 60:
        return _("{n} min").format(n=minutes)
    return _("{h} h {m} min").format(h=minutes // 60, m=minutes % 60)
