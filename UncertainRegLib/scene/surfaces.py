"""Surfaces of a structure: where at least 5, 50 and 95 % of the samples put it; and the margins
between which 95 % of its true boundary is expected, where a bound may be stated.

They come from the samples, the map of the expected error and the moving segmentation that are in
the scene, so they can be asked for at any time, also after the scene was saved and loaded.
"""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ..geometry import DisplacementField, Grid, Image, interpolate, warp
from ..posterior.labels import LabelProbabilities
from ..posterior.margins import margin_volume
from ..posterior.surfaces import LEVELS, probability_volume
from ..results.expectation import margin_of
from . import maps, nodes
from .frames import ijk_to_ras, world_grid
from .result_nodes import ResultNodes
from .segments import mask_of
from .transform import field_of

VOXELS = 500_000  # the probability is computed around the structure on at most so many
_COLORS = {0.05: (0.30, 0.72, 1.0), 0.5: (1.0, 1.0, 1.0), 0.95: (0.07, 0.71, 0.65)}
_MARGINS = {"outer": 1.0, "inner": -1.0}  # in 95 % bounds from the registered boundary
_MARGIN_COLOR = (1.0, 0.75, 0.2)
_MAP = "probability"
SMOOTHED_VOXELS = 0.5  # no point of a surface moves further: that is all that voxels know


def show_surfaces(result: ResultNodes, structure: str) -> slicer.vtkMRMLSegmentationNode:
    """Where at least 5, 50 and 95 % of the samples put a structure, as segments, with its 95 %
    margins where they may be stated, and the share of the samples as a map.

    They replace those of the structure shown before.

    Args:
        structure: name of a segment of the moving segmentation.

    Raises:
        ValueError: the scene lacks samples, segmentation or that structure.
    """
    probability = probability_of(result, structure)
    volume, _ = nodes.find_or_add(
        result.scene, result.run, f"map:{_MAP}", "vtkMRMLScalarVolumeNode", "Structure probability"
    )
    maps.set_values(volume, probability, _MAP)
    volume.SetAttribute("UncertainReg.Structure", structure)
    volume.SetDescription(f"Probability of {structure} over the samples")
    node, is_new = nodes.find_or_add(
        result.scene,
        result.run,
        "surfaces",
        "vtkMRMLSegmentationNode",
        "Surfaces (5, 50, 95 percent of the samples)",
    )
    segmentation = node.GetSegmentation()
    node.CreateDefaultDisplayNodes()
    if is_new:
        segmentation.SetSourceRepresentationName("Closed surface")
    segmentation.RemoveAllSegments()
    display = node.GetDisplayNode()

    def add(identifier: str, name: str, color, opacity: float, surface: vtk.vtkPolyData) -> None:
        segment = slicer.vtkSegment()
        segment.SetName(f"{structure}, {name}")
        segment.SetColor(*color)
        segment.AddRepresentation("Closed surface", surface)
        segmentation.AddSegment(segment, identifier)
        display.SetSegmentOpacity3D(identifier, opacity)

    for level in LEVELS:
        percent, opacity = f"{100 * level:.0f}", {0.05: 0.25, 0.5: 0.4, 0.95: 1.0}[level]
        surface = surface_at(probability, level)
        add(percent, f"{percent} % of the samples", _COLORS[level], opacity, surface)
    margin = margin_around(result, structure)
    if margin is not None:
        for name, bounds in _MARGINS.items():
            surface = surface_at(Image(-margin.array, margin.grid), -bounds)
            add(name, f"{name} 95 % margin", _MARGIN_COLOR, 0.15, surface)
    display.SetVisibility(True)
    display.SetVisibility2DFill(False)
    display.SetSliceIntersectionThickness(2)
    nodes.put_in_folder(result.scene, result.run, "UncertainReg", result.fixed)
    return node


def hide_surfaces(result: ResultNodes) -> None:
    """Hide the surfaces; they stay in the scene."""
    node = nodes.find(result.scene, result.run, "surfaces")
    if node is not None and node.GetDisplayNode() is not None:
        node.GetDisplayNode().SetVisibility(False)


def probability_of(result: ResultNodes, structure: str) -> Image:
    """Probability of a structure over the samples, around it, with a border of zeros.

    Raises:
        ValueError: the scene lacks samples, segmentation or that structure.
    """
    mask, fields, grid = grid_around(result, structure)
    probabilities = LabelProbabilities(mask, grid.at_most(VOXELS))
    for number, field in enumerate(fields):
        item = result.sample_sequence.GetNthDataNode(number)
        probabilities.add(field, float(item.GetAttribute("UncertainReg.LogWeight") or 0.0))
    return probability_volume(probabilities, 1)


