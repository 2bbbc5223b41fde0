"""What the views show of a result. Nothing here happens unless it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from .colors import legend_of
from .nodes import RUN
from .samples import FRAMES_PER_SECOND

if TYPE_CHECKING:
    from .result import ResultNodes


def show_map(result: ResultNodes, name: str = "uncertainty_mm", opacity: float = 0.6) -> None:
    """Lay a map over the fixed image in every slice view; layout and position stay.

    Raises:
        ValueError: the result has no such map.
    """
    if name not in result.maps:
        raise ValueError(f"The result has no map {name!r}; it has {', '.join(result.maps)}.")
    volume = result.maps[name]
    for view in _slice_views(result.scene):
        if result.fixed is not None:
            view.SetBackgroundVolumeID(result.fixed.GetID())
        view.SetForegroundVolumeID(volume.GetID())
        view.SetForegroundOpacity(opacity)
    refresh_legends(result)


def refresh_legends(result: ResultNodes) -> None:
    """Call after changing the layers of a view: legends do not notice it themselves."""
    for legend in map(legend_of, result.maps.values()):
        if legend is not None:
            legend.Modified()


def set_opacity(result: ResultNodes, opacity: float) -> None:
    """Opacity (0 to 1) of the map in every slice view."""
    for view in _slice_views(result.scene):
        view.SetForegroundOpacity(opacity)


def set_threshold(result: ResultNodes, name: str, hide_below: float) -> None:
    """Hide the values of a map that are below a limit, in the unit of the map."""
    display = result.maps[name].GetDisplayNode()
    display.SetThreshold(hide_below, display.GetUpperThreshold())
    display.ApplyThresholdOn()


def show_moving(result: ResultNodes, under: str | None) -> list[str]:
    """Put the moving image, its segmentation and its points under a transform of the run.

    Args:
        under: 'transform', 'mean_transform', 'sample_transform', or None for the native position.

    Returns:
        One sentence for each node that was left alone because the user has it under another
        transform.
    """
    parent = getattr(result, under) if under else None
    left_alone = []
    for node in (result.moving, result.moving_segmentation, result.moving_points):
        if node is None:
            continue
        present = node.GetParentTransformNode()
        if present in (None, result.sample_transform) or present.GetAttribute(RUN):
            node.SetAndObserveTransformNodeID(parent.GetID() if parent else None)
        else:
            left_alone.append(f"{node.GetName()} is under the transform {present.GetName()} and "
                              "was left there; harden that transform to see it registered.")
    return left_alone


def show_sample(result: ResultNodes, index: int) -> None:
    """Show the moving image as sample ``index`` (from 0) registers it.

    Raises:
        ValueError: the result has no samples.
    """
    _need_samples(result)
    result.sample_browser.SetSelectedItemNumber(index)
    show_moving(result, "sample_transform")


def play_samples(result: ResultNodes, play: bool,
                 frames_per_second: float = FRAMES_PER_SECOND) -> None:
    """Let Slicer cycle through the samples, or stop (the moving image stays at the last one).

    Raises:
        ValueError: the result has no samples.
    """
    _need_samples(result)
    show_moving(result, "sample_transform")
    result.sample_browser.SetPlaybackRateFps(frames_per_second)
    result.sample_browser.SetPlaybackActive(play)


def worst_point(result: ResultNodes) -> np.ndarray:
    """RAS mm of the most uncertain place: of the worst structure, else of the map.

    Raises:
        ValueError: the result has neither structures nor the map ``uncertainty_mm``.
    """
    table = result.label_table
    if table and table.GetColumnIndex("worst_u_mm") >= 0:
        row = np.nanargmax(_column(table, "worst_u_mm"))
        return np.array([_column(table, f"worst_voxel_lps_{axis}")[row] for axis in "ras"])
    if "uncertainty_mm" not in result.maps:
        raise ValueError("The result has neither structures nor an uncertainty map.")
    volume = result.maps["uncertainty_mm"]
    values = slicer.util.arrayFromVolume(volume)
    k, j, i = np.unravel_index(np.nanargmax(values), values.shape)
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return np.array(matrix.MultiplyPoint([i, j, k, 1.0])[:3])


def jump_to(scene: slicer.vtkMRMLScene, point, centered: bool = True) -> None:
    """Bring every slice view to a point, RAS mm; ``centered`` also pans the point to the middle."""
    node = slicer.vtkMRMLSliceNode
    node.JumpAllSlices(scene, *map(float, point),
                       node.CenteredJumpSlice if centered else node.OffsetJumpSlice)


def _column(table: slicer.vtkMRMLTableNode, name: str) -> np.ndarray:
    return vtk_to_numpy(table.GetTable().GetColumnByName(name))


def _need_samples(result: ResultNodes) -> None:
    if result.sample_browser is None:
        raise ValueError("The result has no samples to show.")


def _slice_views(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLSliceCompositeNode]:
    views = scene.GetNodesByClass("vtkMRMLSliceCompositeNode")
    views.UnRegister(None)
    return [views.GetItemAsObject(i) for i in range(views.GetNumberOfItems())]
