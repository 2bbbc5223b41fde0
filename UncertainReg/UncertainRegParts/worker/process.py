"""The worker process of one run: started, listened to, cancelled, and never left behind."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import qt
from slicer.i18n import tr as _

GRACE_MS = 10_000  # a cancelled worker may finish its registration for so long
LOG_LIMIT = 20_000  # characters kept of what the worker says besides its events
LINE_LIMIT = 1_000_000  # bytes


class Worker:
    """One command of ``UncertainRegLib`` in its own process.

    A QProcess, because a Python thread gets no time while Slicer waits for the user. Its
    JSON lines become ``onEvent(event)``; ``onEnd(exitCode)`` comes once, last, and not after
    ``kill()``.

    Attributes:
        log: the end of what the worker wrote besides its events.
        pid: number of the worker itself, None before it said so and after it ended.
    """

    def __init__(self, onEvent: Callable[[dict], None], onEnd: Callable[[int], None]) -> None:
        self.log = ""
        self._onEvent, self._onEnd = onEvent, onEnd
        self._buffer, self.pid, self._cancelFile = b"", None, None
        self._process = qt.QProcess()
        self._process.connect("readyReadStandardOutput()", self._readEvents)
        self._process.connect("readyReadStandardError()", self._readLog)
        self._process.connect("finished(int,QProcess::ExitStatus)", self._finished)
        self._grace = qt.QTimer()
        self._grace.setSingleShot(True)
        self._grace.connect("timeout()", self._killTree)

    def start(self, script: Path, arguments: list[str], out: Path) -> None:
        """Start a command, for instance "run --job FILE", that works on the folder ``out``.

        Raises:
            RuntimeError: the program cannot be started.
        """
        program = pythonProgram()
        self._cancelFile = out / "cancel"
        self._cancelFile.unlink(missing_ok=True)  # meant for a worker that was killed
        self._process.start(program, [str(script), *arguments, "--progress", "json"])
        if not self._process.waitForStarted(10_000):
            for each in (self._process, self._grace):
                each.deleteLater()
            raise RuntimeError(
                _("Cannot start {program}; check the installation of Slicer.").format(
                    program=program
                )
            )

    def cancel(self) -> None:
        """Ask the worker to stop with what it has; after a grace time it is killed.

        One that has not said its number has nothing yet, and is killed at once.
        """
        if self.pid is None:
            self._killTree()
            return
        try:
            self._cancelFile.parent.mkdir(parents=True, exist_ok=True)
            self._cancelFile.touch()
        except OSError:  # the folder is gone or full: it cannot be asked
            self._killTree()
            return
        self._grace.start(GRACE_MS)

    def kill(self) -> None:
        """End the worker and all its children at once; nothing is reported any more."""
        self._forget()
        if self._process and self._process.state() != qt.QProcess.NotRunning:
            self._killTree()
            self._process.waitForFinished(5_000)  # comes back through _finished

    def _readEvents(self) -> None:
        self._buffer += self._process.readAllStandardOutput().data()
        *lines, self._buffer = self._buffer.split(b"\n")
        if len(self._buffer) > LINE_LIMIT:  # no event is so long
            lines, self._buffer = [*lines, self._buffer], b""
        for line in lines:
            event = _event(line)
            if event is None:  # a library that prints
                self._addToLog(line[-LOG_LIMIT:] + b"\n")
                continue
            if event["event"] == "started":
                self.pid = event.get("pid")
            try:
                self._onEvent(event)
            except Exception:  # one event less; the run goes on, and its end must be heard
                logging.exception("UncertainReg: an event of the worker cannot be shown")

    def _readLog(self) -> None:
        self._addToLog(self._process.readAllStandardError().data())

    def _addToLog(self, text: bytes) -> None:
        self.log = (self.log + text.decode("utf-8", "replace"))[-LOG_LIMIT:]

    def _finished(self, exitCode: int, exitStatus: int) -> None:
        self._readEvents()
        self._readLog()
        self._grace.stop()
        self.pid = None  # the number may soon belong to another process
        # Not now, in their own slot; and not never: Qt objects that outlive the event loop with a
        # Python slot can crash the application when it exits.
        self._process.deleteLater()
        self._grace.deleteLater()
        onEnd = self._onEnd
        self._forget()
        onEnd(exitCode if exitStatus == qt.QProcess.NormalExit else -1)

    def _forget(self) -> None:
        """Let go of the task, which holds whole results and would wait for Python's collector."""
        self._onEvent, self._onEnd = (lambda event: None), (lambda exitCode: None)

    def _killTree(self) -> None:
        # PythonSlicer is a launcher: killing only what QProcess started would leave its child.
        launcher = int(self._process.processId())
        if launcher:
            killTree(launcher)
        if self.pid is not None:
            killTree(self.pid)  # a group of its own, also where the launcher is gone
        self._process.kill()


def _event(line: bytes) -> dict | None:
    """A line as an event; None if it is something else."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("event"), str) else None


def workerScript() -> Path:
    """The program of the worker: the command line of the library."""
    import UncertainRegLib

    return Path(UncertainRegLib.__file__).parent / "__main__.py"


def pythonProgram() -> str:
    """The Python that runs the worker: PythonSlicer in the application."""
    program = shutil.which("PythonSlicer") or sys.executable
    if not program:
        raise RuntimeError(_("PythonSlicer is not found; check the installation of Slicer."))
    return program


def killTree(pid: int) -> None:
    """Kill a process, its children and theirs; nothing happens if it is gone."""
    if os.name == "nt":
        command = ["taskkill", "/PID", str(pid), "/T", "/F"]
        subprocess.run(
            command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW
        )
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGSTOP)  # from now on it has no more children
        for child in childrenOf(pid):
            killTree(child)
        if os.getpgid(pid) == pid != os.getpgid(0):  # it leads its own group: Slicer is not in it
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)


def childrenOf(pid: int) -> list[int]:
    """The numbers of the processes that a process started; not on Windows."""
    try:
        lines = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, encoding="utf-8", check=False
        ).stdout.splitlines()
    except OSError:  # no such program here: the worker still stops with its parent or its file
        return []
    return [int(line.split()[0]) for line in lines if line.split()[1:] == [str(pid)]]