def grid_around(result: ResultNodes, structure: str) -> tuple[Image, list[DisplacementField], Grid]:
    """A structure as a mask where it is in the moving image, the fields of all samples, and the part
    of the fixed grid that the structure may reach.

    Raises:
        ValueError: the scene lacks samples, segmentation or that structure.
    """
    if result.moving_segmentation is None:
        raise ValueError("The moving segmentation is not in the scene.")
    if result.sample_sequence is None or result.fixed is None:
        raise ValueError("The result has no samples in the scene.")
    mask = mask_of(result.moving_segmentation, structure)
    sequence = result.sample_sequence
    items = [sequence.GetNthDataNode(i) for i in range(sequence.GetNumberOfDataNodes())]
    fields = [field_of(item) for item in items]
    reach = max(float(np.abs(field.vectors).max()) for field in fields)
    grid = part_around(world_grid(result.fixed), mask.grid.corners(), reach)
    if grid is None:
        raise ValueError(f"{structure} lies outside the fixed image.")
    return mask, fields, grid


def margin_around(result: ResultNodes, structure: str) -> Image | None:
    """The volume of `posterior.margins` around a structure; None where no bound may be stated, or
    nothing is known at the structure.

    Raises:
        ValueError: the scene lacks the segmentation or that structure.
    """
    bound = margin_of(result.expected_error, result.calibration)
    expected = None if bound is None else result.maps.get(bound.map)
    if expected is None or result.transform is None or result.fixed is None:
        return None
    field, mask = field_of(result.transform), mask_of(result.moving_segmentation, structure)
    values = Image(slicer.util.arrayFromVolume(expected), world_grid(expected))
    widest = bound.factor * float(np.nanmax(values.array, initial=0.0))
    reach = float(np.abs(field.vectors).max()) + widest
    grid = part_around(world_grid(result.fixed), mask.grid.corners(), reach)
    if grid is None:
        return None
    grid = grid.at_most(VOXELS)
    moving = Image(mask.array.astype(np.float32), mask.grid)
    registered = warp(moving, field.resample(grid), outside=0.0)
    here = interpolate(values.array, values.grid.to_index(grid.points()), "nearest")
    inside = registered.array >= 0.5
    if not inside.any() or not np.isfinite(here[inside]).all():
        return None
    around = np.where(np.isfinite(here), here, np.nanmax(here))  # the widest, where none is known
    return margin_volume(registered, bound.factor * around)


def part_around(grid: Grid, corners: np.ndarray, reach: float) -> Grid | None:
    """The part of a grid within ``reach`` mm of a box given by its corners; None if outside."""
    index = grid.to_index(corners.reshape(-1, 3))
    margin = np.ceil(reach / grid.spacing) + 1
    low = np.maximum(np.floor(index.min(0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(index.max(0) + margin), grid.size - 1).astype(int)
    if (high < low).any():
        return None
    return grid.part(low, (high - low + 1)[::-1])


def surface_at(probability: Image, level: float) -> vtk.vtkPolyData:
    """The surface of a level in RAS mm; empty where nothing is so sure."""
    image = vtk.vtkImageData()
    image.SetDimensions(*probability.grid.size.tolist())
    image.GetPointData().SetScalars(numpy_to_vtk(probability.array.ravel(), deep=True))
    contour = vtk.vtkFlyingEdges3D()
    contour.SetInputData(image)
    contour.SetValue(0, level)
    contour.Update()
    to_ras = vtk.vtkTransform()
    to_ras.SetMatrix(ijk_to_ras(probability.grid))
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetInputData(_smoothed(contour.GetOutput()))
    placed.SetTransform(to_ras)
    if np.linalg.det(probability.grid.affine[:3, :3]) < 0:  # keep the triangles facing out
        flipped = vtk.vtkReverseSense()
        flipped.SetInputConnection(placed.GetOutputPort())
        placed = flipped
    placed.Update()
    return placed.GetOutput()


def _smoothed(surface: vtk.vtkPolyData) -> vtk.vtkPolyData:
    """A surface in voxels without the steps and the noise of its voxels."""
    if surface.GetNumberOfPoints() == 0:
        return surface
    smooth = vtk.vtkWindowedSincPolyDataFilter()
    smooth.SetInputData(surface)
    smooth.SetNumberOfIterations(20)
    smooth.SetPassBand(0.05)
    smooth.FeatureEdgeSmoothingOff()
    smooth.BoundarySmoothingOff()
    smooth.NonManifoldSmoothingOn()
    smooth.NormalizeCoordinatesOn()
    smooth.Update()
    before = vtk_to_numpy(surface.GetPoints().GetData())
    moved = vtk_to_numpy(smooth.GetOutput().GetPoints().GetData()) - before
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    moved *= np.minimum(1.0, SMOOTHED_VOXELS / np.maximum(length, 1e-9))
    result = vtk.vtkPolyData()
    result.DeepCopy(surface)
    points = vtk.vtkPoints()
    points.SetData(numpy_to_vtk(before + moved, deep=True))
    result.SetPoints(points)
    result.GetPointData().SetNormals(None)  # of the surface before
    return result
