"""Offscreen slice and 3D views, drawn by the displayable managers that Slicer itself uses.

Make the views before the nodes they will show, as the application does: colour legends are only
picked up when they are added to a scene that already has its views.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from .headless import HeadlessScene

_SLICE_MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLTransformsDisplayableManager2D",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
)
_THREED_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
)
# VTK crashes the process where there is no OpenGL, so it is tried out in another one.
_TRIAL = """
import vtk
window = getattr(vtk, {name!r})()
window.SetOffScreenRendering(True)
window.AddRenderer(vtk.vtkRenderer())
window.Render()
grab = vtk.vtkWindowToImageFilter()
grab.SetInput(window)
grab.Update()
raise SystemExit(0 if grab.GetOutput().GetNumberOfPoints() > 1 else 1)
"""


class NoOpenGLError(RuntimeError):
    """This machine cannot draw without a screen; the message says what to install."""


@functools.cache
def check_opengl() -> None:
    """Try once in this process's life whether pictures can be drawn.

    Raises:
        NoOpenGLError: they cannot.
    """
    trial = subprocess.run(
        [sys.executable, "-c", _TRIAL.format(name=_window_class())],
        capture_output=True,
        check=False,
    )
    if trial.returncode != 0:
        raise NoOpenGLError(
            "No picture can be drawn because offscreen OpenGL is missing; install "
            "it (on Debian and Ubuntu: libegl1 and libgl1-mesa-dri)."
        )


def _window_class() -> str:
    """EGL needs no display; asking for it by name saves the detour over a missing X server."""
    bare = sys.platform.startswith("linux") and not os.environ.get("DISPLAY")
    return (
        "vtkEGLRenderWindow" if bare and hasattr(vtk, "vtkEGLRenderWindow") else ("vtkRenderWindow")
    )


class _View:
    """A render window in memory and the displayable managers that fill it."""

    def __init__(self, headless: HeadlessScene, size, factory, manager_names) -> None:
        check_opengl()
        self.size = size
        self.window = getattr(vtk, _window_class())()
        self.window.SetOffScreenRendering(True)
        self.window.SetMultiSamples(0)  # smoothing differs between drivers
        self.window.SetSize(*size)
        self.renderer = vtk.vtkRenderer()
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkGenericRenderWindowInteractor()  # some managers ask for one
        self.interactor.SetRenderWindow(self.window)
        factory.SetMRMLApplicationLogic(headless.application_logic)
        for name in manager_names:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.managers = factory.InstantiateDisplayableManagers(self.renderer)

    def pixels(self) -> np.ndarray:
        """Draw; returns (height, width, 3) uint8, top row first."""
        self.window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.SetInputBufferTypeToRGB()
        grab.ReadFrontBufferOff()
        grab.Update()
        width, height, _ = grab.GetOutput().GetDimensions()
        scalars = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
        return scalars.reshape(height, width, 3)[::-1].copy()


class SliceView(_View):
    """One slice of a headless scene ('Red', 'Yellow', 'Green'); ``size`` is (width, height)."""

    def __init__(
        self, headless: HeadlessScene, name: str = "Red", size: tuple[int, int] = (500, 500)
    ) -> None:
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        super().__init__(headless, size, factory, _SLICE_MANAGERS)
        self.logic = headless.slices[name]
        self.node = self.logic.GetSliceNode()
        self.managers.SetMRMLDisplayableNode(self.node)
        self.logic.ResizeSliceNode(*size)
        self.mapper = vtk.vtkImageMapper()
        self.mapper.SetColorWindow(255)
        self.mapper.SetColorLevel(127.5)
        actor = vtk.vtkActor2D()
        actor.SetMapper(self.mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(actor)

    def pixels(self) -> np.ndarray:
        """Draw; returns (height, width, 3) uint8, top row first."""
        # the slice pipeline is rebuilt when layers come or go
        self.mapper.SetInputConnection(self.logic.GetImageDataConnection())
        return super().pixels()


class ThreeDView(_View):
    """A 3D view on a dark background, ``size`` (width, height)."""

    def __init__(self, headless: HeadlessScene, size: tuple[int, int] = (500, 500)) -> None:
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        super().__init__(headless, size, factory, _THREED_MANAGERS)
        self.node = slicer.vtkMRMLViewNode()
        self.node.SetName("View1")
        self.node.SetLayoutName("1")
        self.node.SetBoxVisible(False)
        self.node.SetAxisLabelsVisible(False)
        self.node.SetBackgroundColor(0.08, 0.08, 0.10)
        self.node.SetBackgroundColor2(0.08, 0.08, 0.10)
        headless.scene.AddNode(self.node)
        self.managers.SetMRMLDisplayableNode(self.node)

    def look_from(self, direction, view_up=(0.0, 0.0, 1.0)) -> None:
        """Frame everything, seen from a direction in RAS."""
        camera = self.renderer.GetActiveCamera()
        camera.SetFocalPoint(0, 0, 0)
        camera.SetPosition(*direction)
        camera.SetViewUp(*view_up)
        self.renderer.ResetCamera()
        camera.Zoom(1.4)
