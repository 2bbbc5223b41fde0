"""The places to look at first."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from scipy import ndimage
from vtk.util.numpy_support import vtk_to_numpy

from ..results.maps import main_map
from .result_nodes import ResultNodes

MOST = 10
APART = 0.05  # of the diagonal of the image: what is nearer belongs to the same place


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
    places = worst_places(result)
    if not places:
        raise ValueError("The result has neither structures nor a map of error or disagreement.")
    return places[0]


def worst_places(result: ResultNodes) -> list[np.ndarray]:
    """RAS mm of the highest peaks of the map that the result is first judged by, the highest first.

    No two of them are neighbours (`APART`); there are at most `MOST`.
    """
    main = main_map(result.maps)
    if main is None:
        return []
    volume, matrix = result.maps[main], vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    to_ras = slicer.util.arrayFromVTKMatrix(matrix)
    array = slicer.util.arrayFromVolume(volume)
    values = np.where(np.isfinite(array), array, -np.inf)
    index = np.argwhere((values == ndimage.maximum_filter(values, 3)) & (values > 0))
    index = index[np.argsort(-values[tuple(index.T)], kind="stable")]
    points = index[:, ::-1] @ to_ras[:3, :3].T + to_ras[:3, 3]
    apart = APART * np.linalg.norm(to_ras[:3, :3] @ array.shape[::-1])
    found: list[np.ndarray] = []
    while len(points) and len(found) < MOST:
        found.append(points[0])
        points = points[np.linalg.norm(points - points[0], axis=1) > apart]
    return found


def _column(table: slicer.vtkMRMLTableNode, name: str) -> np.ndarray:
    return vtk_to_numpy(table.GetTable().GetColumnByName(name))
