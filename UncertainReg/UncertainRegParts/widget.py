"""The panel as a whole: its life in the application, and what its sections share."""

import html
import importlib
import sys

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from .logic import UncertainRegLogic
from .sections.progress import ProgressSection
from .sections.results import ResultsPanel
from .sections.settings import SettingsSection


class UncertainRegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: inputs, method, Apply; progress; results."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = self.settings = self.progress = self.results = None
        self._parameterNode = self._guiTag = None
        self._shortcuts, self._panel = [], None
        # Identifier of the run whose map the views were given, and that map.
        self._shownRun = self._shownMap = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/UncertainReg.ui"))
        self.layout.addWidget(uiWidget)
        self._panel = uiWidget
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = UncertainRegLogic()
        self.logic.onChanged = self._showRun
        self.settings = SettingsSection(self.ui)
        self.progress = ProgressSection(self.ui)
        self.results = ResultsPanel(self.ui)
        self._shortcuts = [
            self._shortcut("Shift+F", self.results.maps.flicker),
            self._shortcut("Shift+P", self.results.probe.pin),
        ]
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.ui.cancelButton.connect("clicked(bool)", self.onCancel)
        self.initializeParameterNode()
        self.results.refresh()
        self._showRun()
        if getattr(self.parent, "isEntered", False):  # reloaded: enter() is not called again
            self._setActive(True)

    def _shortcut(self, keys: str, slot):
        """A key combination for the whole application, off until the module is entered."""
        shortcut = qt.QShortcut(self.parent)
        shortcut.setKey(qt.QKeySequence(keys))
        shortcut.setContext(qt.Qt.ApplicationShortcut)
        shortcut.connect("activated()", slot)
        shortcut.enabled = False
        return shortcut

    def cleanup(self):
        """The module is unloaded or reloaded, or the application exits: leave nothing behind."""
        if self.logic is not None:
            self.logic.onChanged = lambda: None
            self.logic.cleanup()
            self._setActive(False)
            for shortcut in self._shortcuts:  # a reloaded module makes its own
                shortcut.deleteLater()
            self._shortcuts = []
            self.results.removeObservers()
            self.setParameterNode(None)
        self.removeObservers()

    def onReload(self):
        """Slicer's *Reload* reads the module file again; here the parts and the library, too.

        A run or an evaluation is stopped before, as when the module is closed: it would go on in
        the code that is gone. Where a file cannot be read, the old panel stays and says that it
        is good for nothing but the next *Reload*.
        """
        self.cleanup()
        forgetCode()
        try:
            super().onReload()
        except Exception as error:
            self._panel.enabled = False
            self.layout.insertWidget(0, qt.QLabel(reloadFailed(error)))
            raise

    def enter(self):
        self.initializeParameterNode()
        self.results.refresh()
        self._setActive(True)

    def exit(self):
        self._setActive(False)
        self.setParameterNode(None)

    def _setActive(self, active: bool):
        """Shortcuts and read-out only work while the module is entered."""
        self.results.probe.setActive(active)
        for shortcut in self._shortcuts:
            shortcut.enabled = active

    def onSceneStartClose(self, caller, event):
        self.logic.kill()
        self._shownRun = None
        self.results.clear()
        self.setParameterNode(None)
        self._showRun()

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event):
        self.results.refresh()
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self):
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode):
        """Bind the panel to a parameter node, or to none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(
                self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._showParameters
            )
        self._parameterNode = self.settings.parameters = parameterNode
        if parameterNode is not None:
            self._guiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self._showParameters)
            self._showParameters()

    def onApply(self):
        self._shownRun = None
        self.logic.start(self._parameterNode)

    def onCancel(self):
        self.logic.run.cancel()

    def _showParameters(self, caller=None, event=None):
        """The choices and Apply follow the parameter node."""
        self.settings.show()
        missing = self.logic.missing(self._parameterNode)
        running = self.logic.run is not None and self.logic.run.isActive
        self.ui.applyButton.enabled = not missing and not running
        self.ui.applyButton.text = _("Running") if running else missing or _("Apply")

    def _showRun(self):
        """Progress, messages and new results of the current run."""
        if self._parameterNode is not None:
            self._showParameters()
        run = self.logic.run
        self.progress.show(run, self.logic.error)
        if run is not None and run.result is not None and run.resultIsNew:
            run.resultIsNew = False
            self._showResult(run.result)

    def _showResult(self, result):
        """Show the map that a run is first judged by; when there is a better one, that one instead,
        unless the user has chosen another meanwhile."""
        from UncertainRegLib.results.maps import main_map

        main, chosen = main_map(result.maps), self.results.maps.name
        isFirst = result.run != self._shownRun
        self.results.refresh(result.run, showMap=isFirst)
        if not isFirst and main != self._shownMap and chosen == self._shownMap:
            self.results.maps.chooseMain()
        self._shownRun, self._shownMap = result.run, main


def reloadFailed(error: Exception) -> str:
    """What the panel says after a *Reload* that failed."""
    return _(
        "<b>Reload failed</b>, and this panel is no longer connected to anything.<br>{error}<br>"
        "Correct the file and press Reload again."
    ).format(error=html.escape(f"{type(error).__name__}: {error}"))


def forgetCode() -> None:
    """Whoever imports a part of the module or of the library from now on gets it from its file."""
    for name in list(sys.modules):
        if name.partition(".")[0] in ("UncertainRegParts", "UncertainRegLib"):
            del sys.modules[name]
    importlib.invalidate_caches()  # else a file that is new may not be found
