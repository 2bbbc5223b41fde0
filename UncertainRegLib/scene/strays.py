"""A run with or without its stray samples, those far from all others."""

from __future__ import annotations

import math
from pathlib import Path

import slicer

from .result_nodes import ResultNodes

_LEFT_OUT = "UncertainReg.LeavesOutStrays"


def can_leave_out(result: ResultNodes) -> bool:
    """Are there stray samples, and the files with the numbers without them?"""
    return bool(result.strays) and (Path(result.folder) / "result.json").is_file()


def are_left_out(transform: slicer.vtkMRMLTransformNode | None) -> bool:
    """Does the run of this registration show itself without its stray samples?"""
    return transform is not None and bool(transform.GetAttribute(_LEFT_OUT))


def set_left_out(transform: slicer.vtkMRMLTransformNode, left_out: bool) -> None:
    """From the next update on the run of this registration shows itself like that."""
    transform.SetAttribute(_LEFT_OUT, "1" if left_out else None)


def shown(record: dict, transform: slicer.vtkMRMLTransformNode | None) -> dict:
    """The content of result.json as it is to be shown: with or without stray samples."""
    entry = record.get("without_strays")
    if not entry or not are_left_out(transform):
        return record
    return {**record, **entry, "maps": {**record["maps"], **entry["maps"]}, "calibration": None}


def weights_of(record: dict) -> list[float]:
    """Log-weights of the samples as they are to be shown; -inf for those left out."""
    left_out = set(record.get("left_out") or [])
    return [-math.inf if number in left_out else weight for number, weight
            in enumerate((record.get("samples") or {}).get("log_weights") or [])]


def distances(record: dict) -> dict[str, float]:
    """Number of a stray sample, from 0 -> its distance in mm from the median of all."""
    status = (record.get("samples") or {}).get("status") or []
    return {str(number): one["from_median_mm"] for number, one in enumerate(status)
            if one.get("stray")}
