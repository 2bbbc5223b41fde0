"""Work of the library that is done in small steps, so that the application answers meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

import qt
import slicer


class Stepper:
    """Does one step (``UncertainRegLib.scene.steps``) whenever the application has nothing else to do.

    Attributes:
        busy: seconds that the steps have taken since ``start``.
    """

    def __init__(self, parent=None) -> None:
        """
        Args:
            parent: a widget of the panel, with which it goes; without one, ``delete`` it.
        """
        self._steps, self._onEnd, self.busy = None, None, 0.0
        self._timer = qt.QTimer(parent)  # not singleShot, which never lets go of what it calls
        self._timer.connect("timeout()", self._onTimer)

    @property
    def isActive(self) -> bool:
        """Are there steps left?"""
        return self._steps is not None

    def start(self, steps, onEnd: Callable) -> None:
        """Begin, after giving up what is not finished; at the end comes ``onEnd(value, error)``: what
        the steps return, and None or what one of them raised."""
        self.stop()
        self._steps, self._onEnd, self.busy = steps, onEnd, 0.0
        self._timer.start(0)

    def stop(self) -> None:
        """Give up the rest; ``onEnd`` does not come."""
        if self._timer is not None:
            self._timer.stop()
        steps, self._steps, self._onEnd = self._steps, None, None
        if steps is not None:
            steps.close()

    def delete(self) -> None:
        """Stop for good; else the slot of the timer keeps its owner for ever."""
        if self._timer is not None:
            self.stop()
            self._timer.deleteLater()
            self._timer = None

    def _onTimer(self) -> None:
        """One step; what it changes is drawn once."""
        started, value, error = time.monotonic(), None, None
        try:
            with slicer.util.RenderBlocker():
                next(self._steps)
            return
        except StopIteration as end:
            value = end.value
        except Exception as problem:  # whatever it is: who waits for the end has to hear of it
            error = problem
        finally:
            self.busy += time.monotonic() - started
        onEnd = self._onEnd
        self.stop()
        onEnd(value, error)
