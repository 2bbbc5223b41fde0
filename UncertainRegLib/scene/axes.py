"""Ellipsoids of the samples on a grid in the planes that the slice views show.

A slice cuts each of them into an ellipse of true size in mm: long where the registration is free
to slide, small where it is certain.
"""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy

from ..geometry import Grid, interpolate
from . import landmarks, nodes
from .display import slice_nodes
from .ellipsoid import around, ellipsoids
from .frames import lps_to_ras
from .result_nodes import ResultNodes
from .samples import sample_weights
from .transform import field_of

ACROSS = 18  # ellipsoids along the longest side of the fixed image
_ROLE = "axes"
_COLOR = (0.35, 1.0, 0.75)


def show_axes(result: ResultNodes) -> slicer.vtkMRMLModelNode:
    """Draw the ellipsoids in the present planes of all slice views; they replace those before.

    Raises:
        ValueError: the scene has fewer than two samples, no map of disagreement or no slice view.
    """
    sequence = result.sample_sequence
    if result.fixed is None or "uncertainty_mm" not in result.maps:
        raise ValueError("Axes need the fixed image and the map of disagreement in the scene.")
    if sequence is None or sequence.GetNumberOfDataNodes() < 2:
        raise ValueError("Axes need two samples or more in the scene.")
    views = slice_nodes(result.scene)
    views = [view for view in views if view.IsMappedInLayout()] or views  # outside Slicer: all
    if not views:
        raise ValueError("Axes need a slice view.")
    node, is_new = nodes.find_or_add(
        result.scene, result.run, _ROLE, "vtkMRMLModelNode", "Ellipsoids in the slices"
    )
    if is_new:
        landmarks.style_ellipsoids(node)
        display = node.GetDisplayNode()
        display.SetVisibility3D(False)  # they belong to the slices
        display.SetScalarVisibility(False)  # colours of the map would vanish in the map
        display.SetColor(_COLOR)
        for each in (node, node.GetDisplayNode()):
            each.SetSaveWithScene(False)  # made again for the planes of the day
    points = np.concatenate([_in_plane(result, view) for view in views])
    node.SetAndObservePolyData(_mesh(*_ellipsoids(result, points)))
    return node


def hide_axes(result: ResultNodes) -> None:
    """Take the ellipsoids out of the scene."""
    node = nodes.find(result.scene, result.run, _ROLE)
    if node is not None:
        result.scene.RemoveNode(node)


def has_axes(result: ResultNodes) -> bool:
    """Are they shown?"""
    return nodes.find(result.scene, result.run, _ROLE) is not None


def _in_plane(result: ResultNodes, view: slicer.vtkMRMLSliceNode) -> np.ndarray:
    """(N, 3) RAS mm: a grid on the plane of a slice view, inside the fixed image."""
    to_ras = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())
    bounds = np.zeros(6)
    result.fixed.GetRASBounds(bounds)
    low, high = bounds[::2], bounds[1::2]
    step = (high - low).max() / ACROSS
    corners = np.array(np.meshgrid(*zip(low, high), indexing="ij")).reshape(3, -1).T
    along = (corners - to_ras[:3, 3]) @ to_ras[:3, :2]
    ticks = [
        np.arange(np.floor(along[:, a].min() / step), along[:, a].max() / step + 1) * step
        for a in (0, 1)
    ]
    u, v = (axis.ravel() for axis in np.meshgrid(*ticks))
    points = to_ras[:3, 3] + u[:, None] * to_ras[:3, 0] + v[:, None] * to_ras[:3, 1]
    return points[((points >= low) & (points <= high)).all(-1)]


def _ellipsoids(result: ResultNodes, points: np.ndarray):
    """Where the samples say something: points (N, 3) and semi-axes as rows (N, 3, 3), RAS mm."""
    volume = result.maps["uncertainty_mm"]
    matrix = vtk.vtkMatrix4x4()
    volume.GetRASToIJKMatrix(matrix)
    to_index = slicer.util.arrayFromVTKMatrix(matrix)
    u = interpolate(
        slicer.util.arrayFromVolume(volume),
        points @ to_index[:3, :3].T + to_index[:3, 3],
        "nearest",
        np.nan,
    )
    points = points[np.isfinite(u)]
    sequence = result.sample_sequence
    fields = [field_of(sequence.GetNthDataNode(i)) for i in range(sequence.GetNumberOfDataNodes())]
    weights = sample_weights(sequence)
    near = around(points, fields[0].grid).reshape(-1, 3)
    moved = np.stack([near + lps_to_ras(_at(field.vectors, field.grid, near)) for field in fields])
    axes, directions = ellipsoids(moved.reshape(len(fields), -1, 7, 3), weights)
    known = np.isfinite(axes).all(-1)
    return points[known], (axes[..., None] * directions)[known]


def _at(vectors: np.ndarray, grid: Grid, points_ras: np.ndarray) -> np.ndarray:
    return interpolate(vectors, grid.to_index(lps_to_ras(points_ras)))


def _mesh(points: np.ndarray, axes: np.ndarray) -> vtk.vtkPolyData:
    """All ellipsoids as one mesh."""
    sphere = vtk.vtkSphereSource()
    sphere.SetRadius(1.0)
    sphere.SetThetaResolution(14)
    sphere.SetPhiResolution(9)
    sphere.Update()
    unit = vtk_to_numpy(sphere.GetOutput().GetPoints().GetData()).astype(float)
    triangles = vtk_to_numpy(sphere.GetOutput().GetPolys().GetConnectivityArray()).reshape(-1, 3)
    all_points = (points[:, None] + unit @ axes).reshape(-1, 3)
    corners = (triangles + len(unit) * np.arange(len(points))[:, None, None]).reshape(-1, 3)
    mesh, place, cells = vtk.vtkPolyData(), vtk.vtkPoints(), vtk.vtkCellArray()
    place.SetData(numpy_to_vtk(all_points.astype(np.float32), deep=True))
    cells.SetData(3, numpy_to_vtkIdTypeArray(corners.astype(np.int64).ravel(), deep=True))
    mesh.SetPoints(place)
    mesh.SetPolys(cells)
    return mesh
