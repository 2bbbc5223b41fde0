"""What the module does without its panel: start runs, wait for them, end them."""

import importlib.util
import logging
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from .parameters import UncertainRegParameterNode, methodSettings
from .wording import translated
from .worker.run import Run


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

    def missing(self, parameters, found: tuple) -> str:
        """What the user still has to do before Apply, as a few words; empty when ready.

        Args:
            found: the registration and the method that are ``chosen``.
        """
        if parameters.fixedVolume is None:
            return _("Select a fixed volume")
        if parameters.movingVolume is None:
            return _("Select a moving volume")
        if parameters.fixedVolume is parameters.movingVolume:
            return _("Fixed and moving are the same")
        from UncertainRegLib.samplers import sampler_class

        registration, method = found
        if registration is None:
            return _("Choose a registration")
        if method is None or sampler_class(method.name).refuses(registration.facts):
            return _("Choose how uncertainty is found")
        lacking = notInstalled(found)
        if lacking is not None:
            return _("{title} is not installed").format(title=translated(lacking.title))
        return ""

    def start(self, parameters) -> bool:
        """Start a run with the settings of a parameter node; it goes on by itself.

        Returns:
            False if it could not be started; ``error`` then says why.
        """
        from UncertainRegLib.results.steadiness import WANTED

        self.kill()
        found = chosen(parameters)
        self.run, self.error = None, self.missing(parameters, found)
        if self.error:
            lacking = notInstalled(found)
            if lacking is not None:
                self.error += f": {translated(lacking.to_install)}"
            self.onChanged()
            return False
        nodes = {
            "fixed": parameters.fixedVolume,
            "moving": parameters.movingVolume,
            "segmentation": parameters.movingSegmentation,
            "landmarks": parameters.movingLandmarks,
            "fixedSegmentation": parameters.fixedSegmentation,
            "fixedLandmarks": parameters.fixedLandmarks,
            "fixedMask": parameters.fixedMask,
            "movingMask": parameters.movingMask,
            "transform": parameters.transform,
        }
        names = ("backbone", "method", "perturbation", "samples", "seed", "device", "competence")
        settings = {name: getattr(parameters, name) for name in names}
        settings["inverse_consistency"] = (
            parameters.inverseConsistency and parameters.transform is None
        )
        settings["agreement"] = WANTED if parameters.endEarly else 0.0
        ofMethod = methodSettings(parameters)
        if ofMethod:
            settings["parameters"] = {"method": ofMethod}
        try:
            folder = self._newFolder(parameters)
            self.run = Run(folder, nodes, settings, lambda: self.onChanged())
            with slicer.util.WaitCursor():
                self.run.start()
        except Exception as error:  # whatever it is: without a worker nothing else ends the run
            logging.exception("UncertainReg: the run could not be started")
            self.run, self.error = None, inWords(error)
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

    def forget(self, folder: str) -> None:
        """A result left the scene: let go of its run, and of its files if they are temporary."""
        if self.run is not None and str(self.run.out) == folder:
            if self.run.isActive:  # it goes on, and its result comes back
                return
            self.run = None
            self.onChanged()
        temporary = Path(folder).parent
        if temporary in self.temporaryFolders:
            shutil.rmtree(temporary, ignore_errors=True)
            self.temporaryFolders.remove(temporary)

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


def chosen(parameters) -> tuple:
    """The chosen registration and method as the library lists them; None for one that it has not."""
    from UncertainRegLib.backbones import BackboneError
    from UncertainRegLib.backbones import entry as backbone
    from UncertainRegLib.samplers import entry as sampling

    found = []
    for find, name in ((backbone, parameters.backbone), (sampling, parameters.method)):
        try:
            found.append(find(name))
        except (BackboneError, ValueError):
            found.append(None)
    return tuple(found)


def notInstalled(found: tuple):
    """The first of the ``chosen`` that lacks something on this computer; None if all is there."""
    return next((one for one in found if one is not None and not one.available), None)


def inWords(error: Exception) -> str:
    """An error as the sentence to show."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return _("{path} cannot be written: {reason}. Choose another folder.").format(
            path=error.filename, reason=error.strerror
        )
    return str(error) or type(error).__name__


def findLibrary() -> None:
    """An installed extension has UncertainRegLib beside the module, a source checkout one above."""
    if importlib.util.find_spec("UncertainRegLib") is None:
        sys.path.append(str(Path(__file__).resolve().parents[2]))
