"""A run with or without its stray samples, those far from all others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import slicer

from ..results.record import Record
from ..results.schema import FILE

if TYPE_CHECKING:
    from .result import ResultNodes

_LEFT_OUT = "UncertainReg.LeavesOutStrays"


def leave_out_strays(result: ResultNodes, leave_out: bool) -> ResultNodes:
    """Show a run without its stray samples, or with all again, in the same nodes.

    Maps, tables, mean, landmarks and ellipsoids are read from its folder; whatever is made of the
    samples in the scene gives the stray ones no weight. A calibrated bound holds for all samples
    only, so that none is stated without them. The samples themselves stay.

    Raises:
        ValueError: there are none, or the folder is gone.
    """
    from .result import update_result

    if not can_leave_out(result):
        raise ValueError("Stray samples can only be left out of a run that has some and whose "
                         "files are still there; press Apply again.")
    result.transform.SetAttribute(_LEFT_OUT, "1" if leave_out else None)
    return update_result(result, result.folder)


def can_leave_out(result: ResultNodes) -> bool:
    """Are there stray samples, and the files with the numbers without them?"""
    return bool(result.strays) and (Path(result.folder) / FILE).is_file()


def are_left_out(transform: slicer.vtkMRMLTransformNode | None) -> bool:
    """Does the run of this registration show itself without its stray samples?"""
    return transform is not None and bool(transform.GetAttribute(_LEFT_OUT))


def shown(record: Record, transform: slicer.vtkMRMLTransformNode | None) -> Record:
    """A record as it is to be shown: with or without stray samples."""
    return (record.without_strays if are_left_out(transform) else None) or record
