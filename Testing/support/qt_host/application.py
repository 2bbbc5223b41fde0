"""slicer.app, slicer.modules and slicer.mrmlScene, as far as the module uses them."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
import types

os.environ["QT_QPA_PLATFORM"] = "offscreen"  # never the windows of whoever runs the tests


def _make_constants_immortal() -> None:
    """PySide6 6.12 takes a reference too many from None and True, which only 3.12 forgives."""
    if sys.version_info < (3, 12):
        for constant in (None, True, False):
            ctypes.c_ssize_t.from_address(id(constant)).value += 1 << 40


class Host:
    """Handle of the running stand-in; `check()` fails on anything PythonQt would only print."""

    def __init__(self) -> None:
        import slicer
        from PySide6 import QtCore, QtWidgets

        from . import pythonqt, scripted, widgets

        _make_constants_immortal()
        self._pythonqt, self._deferred = pythonqt, QtCore.QEvent.DeferredDelete
        self.application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
        self.application.setStyle("Fusion")
        slicer.app = Application(pythonqt.wrap(self.application))
        slicer.selfTests = {}
        _install_qt(pythonqt, widgets)
        scripted.install()
        _start_scene(slicer)

    def process_events(self) -> None:
        """One turn of the event loop, which also deletes what was to be deleted later."""
        self.application.processEvents()
        self.application.sendPostedEvents(None, self._deferred)

    def load_module(self, path: str | os.PathLike):
        """Load a scripted module as the application does; returns the Python module."""
        import importlib

        import slicer

        path = os.path.abspath(path)
        folder, name = os.path.dirname(path), os.path.basename(path).removesuffix(".py")
        if folder not in sys.path:
            sys.path.insert(0, folder)
        module = importlib.import_module(name)
        parent = types.SimpleNamespace(path=path, title="", categories=[])
        setattr(slicer.modules, name + "Instance", getattr(module, name)(parent))
        setattr(slicer.modules, name.lower(), parent)
        return module

    def make_widget(self, widget_class):
        """A module's widget, set up, shown and entered as by choosing it in the application."""
        import qt
        import slicer

        parent = slicer.qSlicerScriptedLoadableModuleWidget()
        parent.setLayout(qt.QVBoxLayout())
        parent.setMRMLScene(slicer.mrmlScene)
        widget = _set_up(widget_class, parent)
        module = getattr(slicer.modules, widget.moduleName.lower())
        module.widgetRepresentation = lambda: parent
        parent.setEntered(True)
        widget.enter()
        parent.show()
        return widget

    def unload(self, widget) -> None:
        """What the application does to a module's widget when it exits or unloads the module."""
        import slicer

        slicer.app.moduleManager().unload(widget.moduleName)
        self.process_events()

    def check(self) -> None:
        """Raise if a slot raised or an unknown signal was connected since the last check."""
        errors = [repr(e) for e in self._pythonqt.slot_errors] + self._pythonqt.unknown_signals
        self._pythonqt.slot_errors.clear()
        self._pythonqt.unknown_signals.clear()
        if errors:
            raise AssertionError("PythonQt would have printed: " + "; ".join(errors))


def _set_up(widget_class, parent):
    """A module's widget in its parent, which can make it again from the module as it is then."""
    import slicer

    def again() -> None:
        module = sys.modules[widget.moduleName]
        _set_up(getattr(module, widget_class.__name__), parent)

    parent._raw.make_again = again
    widget = widget_class(parent)
    setattr(slicer.modules, widget_class.__name__, widget)
    widget.setup()
    return widget


class ModuleManager:
    def __init__(self) -> None:
        self.callbacks = []

    def connect(self, signature, callback) -> bool:
        assert signature == "moduleAboutToBeUnloaded(QString)"
        self.callbacks.append(callback)
        return True

    def disconnect(self, signature, callback) -> bool:
        self.callbacks.remove(callback)
        return True

    def unload(self, name: str) -> None:
        for callback in list(self.callbacks):
            callback(name)


class Application:
    """The few members of qSlicerApplication that the module may use; others raise."""

    applicationName = "Slicer"

    def __init__(self, qt_application) -> None:
        self._qt, self._modules = qt_application, ModuleManager()
        self.at_startup = []  # what is called when the application has started: by nobody here
        self.temporaryPath = tempfile.gettempdir()
        self._settings = os.path.join(tempfile.mkdtemp(prefix="settings-"), "Slicer.ini")

    def connect(self, signature, callback) -> bool:
        if signature == "startupCompleted()":
            self.at_startup.append(callback)
            return True
        return self._qt.connect(signature, callback)

    def disconnect(self, signature, callback) -> bool:
        return self._qt.disconnect(signature, callback)

    def processEvents(self) -> None:
        self._qt.processEvents()

    def topLevelWidgets(self):
        return self._qt.topLevelWidgets()

    def testingEnabled(self) -> bool:
        return True

    def userSettings(self):
        """Empty at first, and gone with the process: never those of whoever runs the tests."""
        import qt

        return qt.QSettings(self._settings, qt.QSettings.IniFormat)

    def layoutManager(self):
        return None

    def moduleManager(self):
        return self._modules

    def applicationLogic(self):
        import slicer

        return slicer._host_scene.application_logic

    def translate(self, context: str, text: str) -> str:
        return text

    def setOverrideCursor(self, cursor) -> None:
        pass

    def restoreOverrideCursor(self) -> None:
        pass

    def pauseRender(self) -> None:
        pass

    def resumeRender(self) -> None:
        pass


def _install_qt(pythonqt, widgets) -> None:
    import slicer

    qt = pythonqt.QtModule("qt")
    qt.replaced["QUiLoader"] = widgets.UiLoader
    ctk = types.ModuleType("ctk")
    for widget in widgets.CTK_WIDGETS:
        setattr(ctk, widget.__name__, pythonqt.wrapper_class(widget))
    for widget in widgets.QMRML_WIDGETS:
        setattr(slicer, widget.__name__, pythonqt.wrapper_class(widget))
    sys.modules["qt"], sys.modules["ctk"] = qt, ctk


def _start_scene(slicer) -> None:
    """The scene with the module logics and slice views that the real application would have."""
    from UncertainRegLib.scene.headless import HeadlessScene

    headless = HeadlessScene()
    slicer.mrmlScene, slicer._host_scene = headless.scene, headless
    slicer.modules = types.SimpleNamespace()
    for name, logic in headless.logics.items():
        module = types.SimpleNamespace(logic=lambda found=logic: found)
        setattr(slicer.modules, name.lower(), module)
    for colour in ("Red", "Yellow", "Green"):
        for kind in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode"):
            node = headless.scene.CreateNodeByClass(kind)
            node.UnRegister(None)
            node.SetSingletonTag(colour)
            node.SetLayoutName(colour)
            headless.scene.AddNode(node)


_host: Host | None = None


def start() -> Host:
    """The one host of this process."""
    global _host
    if _host is None:
        _host = Host()
    return _host
