"""Scalar maps of a result as volumes with a colour table, a window, a threshold and a legend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
import slicer

from ..geometry.image import from_sitk
from .colors import add_legend, color_table
from .frames import ijk_to_ras

# name in result.json: (title on the legend, colour table)
_STYLES = {
    "uncertainty_mm": ("Uncertainty (mm)", "inferno"),
    "largest_axis_mm": ("Largest axis (mm)", "inferno"),
    "axis_rl_mm": ("Right-left (mm)", "inferno"),
    "axis_ap_mm": ("Front-back (mm)", "inferno"),
    "axis_si_mm": ("Up-down (mm)", "inferno"),
    "displacement_entropy": ("Displacement entropy (nats)", "viridis"),
    "label_entropy": ("Label entropy (nats)", "viridis"),
    "folding": ("Folding (share of samples)", "inferno"),
    "jacobian": ("Local volume change (Jacobian)", "diverging"),
}
_FIXED_WINDOWS = {"folding": (0.0, 1.0), "jacobian": (0.0, 2.0)}
_EVERYTHING = 1e9  # upper threshold: only low values are ever hidden


def set_scalars(node: slicer.vtkMRMLScalarVolumeNode, path: Path, dtype=None) -> None:
    """Fill a volume node from an image file; values and geometry are kept exactly.

    ``dtype`` asks for a type; by default only types that MRML cannot show are changed.
    """
    image = from_sitk(sitk.ReadImage(str(path)))
    array = image.array.astype(dtype, copy=False) if dtype else image.array
    if array.dtype in (np.int64, np.uint64, np.uint32):
        array = array.astype(np.int32)
    node.SetIJKToRASMatrix(ijk_to_ras(image.grid))
    slicer.util.updateVolumeFromArray(node, array)


def set_map(node: slicer.vtkMRMLScalarVolumeNode, path: Path) -> None:
    """Fill a volume node with a scalar map, float32."""
    set_scalars(node, path, np.float32)


def map_title(name: str, unit: str | None) -> str:
    """What a person reads for a map of result.json, with its unit."""
    if name in _STYLES:
        return _STYLES[name][0]
    words = name.removesuffix(f"_{unit}").replace("_", " ").capitalize()
    return f"{words} ({unit})" if unit else words


def style_map(node: slicer.vtkMRMLScalarVolumeNode, name: str, unit: str | None,
              inside: np.ndarray | None) -> None:
    """Give a new map its colours, window, threshold and legend. Called once, not on updates."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    table = _STYLES.get(name, (None, "inferno" if unit == "mm" else "viridis"))[1]
    display.SetAndObserveColorNodeID(color_table(node.GetScene(), table).GetID())
    display.SetInterpolate(True)
    low, high, floor = window_of(slicer.util.arrayFromVolume(node), name, inside)
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(low, high)
    display.AutoThresholdOff()
    display.SetThreshold(floor, _EVERYTHING)
    display.ApplyThresholdOn()
    add_legend(node, map_title(name, unit))


def window_of(values: np.ndarray, name: str, inside: np.ndarray | None) -> tuple[float, ...]:
    """Robust (window low, window high, hide below) of a map, in its own unit.

    The window ends at the 99th percentile inside the body, the lower half of the body stays bare
    so that the anatomy shows. Values are read at every second voxel.
    """
    part = values[::2, ::2, ::2]
    inside = np.isfinite(part) if inside is None else inside & np.isfinite(part)
    part = part[inside] if inside.any() else np.zeros(1)
    if name in _FIXED_WINDOWS:
        low, high = _FIXED_WINDOWS[name]
        return low, high, (0.01 if name == "folding" else low)
    first, middle, last = np.percentile(part, [1, 50, 99])
    low = 0.0 if first >= 0 else _round(first)
    high = max(_round(last), low + 1e-3)
    return low, high, _round(middle)


def _round(value: float) -> float:
    """Two significant digits: legends and sliders then show plain numbers."""
    return float(f"{value:.2g}")
