"""Stopping a run early: a ``cancel`` file in its folder, a signal, or the end of its parent."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

CANCEL_FILE = "cancel"


class Cancelled(Exception):
    """The run was asked to stop."""


class CancelFlag:
    """Asked between samples; the run then keeps what is finished.

    Args:
        folder: the result folder; a file named CANCEL_FILE in it stops the run.
        parent_pid: stop when this process has ended (0: not watched; not watched on Windows,
            where asking a process whether it lives can end it).
    """

    def __init__(self, folder: Path, parent_pid: int = 0) -> None:
        self.file = Path(folder) / CANCEL_FILE
        self.parent_pid = parent_pid if os.name == "posix" else 0
        self._signalled = False

    def listen(self) -> None:
        """Let SIGTERM and Ctrl-C ask for the same orderly stop; a second one stops at once.

        Only the main thread of a process can listen; in others nothing changes.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number, frame) -> None:
        self._signalled = True
        signal.signal(number, signal.SIG_DFL)

    def check(self) -> None:
        """Raise Cancelled when the run was asked to stop."""
        if self._signalled or self.file.exists() or not self._parent_lives():
            raise Cancelled

    def _parent_lives(self) -> bool:
        if not self.parent_pid:
            return True
        try:
            os.kill(self.parent_pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
