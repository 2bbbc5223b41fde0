"""Numbers in steps finer than anything they can mean: the .mrb file is less than half as large.

The last bits of a computed number are noise that no compression shortens. In the scene that a run
writes, lengths keep a hundredth of a millimetre, or of a voxel where that is less; the result folder,
and a scene that it is loaded into, have them as computed.
"""

from __future__ import annotations

import numpy as np
import slicer

from ..results.maps import MapKind, kind_of
from .result_nodes import ResultNodes

MM = 0.01  # largest error of a length
VOXEL = 0.01  # and the same in voxels, for images of small things
OTHERS = {"nats": 0.01, "%": 0.05}  # by unit; what has another one stays as it is
SHARE = 0.002  # of what lies between 0 and 1


def round_result(result: ResultNodes) -> None:
    """Round the maps, the registrations and the samples of a run in their nodes."""
    for name, node in result.maps.items():
        kind = kind_of(name, node.GetAttribute("UncertainReg.Unit"))
        round_map(slicer.util.arrayFromVolume(node), node.GetSpacing(), kind)
        node.Modified()
    sequence = result.sample_sequence
    samples = range(sequence.GetNumberOfDataNodes() if sequence is not None else 0)
    fields = [result.transform, result.mean_transform, result.sample_transform]
    for node in [*fields, *(sequence.GetNthDataNode(number) for number in samples)]:
        grid = node.GetTransformFromParentAs("vtkOrientedGridTransform", False) if node else None
        if grid is not None:
            vectors = slicer.util.arrayFromGridTransform(node)
            round_vectors(vectors, grid.GetDisplacementGrid().GetSpacing())
            slicer.util.arrayFromGridTransformModified(node)


def round_vectors(vectors: np.ndarray, spacing) -> None:
    """Round displacements (float32, mm) in place; no vector is then off by more than ``MM``, or
    ``VOXEL`` of the smallest spacing (mm)."""
    _round(vectors, _length(spacing) / np.sqrt(3))


def round_map(values: np.ndarray, spacing, kind: MapKind) -> None:
    """Round the values (float32) of a map in place, in the unit in which it is shown."""
    unit = "%" if kind.is_ratio else kind.unit
    if unit == "mm":
        _round(values, _length(spacing))
    elif unit in OTHERS:
        _round(values, OTHERS[unit])
    elif kind.window is not None and kind.window[:2] == (0.0, 1.0):
        _round(values, SHARE)


def _length(spacing) -> float:
    return min(MM, VOXEL * float(min(spacing)))


def _round(values: np.ndarray, most: float) -> None:
    """To multiples of a power of two, which float32 has exactly, and off by ``most`` or less."""
    step = np.float32(2.0 ** np.floor(np.log2(2 * most)))
    np.divide(values, step, out=values)
    np.rint(values, out=values)
    np.multiply(values, step, out=values)
