"""What the views show of a result. Nothing here happens unless it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..results.maps import main_map
from .colors import DECADES, LOGARITHMIC, color_table, display_of, legend_of, table_name
from .maps import automatic_floor
from .nodes import MAP, ROLE
from .parents import put_under, release, users_parents
from .result_nodes import ResultNodes
from .samples import FRAMES_PER_SECOND
from .segments import names_of


def show_map(result: ResultNodes, name: str | None = None, opacity: float = 0.6) -> None:
    """Lay a map over the fixed image in every slice view; layout and position stay.

    Args:
        name: by default the map that the result is first judged by (`results.maps.main_map`).

    Raises:
        ValueError: the result has no such map.
    """
    name = name or main_map(result.maps) or ""
    if name not in result.maps:
        raise ValueError(f"The result has no map {name!r}; it has {', '.join(result.maps)}.")
    volume = result.maps[name]
    for view in slice_views(result.scene):
        if result.fixed is not None:
            view.SetBackgroundVolumeID(result.fixed.GetID())
        view.SetForegroundVolumeID(volume.GetID())
        view.SetForegroundOpacity(opacity)
        view.SetLabelVolumeID(None)  # it lies above the map and would hide it
    for display in _nodes(result.scene, "vtkMRMLSegmentationDisplayNode"):
        display.SetVisibility2DFill(False)  # outlines do not
    refresh_legends(result.scene)


def refresh_legends(scene: slicer.vtkMRMLScene) -> None:
    """Call after changing the layers of a view: the legend of a map is seen with its map only."""
    shown = {view.GetForegroundVolumeID() for view in slice_views(scene)}
    for volume in _nodes(scene, "vtkMRMLScalarVolumeNode"):
        legend = legend_of(volume) if (volume.GetAttribute(ROLE) or "").startswith(MAP) else None
        if legend is not None:
            legend.SetVisibility(volume.GetID() in shown)
            legend.Modified()  # it does not notice the layer by itself


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


def can_be_log(result: ResultNodes, name: str) -> bool:
    """Has the map a colour table, and a window from 0 on, for which a logarithm makes sense?"""
    display = display_of(result.maps[name])
    if display is None:
        return False
    table = table_name(display).removesuffix(LOGARITHMIC)
    return table in ("inferno", "viridis") and display.GetWindowLevelMin() == 0.0


def is_log(result: ResultNodes, name: str) -> bool:
    """Does the map show its logarithm?"""
    display = display_of(result.maps[name])
    return display is not None and table_name(display).endswith(LOGARITHMIC)


def set_log(result: ResultNodes, name: str, log: bool) -> None:
    """Colour a map by the logarithm of its values, or by the values; these stay as they are.

    Nothing happens to a map for which that makes no sense (``can_be_log``).
    """
    if can_be_log(result, name):
        node = result.maps[name]
        display = display_of(node)
        table = table_name(display).removesuffix(LOGARITHMIC) + (LOGARITHMIC if log else "")
        display.SetAndObserveColorNodeID(color_table(result.scene, table).GetID())
        # A logarithm is for the small values: nothing of its decades is hidden at first.
        floors = [automatic_floor(node), display.GetWindowLevelMax() / 10**DECADES]
        if np.isclose(display.GetLowerThreshold(), floors[not log]):
            set_threshold(result, name, floors[log])
        refresh_legends(result.scene)


def show_moving(result: ResultNodes, under: str | None) -> list[str]:
    """Put the moving image, its segmentation and its points under a transform of the run.

    Linear transforms that the user has above them stay between, so that nothing moves otherwise.
    A fixed image that another run moved goes back to where this run took it from.

    Args:
        under: 'transform', 'mean_transform', 'sample_transform', 'sweep_transform', or None for
            the native position.

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


def play_samples(
    result: ResultNodes, play: bool, frames_per_second: float = FRAMES_PER_SECOND
) -> None:
    """Let Slicer cycle through the samples, or stop (the moving image stays at the last one).

    Raises:
        ValueError: the result has no samples.
    """
    _need_samples(result)
    show_moving(result, "sample_transform")
    result.sample_browser.SetPlaybackRateFps(frames_per_second)
    result.sample_browser.SetPlaybackActive(play)


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
    """What the views showed once: layers and opacity; position and field of view; segments; from
    where 3D was seen."""

    layers: dict[str, tuple]
    slices: dict[str, tuple]
    segments: dict[str, tuple] = field(default_factory=dict)
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
    for display in _nodes(scene, "vtkMRMLSegmentationDisplayNode"):
        node = display.GetDisplayableNode()
        visible = (
            {each: display.GetSegmentVisibility(each) for each in names_of(node)} if node else {}
        )
        segments[display.GetID()] = (
            display.GetVisibility(),
            display.GetVisibility2DFill(),
            visible,
        )
    cameras = {
        camera.GetID(): (camera.GetPosition(), camera.GetFocalPoint(), camera.GetViewUp())
        for camera in _nodes(scene, "vtkMRMLCameraNode")
    }
    return Views(layers, slices, segments, cameras)


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
    for identifier, (position, focus, up) in views.cameras.items():
        camera = scene.GetNodeByID(identifier)
        if camera is not None:
            camera.SetPosition(position)
            camera.SetFocalPoint(focus)
            camera.SetViewUp(up)
            camera.ResetClippingRange()
    refresh_legends(scene)


def worst_point(result: ResultNodes) -> np.ndarray:
    """RAS mm of the place to look at first: where the samples disagree most about the boundary of
    a structure, else where the map that the result is first judged by is largest.

    Raises:
        ValueError: the result has neither structures nor such a map.
    """
    table = result.label_table
    if table and table.GetColumnIndex("worst_u_mm") >= 0:
        row = np.nanargmax(_column(table, "worst_u_mm"))
        return np.array([_column(table, f"worst_voxel_lps_{axis}")[row] for axis in "ras"])
    main = main_map(result.maps)
    if main is None:
        raise ValueError("The result has neither structures nor a map of error or disagreement.")
    volume = result.maps[main]
    values = slicer.util.arrayFromVolume(volume)
    k, j, i = np.unravel_index(np.nanargmax(values), values.shape)
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return np.array(matrix.MultiplyPoint([i, j, k, 1.0])[:3])


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
    for node in _nodes(scene, "vtkMRMLCameraNode"):
        away = np.subtract(node.GetPosition(), node.GetFocalPoint())
        away /= np.linalg.norm(away)
        distance = radius / np.sin(np.radians(node.GetViewAngle() / 2))
        node.SetFocalPoint(center)
        node.SetPosition(center + distance * away)
        node.ResetClippingRange()


def _column(table: slicer.vtkMRMLTableNode, name: str) -> np.ndarray:
    return vtk_to_numpy(table.GetTable().GetColumnByName(name))


def _need_samples(result: ResultNodes) -> None:
    if result.sample_browser is None:
        raise ValueError("The result has no samples to show.")


def slice_views(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLSliceCompositeNode]:
    """What the slice views show; there are such nodes even without a window."""
    return _nodes(scene, "vtkMRMLSliceCompositeNode")


def slice_nodes(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLSliceNode]:
    """Where the slice views are."""
    return _nodes(scene, "vtkMRMLSliceNode")


def _nodes(scene: slicer.vtkMRMLScene, class_name: str) -> list[slicer.vtkMRMLNode]:
    found = scene.GetNodesByClass(class_name)
    found.UnRegister(None)
    return [found.GetItemAsObject(i) for i in range(found.GetNumberOfItems())]
