"""3D Slicer module: where can a deformable registration be trusted, in millimetres."""

import importlib.util
import logging
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Union

import qt
import slicer
import vtk
from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
)
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin
from UncertainRegParts.choices import TUTORIAL, choices, methodsOf, perturbs
from UncertainRegParts.controls import blocked
from UncertainRegParts.results import ResultsPanel
from UncertainRegParts.run import Run, duration
from UncertainRegParts.sampledata import registerSampleData
from UncertainRegParts.selftest import UncertainRegTest  # noqa: F401 - Slicer looks for it here


class UncertainReg(ScriptedLoadableModule):
    """What Slicer's module list needs to know."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("UncertainReg")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        self.parent.dependencies = ["Sequences", "Segmentations"]
        self.parent.contributors = ["The UncertainReg contributors"]
        self.parent.helpText = _(
            "Registers a moving volume to a fixed one many times, each time slightly disturbed, "
            "and shows in millimetres where the answers disagree. Disagreement is not the error "
            "of the registration: it says where not to rely on it.") + TUTORIAL
        self.parent.acknowledgementText = _("For research use only.")
        slicer.app.connect("startupCompleted()", registerSampleData)


@parameterNodeWrapper
class UncertainRegParameterNode:
    """Everything the user sets before a run, and how to show it; saved with the scene.

    Names of methods are kept as plain text, so that a scene from a computer with other methods
    opens here; the Apply button says what is wrong then.
    """

    fixedVolume: vtkMRMLScalarVolumeNode
    movingVolume: vtkMRMLScalarVolumeNode
    movingSegmentation: vtkMRMLSegmentationNode
    movingLandmarks: vtkMRMLMarkupsFiducialNode
    fixedSegmentation: vtkMRMLSegmentationNode
    fixedLandmarks: vtkMRMLMarkupsFiducialNode
    fixedMask: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    movingMask: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    backbone: str = "demons"
    method: str = "equivariance"
    perturbation: str = "deform"
    sirSource: str = "trained"
    sirProposals: Annotated[int, WithinRange(10, 10000)] = 1200
    sirWeights: str = ""
    competence: bool = False
    samples: Annotated[int, WithinRange(2, 256)] = 16
    seed: Annotated[int, WithinRange(0, 999999)] = 1
    device: str = "auto"
    resultsFolder: str = ""
    leaveOutStrays: bool = False


class UncertainRegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: inputs, method, Apply; progress; results."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = self.results = self._parameterNode = self._guiTag = None
        self._shortcuts = []
        self._shownRun = None  # identifier of the run whose map the views were given

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/UncertainReg.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = UncertainRegLogic()
        self.logic.onChanged = self._showRun
        self.results = ResultsPanel(self.ui)
        self._shortcuts = [self._shortcut("Shift+F", self.results.maps.flicker),
                           self._shortcut("Shift+P", self.results.probe.pin)]
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self._combos = {"backbone": self.ui.backboneComboBox, "method": self.ui.methodComboBox,
                        "perturbation": self.ui.perturbationComboBox,
                        "sirSource": self.ui.sirSourceComboBox,
                        "device": self.ui.deviceComboBox}
        self._methodsOf = ""  # the registration whose methods are offered
        for name, offered in choices().items():
            self._offer(name, offered)
            self._combos[name].connect("currentIndexChanged(int)", self._onChoice)
        self._paths = {"resultsFolder": self.ui.resultsPathLineEdit,
                       "sirWeights": self.ui.sirWeightsPathLineEdit}
        for path in self._paths.values():
            path.connect("currentPathChanged(QString)", self._onChoice)
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
                self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._showParameters)
        self._parameterNode = parameterNode
        if parameterNode is not None:
            self._guiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self._showParameters)
            self._showParameters()

    def onApply(self):
        self._shownRun = None
        self.logic.start(self._parameterNode)

    def onCancel(self):
        self.logic.run.cancel()

    def _offer(self, name, offered):
        """Fill a combo box with (name in the job, title, tooltip)."""
        with blocked(self._combos[name]) as combo:
            combo.clear()
            for value, title, toolTip in offered:
                combo.addItem(title, value)
                combo.setItemData(combo.count - 1, toolTip, qt.Qt.ToolTipRole)

    def _onChoice(self):
        """A combo box or a path was changed by the user."""
        if self._parameterNode is None:
            return
        with slicer.util.NodeModify(self._parameterNode):
            for name, combo in self._combos.items():
                if combo.currentIndex >= 0:
                    setattr(self._parameterNode, name, combo.itemData(combo.currentIndex))
            for name, path in self._paths.items():
                setattr(self._parameterNode, name, path.currentPath)

    def _showParameters(self, caller=None, event=None):
        """Combo boxes, paths and Apply follow the parameter node."""
        parameters = self._parameterNode
        if parameters.backbone != self._methodsOf:
            self._methodsOf = parameters.backbone
            self._offer("method", methodsOf(parameters.backbone))
        for name, combo in self._combos.items():
            with blocked(combo):
                combo.currentIndex = combo.findData(getattr(parameters, name))
        for name, path in self._paths.items():
            if path.currentPath != getattr(parameters, name):
                with blocked(path):  # else the paths not yet set would be taken for choices
                    path.currentPath = getattr(parameters, name)
        isSir, source = parameters.method == "sir", parameters.sirSource
        shown = perturbs(parameters.method, sirSettings(parameters) if isSir else {})
        self.ui.perturbationComboBox.visible = shown
        self.ui.perturbationComboBoxLabel.visible = shown
        self.ui.sirWidget.visible = isSir
        self.ui.sirWeightsPathLineEdit.visible = source == "trained"
        self.ui.sirWeightsPathLineEditLabel.visible = source == "trained"
        self.ui.samplesSpinBoxLabel.text = _("Kept of them:") if isSir else _("Samples:")
        missing = self.logic.missing(parameters)
        running = self.logic.run is not None and self.logic.run.isActive
        self.ui.applyButton.enabled = not missing and not running
        self.ui.applyButton.text = _("Running") if running else missing or _("Apply")

    def _showRun(self):
        """Progress, messages and new results of the current run."""
        run, ui = self.logic.run, self.ui
        if self._parameterNode is not None:
            self._showParameters()
        ui.runningWidget.visible = run is not None and run.isActive
        failed = run is not None and run.state == "failed"
        ui.statusLabel.text = run.message if run else self.logic.error
        ui.warningsLabel.text = "\n".join(f"• {w}" for w in run.warnings) if run else ""
        for label in (ui.statusLabel, ui.warningsLabel):
            label.visible = label.text != ""
        ui.detailsCollapsibleButton.visible = failed
        if run is None:
            return
        ui.detailsText.plainText = run.worker.log if failed else ""
        ui.cancelButton.enabled = run.state == "running"
        ui.cancelButton.text = _("Cancelling") if run.state == "cancelling" else _("Cancel")
        ui.progressBar.maximum, ui.progressBar.value = run.asked, run.finished
        ui.progressBar.format = _("{finished} of {asked} samples").format(
            finished=run.finished, asked=run.asked) + (
            "" if run.secondsLeft is None else _(", {time} left").format(
                time=duration(run.secondsLeft)))
        if run.result is not None and run.resultIsNew:
            run.resultIsNew = False
            self.results.refresh(run.result.run, showMap=self._shownRun != run.result.run)
            self._shownRun = run.result.run


class UncertainRegLogic(ScriptedLoadableModuleLogic):
    """Starts runs and keeps the current one; works without the widget.

    Attributes:
        run: the current or last ``Run``, or None.
        error: why the last start failed, one sentence; empty if it did not.
        onChanged: called without arguments when the run made progress.
        temporaryFolders: files of runs that ``cleanup`` deletes.
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        findLibrary()
        self.run, self.error, self.onChanged = None, "", lambda: None
        self.temporaryFolders = []

    def getParameterNode(self):
        return UncertainRegParameterNode(super().getParameterNode())

    def missing(self, parameters) -> str:
        """What the user still has to do before Apply, as a few words; empty when ready."""
        if parameters.fixedVolume is None:
            return _("Select a fixed volume")
        if parameters.movingVolume is None:
            return _("Select a moving volume")
        if parameters.fixedVolume is parameters.movingVolume:
            return _("Fixed and moving are the same")
        from UncertainRegLib.backbones import BackboneError
        from UncertainRegLib.backbones import entry as backbone
        from UncertainRegLib.samplers import method, sampler_class

        found = []
        for find, name, question in (
            (backbone, parameters.backbone, _("Choose a registration")),
            (method, parameters.method, _("Choose how uncertainty is found")),
        ):
            try:
                chosen = find(name)
            except (BackboneError, ValueError):
                return question
            if not chosen.available:
                return _("{title} is not installed: {remedy}").format(
                    title=chosen.title, remedy=chosen.remedy)
            found.append(chosen)
        if sampler_class(parameters.method).refuses(found[0].facts):
            return _("Choose how uncertainty is found")
        return ""

    def start(self, parameters) -> bool:
        """Start a run with the settings of a parameter node; it goes on by itself.

        Returns:
            False if it could not be started; ``error`` then says why.
        """
        self.kill()
        self.run, self.error = None, self.missing(parameters)
        if self.error:
            self.onChanged()
            return False
        nodes = {"fixed": parameters.fixedVolume, "moving": parameters.movingVolume,
                 "segmentation": parameters.movingSegmentation,
                 "landmarks": parameters.movingLandmarks,
                 "fixedSegmentation": parameters.fixedSegmentation,
                 "fixedLandmarks": parameters.fixedLandmarks,
                 "fixedMask": parameters.fixedMask, "movingMask": parameters.movingMask}
        names = ("backbone", "method", "perturbation", "samples", "seed", "device", "competence")
        settings = {name: getattr(parameters, name) for name in names}
        if parameters.method == "sir":
            settings["parameters"] = {"method": sirSettings(parameters)}
        try:
            folder = self._newFolder(parameters)
            self.run = Run(folder, nodes, settings, lambda: self.onChanged())
            with slicer.util.WaitCursor():
                self.run.start()
        except Exception as error:  # whatever it is: without a worker nothing else ends the run
            logging.exception("UncertainReg: the run could not be started")
            self.run, self.error = None, str(error)
        self.onChanged()
        return self.run is not None

    def wait(self, seconds: float, until=lambda run: False) -> str:
        """Process events until the run is over, or ``until(run)``; for scripts and tests.

        Returns:
            The state of the run.

        Raises:
            TimeoutError: it takes longer.
        """
        end = time.monotonic() + seconds
        while self.run.isActive and not until(self.run):
            if time.monotonic() > end:
                raise TimeoutError(f"The run is not finished after {seconds} s.")
            slicer.app.processEvents()
            time.sleep(0.01)
        return self.run.state

    def kill(self) -> None:
        """Stop the run at once and forget it."""
        if self.run is not None:
            self.run.kill()
        self.run = None

    def cleanup(self) -> None:
        """Stop the run and delete temporary results; the nodes in the scene need no files."""
        self.kill()
        for folder in self.temporaryFolders:
            shutil.rmtree(folder, ignore_errors=True)
        self.temporaryFolders.clear()

    def _newFolder(self, parameters) -> Path:
        """A new folder where the user wants results to be kept, else a temporary one."""
        if parameters.resultsFolder:
            name = f"{parameters.movingVolume.GetName()} to {parameters.fixedVolume.GetName()}"
            name = re.sub(r"[^\w .-]", "_", name) + time.strftime(" %Y-%m-%d %H.%M.%S")
            folder = Path(parameters.resultsFolder) / name
            folder.mkdir(parents=True)
            return folder
        Path(slicer.app.temporaryPath).mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="UncertainReg-", dir=slicer.app.temporaryPath))
        self.temporaryFolders.append(folder)
        return folder


def sirSettings(parameters) -> dict:
    """Settings of the method "sir", as the job wants them."""
    settings = {"source": parameters.sirSource, "proposals": parameters.sirProposals}
    if parameters.sirSource == "trained" and parameters.sirWeights:
        settings["weights"] = parameters.sirWeights
    return settings


def findLibrary() -> None:
    """An installed extension has UncertainRegLib beside this file, a source checkout one above."""
    if importlib.util.find_spec("UncertainRegLib") is None:
        sys.path.append(str(Path(__file__).resolve().parent.parent))
