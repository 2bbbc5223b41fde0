"""A small picture of each pair: its main map over the fixed image, in colours that all pairs share.

They lie in ``thumbnails/SCALE/ID.jpg`` of the cohort folder, SCALE like ``5mm``: a picture is drawn
anew where its result is newer, and all are where another scale is needed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..geometry.files import InputError
from ..geometry.written import write_sitk
from ..report.overlay import read_overlay
from ..report.planes import draw
from ..results.maps import main_map
from ..results.reader import ResultError, read_record
from ..results.schema import FILE
from .folder import CohortFolder

FOLDER = "thumbnails"
LARGEST = 160  # pixels of the longer side
QUALITY = 80  # of JPEG
HIDDEN = 0.25  # of the scale: below, the anatomy is seen without colour
STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0)  # of a scale: few, so that it seldom changes


def scale_of(p95_mm: list[float]) -> float:
    """The top of the colours, mm: a round number that few pairs exceed.

    Args:
        p95_mm: of each pair, the 95th percentile of its map over the anatomy.
    """
    wanted = float(np.percentile(p95_mm, 90)) if p95_mm else 1.0
    power = 10.0 ** np.floor(np.log10(max(wanted, 1e-3)))
    return float(next(step for step in STEPS if step * power >= 0.999 * wanted) * power)


def folder_of(scale: float) -> str:
    """Where the pictures of a scale lie, relative to the cohort folder."""
    return f"{FOLDER}/{scale:g}mm"


def remove_other_scales(folder: CohortFolder, scale: float) -> None:
    """Delete the pictures in other colours."""
    above = folder.path / FOLDER
    for other in above.iterdir() if above.is_dir() else ():
        if other != folder.path / folder_of(scale):
            shutil.rmtree(other, ignore_errors=True)


def thumbnail(folder: CohortFolder, pair: str, scale: float) -> Path | None:
    """The picture of a pair, drawn if it is not there yet; None where there is nothing to draw."""
    result, file = folder.result(pair), folder.path / folder_of(scale) / f"{pair}.jpg"
    try:
        if file.exists() and file.stat().st_mtime >= (result / FILE).stat().st_mtime:
            return file
        record = read_record(result)
        overlay = read_overlay(result, record) if main_map(record.maps) else None
    except (OSError, ResultError, InputError, RuntimeError):
        return None
    if overlay is None:
        return None
    window = (0.0, scale, HIDDEN * scale)
    pixels = draw("axial", overlay.point, overlay.fixed, overlay.values, window, overlay.labels)
    picture = sitk.GetImageFromArray(pixels, isVector=True)
    factor = -(-max(picture.GetSize()) // LARGEST)
    if factor > 1:
        picture = sitk.BinShrink(picture, [factor] * 2)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_sitk(picture, file, True, QUALITY)
    return file
