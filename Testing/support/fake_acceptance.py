"""A verdict with known numbers, as ``evaluate acceptance`` would add it to a fake result."""

from __future__ import annotations

from pathlib import Path

from UncertainRegLib.results.acceptance import OVERALL, Acceptance, judged, read_tolerances, verdict
from UncertainRegLib.results.reader import read_record
from UncertainRegLib.results.writer import extend

VALUES = {  # where, metric: value
    (OVERALL, "tre_mean_mm"): 1.5,
    (OVERALL, "jacobian_min"): 0.4,
    (OVERALL, "inverse_consistency_mm"): None,
    ("Core", "dice"): 0.91,
}
VOXEL_MM = 3.0


def write_fake_acceptance(folder: str | Path, tolerances: str = "tg132") -> None:
    """Extend result.json; with 1 mm ("stereotaxy") the landmarks fail."""
    limits = read_tolerances(tolerances)
    rows = [
        judged(where, metric, value, limits.of(metric, where, VOXEL_MM), "made for a test")
        for (where, metric), value in VALUES.items()
    ]
    found = Acceptance(*verdict(rows), rows, limits, VOXEL_MM)
    extend(folder, read_record(folder), acceptance=found)
