"""Scalar maps of a result as volumes with a colour table, a window, a threshold and a legend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
import slicer

from ..geometry import Image, read_volume
from ..geometry.image import from_sitk
from ..results.maps import kind_of
from .colors import color_table, display_of
from .frames import grid_of, ijk_to_ras
from .legend import add_legend, fit_legend, legend_of
from .log_colors import remove_log_scale, set_window, window

_EVERYTHING = 1e9  # upper threshold: only low values are ever hidden


def set_scalars(node: slicer.vtkMRMLScalarVolumeNode, path: Path, dtype=None) -> None:
    """Fill a volume node from an image file, as the run read it.

    ``dtype`` asks for the integers of a label map; by default only types that MRML cannot show
    are changed.
    """
    image = read_volume(path, mode="nearest" if dtype else "linear")
    array = image.array.astype(dtype, copy=False) if dtype else image.array
    if array.dtype in (np.int64, np.uint64, np.uint32):
        array = array.astype(np.int32)
    set_image(node, Image(array, image.grid))


def read_map(path: Path) -> Image:
    """A scalar map from its file."""
    return from_sitk(sitk.ReadImage(str(path)))


def set_map(
    node: slicer.vtkMRMLScalarVolumeNode,
    image: Image,
    name: str,
    unit: str | None = None,
    inside: Image | None = None,
) -> None:
    """Fill a volume node with a scalar map; a new one gets its colours and its legend.

    Voxels where ``inside`` is 0 become NaN: they are not drawn, and nobody takes them for certain.
    Without it, what was blank before stays blank. Window and threshold follow the values until
    somebody changes them.
    """
    if inside is None and node.GetImageData() is not None:
        inside = area_of(node)
    array = image.array.astype(np.float32)
    if kind_of(name).is_ratio:
        array = 100.0 * (array - 1.0)
    if inside is not None:  # Slicer may have loaded the fixed image with its slices reversed
        array[inside.resample(image.grid, "nearest", 0).array == 0] = np.nan
    set_values(node, Image(array, image.grid), name, unit)


def area_of(node: slicer.vtkMRMLScalarVolumeNode) -> Image:
    """Where a map says something: a uint8 mask on its grid."""
    shown = np.isfinite(slicer.util.arrayFromVolume(node))
    return Image(shown.astype(np.uint8), grid_of(node))


def set_values(
    node: slicer.vtkMRMLScalarVolumeNode, image: Image, name: str, unit: str | None = None
) -> None:
    """Fill a volume node with the values of a map; a new one gets its colours and its legend."""
    if display_of(node) is None:  # before the values: an automatic window costs a histogram
        _style(node, name, unit)
    set_image(node, image)
    _follow(node, *window_of(image.array, name))


def window_of(values: np.ndarray, name: str) -> tuple[float, float, float]:
    """Robust (window low, window high, hide below) of a map, in its own unit.

    The window ends at the 99th percentile; the lower half of the anatomy stays bare so that the
    anatomy shows, and so does a value of 0. Every second voxel is looked at, NaN is left out.
    """
    kind = kind_of(name)
    if kind.window is not None:
        return kind.window
    part = values[::2, ::2, ::2]
    part = part[np.isfinite(part)]
    if part.size == 0:
        return 0.0, 1.0, 0.0
    if kind.colours == "diverging":  # two colours with grey at 0
        high = max(_round(np.percentile(np.abs(part), 99)), 1e-3)
        return -high, high, -_EVERYTHING
    first, middle, last = np.percentile(part, [1, 50, 99])
    low = 0.0 if first >= 0 else _round(first)
    high = max(_round(last), low + 1e-3)
    return low, high, _round(max(middle, high / 100) if low == 0.0 else middle)


def _style(node: slicer.vtkMRMLScalarVolumeNode, name: str, unit: str | None) -> None:
    legend = legend_of(node)
    if legend is not None:  # of a display that somebody deleted
        node.GetScene().RemoveNode(legend)
        remove_log_scale(node)
    for what in ("Window", "Threshold"):
        node.RemoveAttribute(f"UncertainReg.Auto{what}")
    node.CreateDefaultDisplayNodes()
    display = display_of(node)
    kind = kind_of(name, unit)
    display.SetAndObserveColorNodeID(color_table(node.GetScene(), kind.colours).GetID())
    display.SetInterpolate(True)
    display.AutoWindowLevelOff()
    display.AutoThresholdOff()
    display.ApplyThresholdOn()
    add_legend(node, kind.heading)


def _follow(node: slicer.vtkMRMLScalarVolumeNode, low: float, high: float, floor: float) -> None:
    """Set window and threshold, each unless it is no longer what was set here the last time."""
    display = display_of(node)
    if _is_ours(node, "UncertainReg.AutoWindow", [*window(node)]):
        set_window(node, low, high)
        node.SetAttribute("UncertainReg.AutoWindow", f"{low} {high}")
    if _is_ours(node, "UncertainReg.AutoThreshold", [display.GetLowerThreshold()]):
        display.SetThreshold(floor, _EVERYTHING)
        node.SetAttribute("UncertainReg.AutoThreshold", f"{floor}")
    fit_legend(node)


def _is_ours(node: slicer.vtkMRMLScalarVolumeNode, attribute: str, present: list[float]) -> bool:
    text = node.GetAttribute(attribute)
    return text is None or np.allclose([float(value) for value in text.split()], present)


def set_image(node: slicer.vtkMRMLScalarVolumeNode, image: Image) -> None:
    """Fill a volume node with the values of an image, where it is."""
    node.SetIJKToRASMatrix(ijk_to_ras(image.grid))
    slicer.util.updateVolumeFromArray(node, image.array)


def _round(value: float) -> float:
    """Two significant digits: legends and sliders then show plain numbers."""
    return float(f"{value:.2g}")
