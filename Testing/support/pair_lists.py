"""Lists of pairs to train with: two phases of patients, in 2-D, in 3-D and as series."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from support.phantoms import textured
from UncertainRegLib.geometry import Grid

SIZE = 18  # of every image along each axis
SPLITS = ("train", "train", "validation", "test")  # of the four patients


def phases(patient: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Two volumes of a patient, float32, and their labels: a ball that shrinks."""
    grid = Grid.from_spacing((SIZE,) * 3)
    away = np.linalg.norm(grid.points() - grid.center, axis=-1)
    balls = [away < 6 + patient % 2, away < 4]
    images = [textured(grid, patient).array + 2 * ball for ball in balls]
    return [image.astype(np.float32) for image in images], [b.astype(np.uint8) for b in balls]


def write_pair_list(folder: Path, kind: str = "3d", splits=SPLITS, labels: bool = True) -> Path:
    """A list with one pair of each patient.

    Args:
        kind: "3d" volumes, "png" or "2d" middle slices, "4d" both phases in one series.
        splits: of the patients; None leaves the column out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for patient, split in enumerate(splits or SPLITS):
        row = {"subject": f"P{patient}"}
        row |= _written(folder, kind, patient, labels)
        rows.append({**row, "split": split} if splits else row)
    file = folder / "pairs.csv"
    with open(file, "w", newline="", encoding="utf-8") as stream:
        lines = csv.DictWriter(stream, list(rows[0]))
        lines.writeheader()
        lines.writerows(rows)
    return file


def _written(folder: Path, kind: str, patient: int, labels: bool) -> dict:
    images, masks = phases(patient)
    if kind == "4d":
        for name, volumes in (("s", images), ("m", masks)):
            series = sitk.JoinSeries([sitk.GetImageFromArray(one) for one in volumes])
            sitk.WriteImage(series, str(folder / f"{name}{patient}.nii.gz"))
        row = {"fixed": f"s{patient}.nii.gz", "moving": f"s{patient}.nii.gz"}
        both = {"fixed_labels": f"m{patient}.nii.gz", "moving_labels": f"m{patient}.nii.gz"}
        return {**row, **(both if labels else {}), "fixed_frame": 1, "moving_frame": 0}
    row = {}
    for phase, image, mask in zip(("moving", "fixed"), images, masks):
        for name, array in ((phase, image), (f"{phase}_labels", mask)):
            if kind in ("png", "2d"):
                array = array[SIZE // 2]
            if kind == "png" and name == phase:
                array = (255 * (array - array.min()) / np.ptp(array)).astype(np.uint8)
            ending = "png" if kind == "png" else "nii.gz"
            file = f"{name}{patient}.{ending}"
            if labels or name == phase:
                sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / file))
                row[name] = file
    return row
