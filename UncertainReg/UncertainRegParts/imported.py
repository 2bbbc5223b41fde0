"""A scene that is loaded before anybody opens the module shows its results as they were saved.

What a file cannot hold is put right: the scale of a logarithmic legend, and that displacement fields
are linear between their voxels.
"""

from __future__ import annotations

import slicer

from .logic import findLibrary


def followScene() -> None:
    """Look at every scene that is loaded from now on; called when the application has started."""
    scene = slicer.mrmlScene
    scene.AddObserver(scene.EndImportEvent, onImported)
    onImported()  # one that was given on the command line


def onImported(caller=None, event=None) -> None:
    """The scene has new nodes; the library is loaded only if some are of a result."""
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    if any(node.GetAttribute("UncertainReg.Run") for node in volumes):
        findLibrary()
        from UncertainRegLib.scene.legend import refresh_legends
        from UncertainRegLib.scene.result import find_results

        find_results(slicer.mrmlScene)  # makes the fields linear
        refresh_legends(slicer.mrmlScene)
