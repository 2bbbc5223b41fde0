"""What the views show of a result. Nothing here happens unless it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import slicer
import vtk

from ..results.maps import DISAGREEMENT, main_map
from . import landmarks, nodes, unknown
from .colors import display_of
from .legend import refresh_legends
from .log_colors import set_colors, set_log
from .parents import put_under, release, users_parents
from .result_nodes import ResultNodes
from .segments import names_of
from .slices import nodes_of_class, slice_nodes, slice_views
from .suppressed import suppressed


def show_map(
    result: ResultNodes, name: str | None = None, opacity: float = 0.6, grey: bool = False
) -> None:
    """Lay a map over the fixed image in every slice view, and hatch where nothing is known; layout
    and position stay.

    Args:
        name: by default the map that the result is first judged by (`results.maps.main_map`).
        grey: turn it grey where the samples disagree (`suppressed`).

    Raises:
        ValueError: the result has no such map.
    """
    name = name or main_map(result.maps) or ""
    if name not in result.maps:
        raise ValueError(f"The result has no map {name!r}; it has {', '.join(result.maps)}.")
    volume = suppressed(result, name) if grey else result.maps[name]
    hatched = nodes.find(result.scene, result.run, unknown.ROLE)
    for view in slice_views(result.scene):
        if result.fixed is not None:
            view.SetBackgroundVolumeID(result.fixed.GetID())
        view.SetForegroundVolumeID(volume.GetID())
        view.SetForegroundOpacity(opacity)
        # A label layer lies above the map and would hide it; the hatching does not.
        view.SetLabelVolumeID(hatched.GetID() if hatched is not None else None)
        view.SetLabelOpacity(unknown.OPACITY)
    for display in nodes_of_class(result.scene, "vtkMRMLSegmentationDisplayNode"):
        display.SetVisibility2DFill(False)  # outlines do not
    _color_ellipsoids(result, name)
    refresh_legends(result.scene)


def color_by_log(result: ResultNodes, name: str, log: bool) -> None:
    """Colour a map, and what is coloured like it, by the logarithm of the values, or by the values."""
    set_log(result.maps[name], log)
    _color_ellipsoids(result, name)
    refresh_legends(result.scene)


def color_by(result: ResultNodes, name: str, colors: str) -> None:
    """Give a map, and what is coloured like it, the colours of a table of `palette`."""
    set_colors(result.maps[name], colors)
    _color_ellipsoids(result, name)
    refresh_legends(result.scene)


def _color_ellipsoids(result: ResultNodes, name: str) -> None:
    """Ellipsoids tell of the disagreement: under the legend of another map they have one colour."""
    display = display_of(result.maps[name])
    for role in ("ellipsoids", "probe_ellipsoid"):
        node = nodes.find(result.scene, result.run, role)
        if node is None or node.GetDisplayNode() is None:
            continue
        node.GetDisplayNode().SetScalarVisibility(name == DISAGREEMENT)
        if name == DISAGREEMENT and display is not None:
            landmarks.color_like(node, display)


def set_opacity(result: ResultNodes, opacity: float) -> None:
    """Opacity (0 to 1) of the map in every slice view."""
    for view in slice_views(result.scene):
        view.SetForegroundOpacity(opacity)


def set_threshold(result: ResultNodes, name: str, hide_below: float) -> None:
    """Hide the values of a map that are below a limit, in the unit of the map."""
    display = display_of(result.maps[name])
    if display is not None:
        display.SetThreshold(hide_below, display.GetUpperThreshold())
        display.ApplyThresholdOn()


def show_moving(result: ResultNodes, under: str | None) -> list[str]:
    """Put the moving image, its segmentation and its points under a transform of the run.

    Linear transforms that the user has above them stay between, so that nothing moves otherwise.
    A fixed image that another run moved goes back to where this run took it from.

    Args:
        under: 'transform', 'mean_transform', 'sample_transform', 'sweep_transform',
            'growth_transform', or None for the native position.

    Returns:
        One sentence for each node that was left alone because it cannot be moved.
    """
    if result.fixed is not None:
        release(result.fixed)
    parent = getattr(result, under) if under else None
    left_alone = []
    for node in (result.moving, result.moving_segmentation, result.moving_points):
        if node is not None and not put_under(node, parent, result.fixed):
            left_alone.append(
                f"{node.GetName()} is under the transform "
                f"{users_parents(node)[-1].GetName()} and was left there; harden "
                "that transform to see it registered."
            )
    return left_alone


def show_sample(result: ResultNodes, index: int) -> None:
    """Show the moving image as sample ``index`` (from 0) registers it.

    Raises:
        ValueError: the result has no samples.
    """
    _need_samples(result)
    result.sample_browser.SetSelectedItemNumber(index)
    show_moving(result, "sample_transform")


def show_structure(result: ResultNodes, name: str, only: bool) -> None:
    """Make a structure of the moving segmentation visible; ``only``: and hide the others.

    Without ``only`` all are visible. Nothing happens if there is no such structure.
    """
    node = result.moving_segmentation
    names = {} if node is None else names_of(node)
    if name not in names.values():
        return
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetVisibility(True)
    for identifier, found in names.items():
        display.SetSegmentVisibility(identifier, not only or found == name)


@dataclass
class Views:
    """What the views showed once: layers and opacity; position and field of view; segments; how the
    crosshair is drawn (None: whatever it is); from where 3D was seen."""

    layers: dict[str, tuple]
    slices: dict[str, tuple]
    segments: dict[str, tuple] = field(default_factory=dict)
    crosshair: int | None = None
    cameras: dict[str, tuple] = field(default_factory=dict)


def remember_views(scene: slicer.vtkMRMLScene) -> Views:
    """Take note of every slice view, for ``restore_views``."""
    layers = {
        view.GetID(): (
            view.GetBackgroundVolumeID(),
            view.GetForegroundVolumeID(),
            view.GetForegroundOpacity(),
            view.GetLabelVolumeID(),
            view.GetLabelOpacity(),
        )
        for view in slice_views(scene)
    }
    slices = {}
    for view in slice_nodes(scene):
        matrix = vtk.vtkMatrix4x4()
        matrix.DeepCopy(view.GetSliceToRAS())
        slices[view.GetID()] = (matrix, view.GetFieldOfView(), view.GetXYZOrigin())
    segments = {}
    for display in nodes_of_class(scene, "vtkMRMLSegmentationDisplayNode"):
        node = display.GetDisplayableNode()
        visible = (
            {each: display.GetSegmentVisibility(each) for each in names_of(node)} if node else {}
        )
        segments[display.GetID()] = (
            display.GetVisibility(),
            display.GetVisibility2DFill(),
            visible,
        )
    crosshair = crosshair_of(scene)
    mode = None if crosshair is None else crosshair.GetCrosshairMode()
    cameras = {
        camera.GetID(): (camera.GetPosition(), camera.GetFocalPoint(), camera.GetViewUp())
        for camera in nodes_of_class(scene, "vtkMRMLCameraNode")
    }
    return Views(layers, slices, segments, mode, cameras)


def restore_views(scene: slicer.vtkMRMLScene, views: Views) -> None:
    """Give the slice views back what they showed; what is gone from the scene is left out."""
    for identifier, (background, foreground, opacity, label, label_opacity) in views.layers.items():
        view = scene.GetNodeByID(identifier)
        if view is None:
            continue
        background, foreground, label = (
            name if name and scene.GetNodeByID(name) else None
            for name in (background, foreground, label)
        )
        view.SetBackgroundVolumeID(background)
        view.SetForegroundVolumeID(foreground)
        view.SetForegroundOpacity(opacity)
        view.SetLabelVolumeID(label)
        view.SetLabelOpacity(label_opacity)
    for identifier, (matrix, (width, _, depth), origin) in views.slices.items():
        view = scene.GetNodeByID(identifier)
        if view is not None:
            view.GetSliceToRAS().DeepCopy(matrix)
            # The view may have been resized since; one that is not shown has no pixels.
            across, down = (max(pixels, 1) for pixels in view.GetDimensions()[:2])
            view.SetFieldOfView(width, width * down / across, depth)
            view.SetXYZOrigin(*origin)
            view.UpdateMatrices()
    for identifier, (shown, filled, segments) in views.segments.items():
        display = scene.GetNodeByID(identifier)
        if display is not None:
            display.SetVisibility(shown)
            display.SetVisibility2DFill(filled)
            for each, visible in segments.items():
                display.SetSegmentVisibility(each, visible)
    crosshair = crosshair_of(scene)
    if crosshair is not None and views.crosshair is not None:
        crosshair.SetCrosshairMode(views.crosshair)
    for identifier, (position, focus, up) in views.cameras.items():
        camera = scene.GetNodeByID(identifier)
        if camera is not None:
            camera.SetPosition(position)
            camera.SetFocalPoint(focus)
            camera.SetViewUp(up)
            camera.ResetClippingRange()
    refresh_legends(scene)


def crosshair_of(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLCrosshairNode | None:
    """The one crosshair of a scene."""
    return scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")


def mark(scene: slicer.vtkMRMLScene, point) -> None:
    """Put the crosshair on a point (RAS mm), and let it be seen."""
    crosshair = crosshair_of(scene)
    crosshair.SetCrosshairRAS(list(map(float, point)))
    if crosshair.GetCrosshairMode() == crosshair.NoCrosshair:
        crosshair.SetCrosshairMode(crosshair.ShowSmallBasic)


def jump_to(scene: slicer.vtkMRMLScene, point, centered: bool = True) -> None:
    """Bring every slice view to a point, RAS mm; ``centered`` also pans the point to the middle."""
    node = slicer.vtkMRMLSliceNode
    node.JumpAllSlices(
        scene, *map(float, point), node.CenteredJumpSlice if centered else node.OffsetJumpSlice
    )


def look_at(scene: slicer.vtkMRMLScene, bounds) -> None:
    """Centre the 3D views on a box and let it fill them; the direction of view stays.

    Args:
        bounds: RAS mm, as VTK has them: left, right, posterior, anterior, inferior, superior.
    """
    low, high = np.asarray(bounds, float).reshape(3, 2).T
    center, radius = (low + high) / 2, np.linalg.norm(high - low) / 2
    if not radius > 0:  # empty
        return
    for node in nodes_of_class(scene, "vtkMRMLCameraNode"):
        away = np.subtract(node.GetPosition(), node.GetFocalPoint())
        away /= np.linalg.norm(away)
        distance = radius / np.sin(np.radians(node.GetViewAngle() / 2))
        node.SetFocalPoint(center)
        node.SetPosition(center + distance * away)
        node.ResetClippingRange()


def _need_samples(result: ResultNodes) -> None:
    if result.sample_browser is None:
        raise ValueError("The result has no samples to show.")
