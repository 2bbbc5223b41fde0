"""Landmarks of the moving image in the fixed space: mean points and ellipsoids of the samples."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from .colors import color_table
from .frames import lps_to_ras

MAX_TEXTS = 12  # more names than that cover the image
_YELLOW = (1.0, 0.85, 0.2)


def set_points(node: slicer.vtkMRMLMarkupsFiducialNode, rows: list[dict], key: str) -> None:
    """Put one locked point per landmark row at ``key`` ('mean_lps' or 'moving_lps', LPS mm)."""
    blocked = node.StartModify()
    node.SetLocked(True)
    slicer.util.updateMarkupsControlPointsFromArray(node, lps_to_ras([row[key] for row in rows]))
    for index, row in enumerate(rows):
        node.SetNthControlPointLabel(index, str(row["label"]))
        node.SetNthControlPointLocked(index, True)
        if row.get("u_mm") is not None:
            node.SetNthControlPointDescription(index, f"u = {row['u_mm']:.2f} mm")
    node.EndModify(blocked)


def style_points(node: slicer.vtkMRMLMarkupsFiducialNode, count: int) -> None:
    """Small yellow points, named when they are few."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetGlyphTypeFromString("CrossDot2D")
    display.SetColor(_YELLOW)
    display.SetSelectedColor(_YELLOW)
    display.SetUseGlyphScale(True)
    display.SetGlyphScale(1.6)
    display.SetTextScale(2.6)
    display.SetPointLabelsVisibility(count <= MAX_TEXTS)
    display.SetPropertiesLabelVisibility(False)


def set_ellipsoids(
    node: slicer.vtkMRMLModelNode, rows: list[dict], like: slicer.vtkMRMLDisplayNode | None = None
) -> None:
    """All ellipsoids of the samples (RAS mm) as one mesh with the point scalar ``u_mm``.

    They are coloured ``like`` the map of disagreement, so that one legend tells of both; without
    that map, from 0 to the largest.

    Each row has ``mean_lps``, ``axes_mm`` (semi-axes) and ``directions`` (3x3, one unit vector a
    row, LPS). Rows without an ellipsoid are left out.
    """
    sphere = vtk.vtkSphereSource()
    sphere.SetRadius(1.0)
    sphere.SetThetaResolution(24)
    sphere.SetPhiResolution(16)
    sphere.Update()
    unit = vtk_to_numpy(sphere.GetOutput().GetPoints().GetData())
    joined = vtk.vtkAppendPolyData()
    for row in rows:
        if row.get("axes_mm") is None or row.get("directions") is None:
            continue
        axes = np.array(row["axes_mm"])[:, None] * np.array(row["directions"])
        points = lps_to_ras(row["mean_lps"] + unit @ axes)
        mesh = vtk.vtkPolyData()
        mesh.DeepCopy(sphere.GetOutput())
        mesh.GetPointData().Initialize()  # the normals of the sphere are not the ellipsoid's
        mesh.GetPoints().SetData(numpy_to_vtk(points.astype(np.float32), deep=True))
        scalars = numpy_to_vtk(np.full(len(points), row["u_mm"], np.float32), deep=True)
        scalars.SetName("u_mm")
        mesh.GetPointData().SetScalars(scalars)
        joined.AddInputData(mesh)
    if joined.GetNumberOfInputConnections(0):
        joined.Update()
    node.SetAndObservePolyData(joined.GetOutput())
    if node.GetDisplayNode() is None:  # somebody deleted it
        style_ellipsoids(node)
    largest = max((row["u_mm"] for row in rows), default=1.0)
    node.GetDisplayNode().SetScalarRange(0.0, largest)
    if like is not None:
        color_like(node, like)


def color_like(node: slicer.vtkMRMLModelNode, like: slicer.vtkMRMLScalarVolumeDisplayNode) -> None:
    """Give ellipsoids the colours and the window of a map."""
    display = node.GetDisplayNode()
    display.SetScalarRange(like.GetWindowLevelMin(), like.GetWindowLevelMax())
    display.SetAndObserveColorNodeID(like.GetColorNodeID())


def style_ellipsoids(node: slicer.vtkMRMLModelNode) -> None:
    """Translucent in 3D, outlines in the slices, coloured by u (mm)."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetOpacity(0.5)
    display.SetVisibility2D(True)
    display.SetSliceIntersectionThickness(2)
    display.SetActiveScalarName("u_mm")
    display.SetScalarVisibility(True)
    display.SetAndObserveColorNodeID(color_table(node.GetScene(), "inferno").GetID())
    display.SetScalarRangeFlag(display.UseManualScalarRange)
