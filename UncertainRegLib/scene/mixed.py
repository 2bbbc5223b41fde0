"""Fixed and registered moving image in one: a checkerboard, or one to the left and one to the right.

Where a structure goes on across an edge, the two agree.
"""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..geometry import Grid, Image
from . import nodes
from .colors import display_of
from .frames import ijk_to_ras, world_grid
from .maps import set_image
from .result_nodes import ResultNodes

ACROSS = 10  # fields of the checkerboard along the longest side of the fixed image
MIXED, KIND = "mixed", "UncertainReg.Mixed"  # its role, and the attribute that says how


class Mixer:
    """Keeps the registered image, so that moving the edge is quick.

    The moving image counts where it is registered, whatever moves it now; it gets the grey values
    that it would have in its own window. Beyond its edge the fixed image is shown.

    Raises:
        ValueError: an image or the registration is missing.
    """

    def __init__(self, result: ResultNodes) -> None:
        if result.fixed is None or result.moving is None or result.transform is None:
            raise ValueError(
                "The fixed or the moving image, or the registration, is not in the scene."
            )
        self._state = _state(result)
        self._grid = world_grid(result.fixed)
        self._registered = _registered(result, self._grid)

    def is_of(self, result: ResultNodes) -> bool:
        """Is it of this result, as it is now?"""
        return self._state == _state(result)

    def fill(
        self, result: ResultNodes, kind: str, share: float = 0.5
    ) -> slicer.vtkMRMLScalarVolumeNode:
        """The one volume of the run for that, filled anew, with the grey values of the fixed image.

        Args:
            kind: 'checkerboard'; or 'swipe': the fixed image up to ``share`` (0 to 1) of the way
                across the first two axes of its grid, so that every slice view has an edge.
        """
        low, high = _window(result.moving)
        black, white = _window(result.fixed)
        moving = black + (self._registered - low) * ((white - black) / (high - low))
        is_moving = _is_moving(self._grid, kind, share) & np.isfinite(moving)
        array = np.where(is_moving, moving, slicer.util.arrayFromVolume(result.fixed))
        node, is_new = nodes.find_or_add(
            result.scene, result.run, MIXED, "vtkMRMLScalarVolumeNode", "Fixed and registered"
        )
        if is_new:
            node.CreateDefaultDisplayNodes()
            display_of(node).AutoWindowLevelOff()
        set_image(node, Image(array.astype(np.float32, copy=False), self._grid))
        display_of(node).SetWindowLevelMinMax(black, white)
        node.SetAttribute(KIND, kind)
        nodes.put_in_folder(result.scene, result.run, "UncertainReg", result.fixed)
        return node


def _state(result: ResultNodes) -> list:
    """What the registered image is made of, and when that was changed last."""
    parts = [node and node.GetImageData() for node in (result.fixed, result.moving)]
    transform = result.transform and result.transform.GetTransformFromParent()
    return [result.run, *((part, part and part.GetMTime()) for part in (*parts, transform))]


def _is_moving(grid: Grid, kind: str, share: float) -> np.ndarray:
    """(Z, Y, X) booleans, or what is broadcast to them: where the moving image is shown."""
    k, j, i = np.ogrid[tuple(slice(size) for size in grid.shape)]
    if kind == "swipe":
        return i / grid.shape[2] + j / grid.shape[1] >= 2 * share
    side = max(grid.extent_mm) / ACROSS
    fields = sum(np.floor(n * step / side) for n, step in zip((i, j, k), grid.spacing))
    return fields % 2 == 1


def _registered(result: ResultNodes, grid: Grid) -> np.ndarray:
    """(Z, Y, X) float32 the moving image on the grid of the fixed one, NaN beyond its edge."""
    to_index = vtk.vtkMatrix4x4()
    to_index.DeepCopy(ijk_to_ras(world_grid(result.moving)))
    to_index.Invert()
    way = vtk.vtkGeneralTransform()  # voxel of the fixed to voxel of the moving image
    way.PostMultiply()
    way.Concatenate(ijk_to_ras(grid))
    way.Concatenate(result.transform.GetTransformFromParent())
    way.Concatenate(to_index)
    floats = vtk.vtkImageCast()
    floats.SetInputData(result.moving.GetImageData())
    floats.SetOutputScalarTypeToFloat()
    reslice = vtk.vtkImageReslice()
    reslice.SetInputConnection(floats.GetOutputPort())
    reslice.SetResliceTransform(way)
    reslice.SetOutputExtent(*(edge for size in grid.size.tolist() for edge in (0, size - 1)))
    reslice.SetOutputSpacing(1.0, 1.0, 1.0)
    reslice.SetOutputOrigin(0.0, 0.0, 0.0)
    reslice.SetInterpolationModeToLinear()
    reslice.SetBackgroundLevel(np.nan)
    reslice.Update()
    return vtk_to_numpy(reslice.GetOutput().GetPointData().GetScalars()).reshape(grid.shape)


def _window(node: slicer.vtkMRMLScalarVolumeNode) -> tuple[float, float]:
    """The grey values from black to white."""
    display = display_of(node)
    if display is None:
        return tuple(map(float, np.percentile(slicer.util.arrayFromVolume(node), (1, 99))))
    return display.GetWindowLevelMin(), display.GetWindowLevelMax()
