"""The entries of a dose in a small result folder, as ``evaluate dose`` would write them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from UncertainRegLib.geometry import Image, read_image, write_image
from UncertainRegLib.results.columns import DOSE
from UncertainRegLib.results.maps import MAPS
from UncertainRegLib.results.reader import read_record
from UncertainRegLib.results.writer import extend

NAMES = ("Shell", "Core")


def write_fake_dose(folder: str | Path, file: str = "dose.nrrd", side: str = "moving") -> None:
    """Two structures that receive 30 and 40 Gy, and a map of each kind."""
    folder = Path(folder)
    record = read_record(folder)
    grid = read_image(folder / record.maps["uncertainty_mm"].file).grid
    maps = dict(record.content["maps"])
    for number, name in enumerate(name for name in MAPS if name.startswith("dose_")):
        values = np.full(grid.shape, 10.0 + number, np.float32)
        values[:, :, 0] = 0.0
        write_image(Image(values, grid), folder / f"maps/{name}.nrrd")
        maps[name] = {"file": f"maps/{name}.nrrd", "unit": "Gy", "meaning": MAPS[name].meaning}
    rows = [
        {"name": name}
        | {column: 30.0 + 10.0 * number for column in DOSE if column != "name"}
        | {"limit_gy": 20.0}
        for number, name in enumerate(NAMES)
    ]
    with open(folder / "dose.csv", "w", newline="", encoding="utf-8") as curves:
        writer = csv.writer(curves)
        writer.writerow(
            ["structure", "dose_gy", "registered_percent", "low_percent", "high_percent"]
        )
        for name in NAMES:
            for dose in (0.0, 20.0, 40.0):
                share = 100.0 - 2.0 * dose
                writer.writerow([name, dose, share, max(share - 5, 0), min(share + 5, 100)])
    entry = {
        "file": {"file": file, "sha256": "0" * 64},
        "structures": {"file": "labels.nrrd", "sha256": ""},
        "side": side,
        "limit_gy": 20.0,
        "samples": record.samples.finished,
        "rows": rows,
        "curves": "dose.csv",
        "warnings": ["Of 6 samples, 5 and 95 % lie near the lowest and the highest."],
    }
    extend(folder, record, dose=entry, maps=maps)
