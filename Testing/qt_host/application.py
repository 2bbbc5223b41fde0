"""slicer.app, slicer.modules and slicer.mrmlScene, as far as the module uses them."""

from __future__ import annotations

import os
import sys
import tempfile
import types

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


class Host:
    """Handle of the running stand-in; `check()` fails on anything PythonQt would only print."""

    def __init__(self) -> None:
        import slicer
        from PySide6 import QtWidgets

        from . import pythonqt, scripted, widgets

        self._pythonqt = pythonqt
        self.application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
        self.application.setStyle("Fusion")
        slicer.app = Application(pythonqt.wrap(self.application))
        slicer.selfTests = {}
        _install_qt(pythonqt, widgets)
        scripted.install()
        _start_scene(slicer)

    def process_events(self) -> None:
        self.application.processEvents()

    def check(self) -> None:
        """Raise if a slot raised or an unknown signal was connected since the last check."""
        errors = [repr(e) for e in self._pythonqt.slot_errors] + self._pythonqt.unknown_signals
        self._pythonqt.slot_errors.clear()
        self._pythonqt.unknown_signals.clear()
        if errors:
            raise AssertionError("PythonQt would have printed: " + "; ".join(errors))


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
        self.temporaryPath = tempfile.gettempdir()

    def connect(self, signature, callback) -> bool:
        if signature == "startupCompleted()":
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

    def layoutManager(self):
        return None

    def moduleManager(self):
        return self._modules

    def applicationLogic(self):
        import slicer

        return slicer._host_application_logic

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
    """The scene with the module logics that the real application would have registered."""
    import vtk

    scene, logic = slicer.vtkMRMLScene(), slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    logic.SetTemporaryPath(slicer.app.temporaryPath)
    logic.GetColorLogic().SetMRMLScene(scene)
    logic.GetColorLogic().AddDefaultColorNodes()
    logic.SetSliceLogics(vtk.vtkCollection())
    logic.SetViewLogics(vtk.vtkCollection())
    slicer.mrmlScene, slicer._host_application_logic = scene, logic
    slicer.modules = types.SimpleNamespace()
    names = {
        "colors": slicer.vtkSlicerColorLogic,
        "volumes": slicer.vtkSlicerVolumesLogic,
        "terminologies": slicer.vtkSlicerTerminologiesModuleLogic,
        "segmentations": slicer.vtkSlicerSegmentationsModuleLogic,
        "subjecthierarchy": slicer.vtkSlicerSubjectHierarchyModuleLogic,
        "markups": slicer.vtkSlicerMarkupsLogic,
        "models": slicer.vtkSlicerModelsLogic,
        "transforms": slicer.vtkSlicerTransformLogic,
        "sequences": slicer.vtkSlicerSequencesLogic,
        "tables": slicer.vtkSlicerTablesLogic,
    }
    for name, logic_class in names.items():
        module_logic = logic_class()
        module_logic.SetMRMLApplicationLogic(logic)  # before the scene
        module_logic.SetMRMLScene(scene)
        logic.SetModuleLogic(name.capitalize(), module_logic)
        module = types.SimpleNamespace(logic=lambda found=module_logic: found)
        setattr(slicer.modules, name, module)
    for colour in ("Red", "Yellow", "Green"):
        for kind in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode"):
            node = slicer.vtkMRMLScene.CreateNodeByClass(scene, kind)
            node.SetSingletonTag(colour)
            node.SetLayoutName(colour)
            scene.AddNode(node)


_host: Host | None = None


def start() -> Host:
    """The one host of this process."""
    global _host
    if _host is None:
        _host = Host()
    return _host
