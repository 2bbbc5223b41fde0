"""What the samples say at one point; read from the scene alone, in a few milliseconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer
import vtk

from ..geometry import inside_index
from ..results.expectation import bound_of
from ..results.maps import main_map
from . import landmarks, nodes
from .colors import display_of
from .ellipsoid import around, ellipsoids
from .frames import lps_to_ras
from .result_nodes import ResultNodes
from .samples import sample_weights
from .segments import Layer, layers_of
from .transform import field_of

_ISOTROPIC = 1.2  # ratio of the longest to the middle axis below which no direction stands out
_PINNED = "UncertainReg.Pinned"  # how many readings were pinned so far
_ALONG = 0.4  # an anatomical axis is named from this component on, 66 degrees


@dataclass
class Reading:
    """What is known at a point of the fixed image.

    Attributes:
        point: RAS mm.
        values: map name -> value in the voxel, NaN where the map makes no statement.
        axes_mm: (3,) semi-axes of the ellipsoid of the samples in the fixed space, which would hold
            a further one in 95 % of cases, longest first; NaN: unknown (`ellipsoid.ellipsoids`).
        directions: (3, 3) their unit vectors in RAS, one a row.
        main: anatomical axes along which the longest one runs, of 'RL', 'AP', 'SI'; empty when no
            direction stands out, or one that runs along all three.
        labels: (structure, probability), most probable first; '' is outside all structures.
        bound_mm: the 95 % bound of the error; NaN: none may be stated.
    """

    point: np.ndarray
    values: dict[str, float]
    axes_mm: np.ndarray
    directions: np.ndarray
    main: tuple[str, ...]
    labels: list[tuple[str, float]]
    bound_mm: float = np.nan

    @property
    def is_known(self) -> bool:
        """Does the disagreement map say anything here?"""
        return bool(np.isfinite(self.values.get("uncertainty_mm", np.nan)))


class Probe:
    """Reads one result at points; make a new one when the result changed.

    Args:
        result: nodes of a run; samples and moving segmentation may be missing.
    """

    def __init__(self, result: ResultNodes) -> None:
        self._layers = _layers(result.moving_segmentation)
        sequence = result.sample_sequence
        count = sequence.GetNumberOfDataNodes() if sequence else 0
        samples = [sequence.GetNthDataNode(index) for index in range(count)]
        self._transforms = [sample.GetTransformFromParent() for sample in samples]
        self._grid = field_of(samples[0]).grid if samples else None
        self._weights = sample_weights(sequence) if count else np.zeros(0)
        self._bound = bound_of(result.expected_error, result.calibration)
        self._maps = {
            name: _map(node)
            for name, node in result.maps.items()
            if node.GetImageData() is not None
        }

    def read(self, point) -> Reading:
        """What is known at a point (RAS mm)."""
        point = np.asarray(point, dtype=float)
        values = {
            name: _value(array, matrix, point) for name, (array, matrix) in self._maps.items()
        }
        axes, directions, labels = np.full(3, np.nan), np.eye(3), []
        if len(self._transforms) > 1 and np.isfinite(values.get("uncertainty_mm", np.nan)):
            near = around(point[None], self._grid)[0]
            moved = np.array(
                [
                    [transform.TransformPoint(each) for each in near]
                    for transform in self._transforms
                ]
            )
            (axes,), (directions,) = ellipsoids(moved[:, None], self._weights)
            labels = self._labels(moved[:, 0])
        bound = np.nan
        if self._bound is not None:
            bound = self._bound.factor * values.get(self._bound.map, np.nan)
        return Reading(point, values, axes, directions, _main_axes(axes, directions), labels, bound)

    def _labels(self, moving: np.ndarray) -> list[tuple[str, float]]:
        """Weighted votes of the samples; with overlapping segments they may sum to more than 1."""
        if not self._layers:
            return []
        votes, free = {}, np.ones(len(moving), bool)
        for layer in self._layers:
            found = _labels_at(layer, lps_to_ras(moving))
            for label in np.unique(found[found > 0]).tolist():
                if label in layer.names:
                    hit = found == label
                    name = layer.names[label]
                    votes[name] = votes.get(name, 0.0) + float(self._weights[hit].sum())
                    free &= ~hit
        votes[""] = float(self._weights[free].sum())
        return sorted(((n, p) for n, p in votes.items() if p > 0), key=lambda vote: -vote[1])


def show_ellipsoid(result: ResultNodes, reading: Reading) -> slicer.vtkMRMLModelNode:
    """The ellipsoid of the samples at a reading as a model, in 3D and as its section in the slices.

    It replaces the one shown before; where nothing is known it is hidden.
    """
    node, is_new = nodes.find_or_add(
        result.scene, result.run, "probe_ellipsoid", "vtkMRMLModelNode", "Ellipsoid at the probe"
    )
    if is_new:
        landmarks.style_ellipsoids(node)
        for each in (node, node.GetDisplayNode()):
            each.SetSaveWithScene(False)  # it is where the mouse was last
    known = bool(np.isfinite(reading.axes_mm).all())
    if known:
        landmarks.set_ellipsoids(
            node,
            [
                {
                    "mean_lps": lps_to_ras(reading.point),
                    "axes_mm": reading.axes_mm,
                    "directions": lps_to_ras(reading.directions),
                    "u_mm": reading.values["uncertainty_mm"],
                }
            ],
            display_of(result.maps["uncertainty_mm"]),
        )
    node.GetDisplayNode().SetVisibility(known)
    return node


def hide_ellipsoid(result: ResultNodes) -> None:
    """Take the ellipsoid at the probe out of the scene."""
    node = nodes.find(result.scene, result.run, "probe_ellipsoid")
    if node is not None:
        result.scene.RemoveNode(node)


def pin(result: ResultNodes, reading: Reading, text: str) -> slicer.vtkMRMLMarkupsFiducialNode:
    """Leave a point with a number and the main value as its label ("P1 0.8 mm"), and the whole text
    as its description."""
    node, is_new = nodes.find_or_add(
        result.scene, result.run, "pins", "vtkMRMLMarkupsFiducialNode", "Pinned readings"
    )
    if is_new:
        landmarks.style_points(node, 0)
    number = int(node.GetAttribute(_PINNED) or 0) + 1  # never one that was there before
    node.SetAttribute(_PINNED, str(number))
    known = [name for name, value in reading.values.items() if np.isfinite(value)]
    main = main_map(known)
    label = f"P{number} {reading.values[main]:.1f} mm" if main else f"P{number}"
    index = node.AddControlPoint(vtk.vtkVector3d(*reading.point.tolist()), label)
    node.SetNthControlPointDescription(index, text)
    node.SetNthControlPointLocked(index, True)
    return node


def _layers(node: slicer.vtkMRMLSegmentationNode | None) -> list[Layer]:
    try:
        return layers_of(node) if node is not None else []
    except ValueError:  # under a deformable transform of the user: no statement
        return []


def _map(node: slicer.vtkMRMLScalarVolumeNode) -> tuple[np.ndarray, np.ndarray]:
    matrix = vtk.vtkMatrix4x4()
    node.GetRASToIJKMatrix(matrix)
    return slicer.util.arrayFromVolume(node), slicer.util.arrayFromVTKMatrix(matrix)


def _value(array: np.ndarray, to_index: np.ndarray, point: np.ndarray) -> float:
    """Value of the voxel that holds the point, NaN outside."""
    i, j, k = np.round(to_index[:3, :3] @ point + to_index[:3, 3]).astype(int)
    nk, nj, ni = array.shape
    return float(array[k, j, i]) if 0 <= i < ni and 0 <= j < nj and 0 <= k < nk else np.nan


def _labels_at(layer: Layer, points_lps: np.ndarray) -> np.ndarray:
    """(N,) label of the voxel that holds each point, 0 outside."""
    array = layer.image.array
    index = layer.image.grid.to_index(points_lps)
    inside = inside_index(array.shape, index)
    nearest = np.round(index).astype(int).clip(0, np.array(array.shape[::-1]) - 1)
    found = array[nearest[:, 2], nearest[:, 1], nearest[:, 0]]
    return np.where(inside, found, 0)


def _main_axes(axes: np.ndarray, directions: np.ndarray) -> tuple[str, ...]:
    if not np.isfinite(axes).all() or axes[0] <= _ISOTROPIC * axes[1]:
        return ()
    size = np.abs(directions[0])
    along = tuple(("RL", "AP", "SI")[a] for a in np.argsort(-size) if size[a] > _ALONG)
    return along if len(along) < 3 else ()
