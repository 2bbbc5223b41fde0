"""A MRML scene outside the Slicer application (PyPI package ``slicer-core``).

Inside Slicer this file is not used: there ``slicer.mrmlScene`` is the scene.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field

import slicer
import vtk

# Only the logics that change what a result looks like: sequences drive the sample proxy, the others
# register node classes and keep subject hierarchy, segmentations and markups consistent.
_LOGICS = {
    "Sequences": slicer.vtkSlicerSequencesLogic,
    "SubjectHierarchy": slicer.vtkSlicerSubjectHierarchyModuleLogic,
    "Segmentations": slicer.vtkSlicerSegmentationsModuleLogic,
    "Markups": slicer.vtkSlicerMarkupsLogic,
    "Models": slicer.vtkSlicerModelsLogic,
    "Volumes": slicer.vtkSlicerVolumesLogic,
    "Transforms": slicer.vtkSlicerTransformLogic,
    "Tables": slicer.vtkSlicerTablesLogic,
}
# Slicer's own names, so that a saved scene opens in Slicer with the same slices
SLICES = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}


@dataclass
class HeadlessScene:
    """A scene with the logics a running Slicer would give it; use it as a context manager.

    Nothing global is set (no ``slicer.mrmlScene``), so several may live in one process.

        with HeadlessScene() as headless:
            load_result(folder, headless.scene)

    Attributes:
        scene: the scene, with three slice nodes as in Slicer's usual layout.
        application_logic, logics: what a running Slicer has behind it.
        slices: 'Red', 'Yellow' and 'Green' -> slice logic.
    """

    scene: slicer.vtkMRMLScene = field(default_factory=slicer.vtkMRMLScene)
    application_logic: slicer.vtkSlicerApplicationLogic = field(
        default_factory=slicer.vtkSlicerApplicationLogic
    )
    logics: dict[str, slicer.vtkMRMLAbstractLogic] = field(default_factory=dict)
    slices: dict[str, slicer.vtkMRMLSliceLogic] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.application_logic.SetMRMLScene(self.scene)
        self.application_logic.SetTemporaryPath(tempfile.gettempdir())
        self.application_logic.SetSliceLogics(vtk.vtkCollection())
        self.application_logic.SetViewLogics(vtk.vtkCollection())
        # The base colour logic makes the built-in tables; vtkSlicerColorLogic would look for the
        # colour files of an installed Slicer, so the class it registers is registered here.
        self.application_logic.GetColorLogic().SetMRMLScene(self.scene)
        self.scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())
        for name, logic_class in _LOGICS.items():
            logic = logic_class()
            logic.SetMRMLApplicationLogic(self.application_logic)  # before the scene
            logic.SetMRMLScene(self.scene)
            self.application_logic.SetModuleLogic(name, logic)
            self.logics[name] = logic
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene)
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self.scene.AddNode(crosshair)
        for name, orientation in SLICES.items():
            logic = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLApplicationLogic(self.application_logic)
            logic.SetMRMLScene(self.scene)
            logic.AddSliceNode(name).SetOrientation(orientation)
            self.application_logic.GetSliceLogics().AddItem(logic)
            self.slices[name] = logic

    def fit_slices(self, width: int = 500, height: int = 500) -> None:
        """Show all of the volumes in slices of that many pixels."""
        for logic in self.slices.values():
            logic.ResizeSliceNode(width, height)
            logic.FitSliceToAll(width, height)

    def close(self) -> None:
        """Empty the scene and let go of it; calling it twice does no harm."""
        self.scene.Clear(True)
        self.logics.clear()
        self.slices.clear()
        self.application_logic.GetSliceLogics().RemoveAllItems()
        self.application_logic.SetMRMLScene(None)

    def __enter__(self) -> HeadlessScene:
        return self

    def __exit__(self, *_error) -> None:
        self.close()
