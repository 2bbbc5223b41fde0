"""A run with or without its stray samples, those far from all others."""

from __future__ import annotations

from pathlib import Path

import slicer

from ..results.record import Record
from ..results.schema import FILE
from .result_nodes import ResultNodes

_LEFT_OUT = "UncertainReg.LeavesOutStrays"


def can_leave_out(result: ResultNodes) -> bool:
    """Are there stray samples, and the files with the numbers without them?"""
    return bool(result.strays) and (Path(result.folder) / FILE).is_file()


def are_left_out(transform: slicer.vtkMRMLTransformNode | None) -> bool:
    """Does the run of this registration show itself without its stray samples?"""
    return transform is not None and bool(transform.GetAttribute(_LEFT_OUT))


def set_left_out(transform: slicer.vtkMRMLTransformNode, left_out: bool) -> None:
    """From the next update on the run of this registration shows itself like that."""
    transform.SetAttribute(_LEFT_OUT, "1" if left_out else None)


def shown(record: Record, transform: slicer.vtkMRMLTransformNode | None) -> Record:
    """A record as it is to be shown: with or without stray samples."""
    return (record.without_strays if are_left_out(transform) else None) or record
