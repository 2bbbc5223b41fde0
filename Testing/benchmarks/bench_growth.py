"""How processor time and memory grow with voxels, samples and structures: rows, slopes, a figure.

    python Testing/benchmarks/bench_growth.py [--rows FILE] [--figure FILE] [AXIS ...]

Each row is a run in a process of its own, on a phantom of 200 mm whose registration is known, so that
only what is done around a registration counts; the axis "demons" has a real one. A row that is in the
file already is not measured again: an interrupted benchmark goes on where it stopped. Without names
of axes all are measured, which takes about five minutes of processor time and 5 GB of memory.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
ROWS = Path(__file__).with_name("growth_rows.csv")
COLUMNS = ("axis", "size", "voxels", "samples", "labels", "cpu_s", "peak_mb")
MM = 200.0  # a side of the phantom
BASE = {"voxels": 1_000_000, "samples": 4, "labels": 1, "backbone": "known-field"}
AXES = {  # what is varied, over which sizes, and what is different from BASE
    "voxels": ("voxels", (250_000, 1_000_000, 4_000_000, 16_000_000), {}),
    "samples": ("samples", (8, 16, 32, 64, 128), {"voxels": 250_000}),
    "labels": ("labels", (1, 13, 104), {}),
    "demons": ("voxels", (250_000, 1_000_000, 4_000_000), {"backbone": "demons"}),
}
TITLES = {
    "voxels": "million voxels",
    "samples": "samples",
    "labels": "structures",
    "demons": "million voxels, with demons",
}
UNITS = {"voxels": 1e6, "demons": 1e6}
ALLOWED = 1.05  # slope of a straight line, and what measuring adds


def phantom(folder: Path, voxels: int, labels: int) -> list[str]:
    """Write a pair of images, the structures of the moving one and the field between them; returns
    options."""
    from scipy.ndimage import zoom
    from scipy.spatial import cKDTree

    from UncertainRegLib.geometry import (
        DisplacementField,
        Grid,
        Image,
        warp,
        write_field,
        write_image,
    )

    side = round(voxels ** (1 / 3))
    grid = Grid((side,) * 3, np.diag([MM / side] * 3 + [1.0]))
    generator = np.random.default_rng(0)

    def smooth(knots: int, size: int) -> np.ndarray:
        values = generator.normal(size=(knots,) * 3).astype(np.float32)
        return zoom(values, size / knots, order=1, grid_mode=True, mode="nearest")

    ball = np.linalg.norm(grid.points() - MM / 2, axis=-1) < 0.4 * MM
    moving = Image(np.where(ball, 100 + 20 * smooth(20, side), 0).astype(np.float32), grid)
    vectors = np.stack([2.0 * smooth(6, side) for _ in range(3)], -1)
    field = DisplacementField(vectors, grid)
    seeds = cKDTree(generator.uniform(0.15 * MM, 0.85 * MM, (labels, 3)))
    structures = np.zeros(grid.shape, np.uint8)
    structures[ball] = 1 + seeds.query(grid.points()[ball])[1]
    write_image(moving, folder / "moving.nrrd")
    write_image(warp(moving, field), folder / "fixed.nrrd")
    write_image(Image(structures, grid), folder / "labels.nrrd")
    write_field(field, folder / "field.nrrd")
    files = {"fixed": "fixed", "moving": "moving", "moving-labels": "labels"}
    return [
        text for name, file in files.items() for text in (f"--{name}", str(folder / f"{file}.nrrd"))
    ]


def cost(voxels: int, samples: int, labels: int, backbone: str) -> tuple[float, float]:
    """(processor seconds, peak MB) of a run."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        command = [sys.executable, "-m", "UncertainRegLib", "run", "--out", str(folder / "out")]
        command += phantom(folder, voxels, labels)
        command += ["--samples", str(samples), "--backbone", backbone, "--progress", "none"]
        if backbone == "known-field":
            settings = {"backbone": {"field": str(folder / "field.nrrd")}}
            command += ["--parameters", json.dumps(settings)]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        child = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.DEVNULL
        )
        _, status, used = os.wait4(child.pid, 0)
        if status:
            raise SystemExit(f"the run ended with {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def measure(axis: str, file: Path) -> None:
    """Add the rows of an axis that are missing."""
    varied, sizes, other = AXES[axis]
    for size in sizes:
        if any(row["axis"] == axis and row["size"] == size for row in read(file)):
            continue
        settings = {**BASE, **other, varied: size}
        cpu, memory = cost(**settings)
        is_new = not file.exists()
        with file.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            if is_new:
                writer.writerow(COLUMNS)
            numbers = (settings[name] for name in ("voxels", "samples", "labels"))
            writer.writerow([axis, size, *numbers, f"{cpu:.2f}", f"{memory:.0f}"])
        print(f"{axis} {size}: {cpu:.1f} CPU s, {memory:.0f} MB", flush=True)


def read(file: Path) -> list[dict]:
    """The rows that are there, smaller sizes first."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        rows = [
            {name: text if name == "axis" else float(text) for name, text in row.items()}
            for row in csv.DictReader(stream)
        ]
    return sorted(rows, key=lambda row: row["size"])


def slopes(rows: list[dict], what: str) -> list[float]:
    """Slope of the logarithms from each size to the next."""
    return [
        float(np.log(after[what] / before[what]) / np.log(after["size"] / before["size"]))
        for before, after in pairwise(rows)
    ]


def draw(rows: list[dict], file: Path) -> None:
    """One panel for time and one for memory of each axis, with the slopes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

    axes = [axis for axis in AXES if any(row["axis"] == axis for row in rows)]
    figure, panels = plt.subplots(
        2, len(axes), figsize=(3.2 * len(axes), 6), squeeze=False, layout="constrained"
    )
    for column, axis in enumerate(axes):
        part = [row for row in rows if row["axis"] == axis]
        size = np.array([row["size"] for row in part])
        for panel, what, unit in zip(panels[:, column], ("cpu_s", "peak_mb"), ("CPU s", "peak MB")):
            values = np.array([row[what] for row in part])
            panel.loglog(size, values[0] * size / size[0], ":", color="0.6", label="linear")
            panel.loglog(size, values, "o-", color="#2a6df4")
            for slope, x, y in zip(slopes(part, what), size[1:], values[1:]):
                panel.annotate(
                    f"{slope:.2f}", (x, y), xytext=(2, -18), textcoords="offset points", ha="center"
                )
            panel.set_xticks(size, [f"{number / UNITS.get(axis, 1):g}" for number in size])
            panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.yaxis.set_major_formatter(ScalarFormatter())
            for ticks in (panel.xaxis, panel.yaxis):
                ticks.set_minor_locator(NullLocator())
            panel.set_xlabel(TITLES[axis])
            panel.set_ylabel(unit)
            panel.set_xlim(size.min() / 1.5, size.max() * 1.5)
            panel.set_ylim(values.min() / 2, values.max() * 3)
    panels[0, 0].legend(frameon=False)
    figure.suptitle("Growth of a run; numbers are slopes from one size to the next")
    figure.savefig(file, dpi=110)


def main() -> int:
    """Measure, print the slopes and draw; 1 where one is above linear."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=", ".join(AXES))
    parser.add_argument("--rows", type=Path, default=ROWS)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    unknown = set(options.axes) - AXES.keys()
    if unknown:
        parser.error(f"{', '.join(unknown)}: is no axis")
    for axis in options.axes or AXES:
        measure(axis, options.rows)
    rows, worst = read(options.rows), 0.0
    for axis in AXES:
        part = [row for row in rows if row["axis"] == axis]
        for what in ("cpu_s", "peak_mb"):
            found = slopes(part, what)
            if found:
                print(f"{axis:8s} {what:8s}", " ".join(f"{slope:5.2f}" for slope in found))
                worst = max(worst, *found)
    draw(rows, options.figure or options.rows.with_suffix(".png"))
    print(f"the steepest slope is {worst:.2f}; linear is 1, {ALLOWED} is allowed")
    return int(worst > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
