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

from .logic import UncertainRegLogic, chosen, notInstalled
from .parameters import NODES
from .sections.firstminute import SAMPLES, FirstMinute
from .sections.fitting import FittingSection
from .sections.install import InstallSection
from .sections.progress import ProgressSection
from .sections.results import ResultsPanel
from .sections.settings import SettingsSection
from .sections.setup import SetupSection


class UncertainRegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: inputs, method, Apply; progress; results."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = self.setupLine = self.settings = self.install = None
        self.progress = self.results = self.firstMinute = self.fitting = None
        self._parameterNode = self._guiTag = None
        self._shortcuts = []
        # Identifier of the run whose map the views were given, and that map.
        self._shownRun = self._shownMap = None
        self._uiWidget, self._tagged = None, set()
        self._removed, self._timer = set(), None  # parameters whose node was removed

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = self._uiWidget = slicer.util.loadUI(self.resourcePath("UI/UncertainReg.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = UncertainRegLogic()
        self.logic.onChanged = self._showRun
        self._timer = qt.QTimer(uiWidget)
        self._timer.setSingleShot(True)
        self._timer.connect("timeout()", self._onTimer)
        self.setupLine = SetupSection(self.ui)
        self.settings = SettingsSection(self.ui)
        self.install = InstallSection(self.ui)
        self.install.onCheck = self._onInstalled
        self.fitting = FittingSection(self.ui)
        self.fitting.onChoose = self._useEngine
        self.progress = ProgressSection(self.ui)
        self.results = ResultsPanel(self.ui)
        self.results.onRemoved = self.logic.forget
        self.results.validate.onUse = self._useEngine
        self.firstMinute = FirstMinute(self.ui, self.results)
        self.firstMinute.onStart = self._startExample
        self._shortcuts = [
            self._shortcut("Shift+F", self.results.maps.flicker),
            self._shortcut("Shift+P", self.results.probe.pin),
        ]
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        # Before the choosers notice, which would choose the neighbour of what is removed.
        self.addObserver(
            scene, scene.NodeAboutToBeRemovedEvent, self.onNodeAboutToBeRemoved, priority=1.0
        )
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)
        self.addObserver(scene, scene.NodeAddedEvent, self.onNodeAdded)
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
            self._uiWidget.setMRMLScene(
                None
            )  # the choosers listen to the scene as long as they live
            self.results.clear()
        self.removeObservers()

    def onReload(self):
        """Slicer's *Reload* reads the module file again; here the parts and the library, too.

        A run or an evaluation is stopped before, as when the module is closed: it would go on in
        the code that is gone. Where a file cannot be read, the old panel stays and says that it
        is good for nothing but the next *Reload*.
        """
        old = [child for child in self.parent.children() if child.inherits("QWidget")]
        self.cleanup()
        forgetCode()
        try:
            super().onReload()
        except Exception as error:
            self._uiWidget.enabled = False
            self.layout.insertWidget(0, qt.QLabel(reloadFailed(error)))
            raise
        for widget in old:  # Slicer only hides them
            widget.deleteLater()

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
        self.logic.cleanup()  # the results go with the scene
        self._shownRun = None
        self.results.clear()
        self.setupLine.fold(False)
        self.setParameterNode(None)
        self._showRun()

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneStartImport(self, caller, event):
        from UncertainRegLib.scene.copies import tagged

        self._tagged = tagged(slicer.mrmlScene)

    def onSceneEndImport(self, caller, event):
        from UncertainRegLib.scene.copies import rename_copies

        rename_copies(slicer.mrmlScene, self._tagged)
        self._tagged = set()
        self.results.refresh()
        if self.parent.isEntered:
            self.initializeParameterNode()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeRemoved(self, caller, event, node):
        self.results.onNodeRemoved(node)
        if self._parameterNode is not None and self._removed:
            self._chooseNone()
            self._timer.start(0)  # once more, after the choosers

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAboutToBeRemoved(self, caller, event, node):
        if self._parameterNode is not None:
            self._removed |= {name for name in NODES if getattr(self._parameterNode, name) is node}

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAdded(self, caller, event, node):
        if node.IsA("vtkMRMLScalarVolumeNode"):
            self.settings.hideMaps()

    def _chooseNone(self):
        """Nothing is chosen where the chosen node was removed, not another one."""
        for name in self._removed if self._parameterNode is not None else ():
            setattr(self._parameterNode, name, None)
        if self._parameterNode is not None:
            self._showParameters()

    def _onTimer(self):
        self._chooseNone()
        self._removed.clear()

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

    def _startExample(self, nodes):
        """Register the example of the first minute."""
        parameters = self._parameterNode
        with slicer.util.NodeModify(parameters):
            parameters.fixedVolume, parameters.movingVolume = nodes["fixed"], nodes["moving"]
            parameters.movingSegmentation = nodes["moving_segmentation"]
            parameters.movingLandmarks = nodes["moving_points"]
            parameters.fixedLandmarks = nodes["fixed_points"]
            parameters.fixedSegmentation = parameters.fixedMask = parameters.movingMask = None
            parameters.backbone, parameters.method = "demons", "equivariance"
            parameters.samples = SAMPLES
        self._shownRun = None
        self.logic.start(parameters)

    def onApply(self):
        self.firstMinute.close()  # whoever starts a run needs no introduction
        self._shownRun = None
        self.logic.start(self._parameterNode)

    def onCancel(self):
        self.logic.run.cancel()

    def _useEngine(self, name):
        """Choose another registration method; Apply stays with the user."""
        if self.logic.run is not None and self.logic.run.isActive:
            self.logic.run.cancel()
        self.setupLine.fold(False)
        self._parameterNode.backbone = name

    def _showParameters(self, caller=None, event=None):
        """The choices and Apply follow the parameter node."""
        self.settings.show()
        self.fitting.show(self.logic.run, self._parameterNode)
        self.settings.hideMaps()
        self.setupLine.show(self._parameterNode)
        found = chosen(self._parameterNode)
        self.install.show(notInstalled(found))
        missing = self.logic.missing(self._parameterNode, found)
        running = self.logic.run is not None and self.logic.run.isActive
        self.ui.applyButton.enabled = not missing and not running
        self.ui.applyButton.text = _("Running") if running else missing or _("Apply")

    def _onInstalled(self):
        """While something is missing: look whether it has been installed meanwhile."""
        if self._parameterNode is not None and notInstalled(chosen(self._parameterNode)) is None:
            self.settings.offer()
            self._showParameters()

    def _showRun(self):
        """Progress, messages and new results of the current run."""
        if self._parameterNode is not None:
            self._showParameters()
        run = self.logic.run
        self.progress.show(run, self.logic.error)
        self.ui.removeButton.enabled = run is None or not run.isActive
        if run is not None and run.result is not None and run.resultIsNew:
            run.resultIsNew = False
            self._showResult(run.result)
        self.firstMinute.showRun(run)

    def _showResult(self, result):
        """Show the map that a run is first judged by; when there is a better one, that one instead,
        unless the user has chosen another meanwhile."""
        from UncertainRegLib.results.maps import main_map

        main, chosen = main_map(result.maps), self.results.maps.name
        isFirst = result.run != self._shownRun
        if isFirst:
            self.setupLine.fold(True)
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
