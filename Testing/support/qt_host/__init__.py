"""A small stand-in for Slicer's Qt side, to run the real module code in tests.

PySide6 draws, slicer-core brings the real MRML scene, and a thin layer makes PySide6 behave like
the PythonQt of the application - more strictly where the two differ, so that what passes here has
a good chance there. Start with ``host = qt_host.start()`` before importing the module.
"""

import slicer  # noqa: F401 - without these two there is no host; the tests are then skipped
from PySide6 import QtUiTools, QtWidgets  # noqa: F401

from .application import Host, start

__all__ = ["Host", "start"]
