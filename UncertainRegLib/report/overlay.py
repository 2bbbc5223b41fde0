"""The main map of a result over its fixed image, through its worst place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..geometry import Grid, Image, Segmentation, read_image, read_segmentation
from ..geometry.files import InputError
from ..geometry.foreground import not_air
from ..results.maps import DISAGREEMENT, MAPS, main_map
from ..results.record import InputFile, Record
from .planes import draw

HIDE_INVALID = 0.5  # the map is blank where fewer samples stay inside the moving image


@dataclass
class Overlay:
    """What the pictures of a result show.

    Attributes:
        fixed: anatomy.
        map: name of the map (`results.maps.main_map`).
        values: its values in mm; NaN where it is not drawn at all.
        labels: registered structures, or None.
        point: (3,) LPS mm: where the samples disagree most about the boundary of a structure;
            without structures where the map is largest.
        what: what kind of place that is.
        high, hidden: mm; top of the colours (99th percentile in the anatomy), and the median, below
            which nothing is drawn.
        missing: a sentence for each file that is not there any more, and what is shown instead.
    """

    fixed: Image
    map: str
    values: Image
    labels: Segmentation | None
    point: np.ndarray
    what: str
    high: float
    hidden: float
    missing: tuple[str, ...] = ()

    def plane(self, name: str) -> np.ndarray:
        """One plane through the point, (H, W, 3) uint8; see ``planes.PLANES``."""
        return draw(
            name, self.point, self.fixed, self.values, (0.0, self.high, self.hidden), self.labels
        )


def read_overlay(folder: Path, record: Record) -> Overlay | None:
    """The overlay of a result folder; None where the map says nothing anywhere.

    Input files may have moved: the registered moving image stands in for the fixed one, and the
    map is drawn without its mask.

    Raises:
        InputError: a file of the result cannot be read.
    """
    missing: list[str] = []
    main = main_map(record.maps) or DISAGREEMENT
    values = read_image(folder / record.maps[main].file)
    fixed = _anatomy(folder, record, values.grid, missing)
    array = values.array.copy()
    array[_map(folder, record, "validity", array.shape, 1.0) < HIDE_INVALID] = np.nan
    array[~_area(record, fixed, missing)] = np.nan
    labels, shown = None, np.ones(array.shape, bool)
    if record.warped_labels:
        labels = read_segmentation(folder / record.warped_labels)
        shown = labels.foreground().array > 0
    shown &= np.isfinite(array)
    if not shown.any():
        return None
    high, hidden = np.percentile(array[shown], (99, 50))
    rows = [row for row in record.labels if row["worst_voxel_lps"]]
    if rows:
        worst = max(rows, key=lambda row: row["worst_u_mm"])
        point = worst["worst_voxel_lps"]
        what = f"boundary point of the largest disagreement ({worst['name']})"
    else:
        point = fixed.grid.to_world(np.argwhere(shown)[array[shown].argmax()][::-1])
        what = f"place of the largest {MAPS[main].title.lower()}"
    return Overlay(
        fixed,
        main,
        Image(array, values.grid),
        labels,
        np.asarray(point, float),
        what,
        float(high),
        float(hidden),
        tuple(missing),
    )


def _anatomy(folder: Path, record: Record, grid: Grid, missing: list[str]) -> Image:
    """The fixed image, or what stands in for it; ``missing`` then gets a sentence."""
    one = record.inputs["fixed"]
    try:
        fixed = read_image(one.file)
        if fixed.grid.shape == grid.shape and np.allclose(fixed.grid.affine, grid.affine):
            return fixed
        why = f"{one.title}: is another image now."
    except InputError as error:
        why = _named(error, one)
    missing.append(
        f"The fixed image cannot be shown ({why}) The pictures show the registered "
        "moving image instead."
    )
    return read_image(folder / (record.warped or "warped_moving.nrrd"))


def _area(record: Record, fixed: Image, missing: list[str]) -> np.ndarray:
    """Where the map means something: inside the mask of the fixed image, without one outside the
    air around the patient. ``missing`` gets a sentence where the mask is gone."""
    if "fixed_mask" in record.inputs:  # the registration saw nothing else
        one = record.inputs["fixed_mask"]
        try:
            mask = read_segmentation(one.file).foreground()
            return mask.resample(fixed.grid, "nearest", 0).array > 0
        except InputError as error:
            missing.append(
                f"The mask of the fixed image cannot be read ({_named(error, one)}) The map is "
                "also drawn outside it, where it means nothing."
            )
    body = not_air(fixed)
    return np.ones(fixed.array.shape, bool) if body is None else body


def _named(error: InputError, one: InputFile) -> str:
    """An error with the name of the input instead of the path of its file."""
    return str(error).replace(one.file, one.title)


def _map(folder: Path, record: Record, name: str, shape, default: float) -> np.ndarray:
    if name not in record.maps:
        return np.full(shape, default)
    import SimpleITK as sitk

    return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / record.maps[name].file)))
