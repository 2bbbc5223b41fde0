"""The calibrated 95 % bound, q times the disagreement, wherever millimetres are shown.

q comes from the entry "calibration" of result.json (``studies.calibration``). Without it, or where
it was refused, no bound is stated anywhere.
"""

from __future__ import annotations

import slicer

from .colors import legend_of


def bound_factor(calibration: dict | None) -> float | None:
    """q, or None where no bound may be stated."""
    if not calibration or calibration.get("refused"):
        return None
    return calibration.get("factor")


def with_bound(rows: list[dict], calibration: dict | None) -> list[dict]:
    """Rows of result.json with ``bound_mm``: q times the high disagreement at the boundary of a
    structure, or times that of a landmark."""
    factor = bound_factor(calibration)
    if factor is None:
        return rows
    def bound(row: dict) -> float | None:
        u = row.get("u_p95_mm", row.get("u_mm"))
        return None if u is None else factor * u

    return [{**row, "bound_mm": bound(row)} for row in rows]


def show_bound(node: slicer.vtkMRMLScalarVolumeNode | None, calibration: dict | None) -> None:
    """State the bound on the legend of the disagreement map, or take it away again."""
    legend = legend_of(node) if node is not None else None
    if legend is None:
        return
    factor = bound_factor(calibration)
    title = legend.GetTitleText().splitlines()[0]  # what the user may have made of it stays
    text = title if factor is None else f"{title}\n95 % bound: {factor:.2f} x value"
    if legend.GetTitleText() != text:
        legend.SetTitleText(text)
