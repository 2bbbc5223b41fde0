"""What a run costs, and how well its map holds, against an earlier state of this repository.

    python Testing/benchmarks/bench_run.py DATA [--against fd2682a] [--pair brain|lung|hippocampus]
        [--samples 16] [--reference 64] [--repeats 2] [--voxels 1000000] [--keep FOLDER]

The earlier state is installed into a temporary folder. Old and new runs take turns; one line each:
CPU seconds (children included), wall time to the first map, mean Dice, mean TRE, and agreement of
the map of disagreement with that of --reference samples of the old state with another seed, over
the anatomy: Spearman and ratio of the means. Then ratios of the medians, and the machine's noise:
how far repeats of one state lie apart. --voxels 100000 --reference 32 takes minutes.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from UncertainRegLib.geometry import read_image
from UncertainRegLib.geometry.files import read_labels
from UncertainRegLib.geometry.foreground import above_mean
from UncertainRegLib.metrics.correlation import spearman

ROOT = Path(__file__).resolve().parents[2]
SEED, OTHER_SEED = 1, 2
COLUMNS = ("cpu_s", "first_map_s", "dice", "tre_mm", "rho", "mean_ratio")
HEADINGS = (
    "CPU-s", "first map (s)", "Dice", "TRE (mm)", "Spearman with reference", "mean / reference"
)  # fmt: skip


def pair(name: str, data: Path, folder: Path) -> list[str]:
    """Options of ``run`` for a pair; the lung's landmarks are written to ``folder``."""
    if name == "brain":
        here = data / "brain_t1_inter"
        options = {
            "fixed": here / "subA_t1.nii.gz",
            "moving": here / "subC_aligned_t1.nii.gz",
            "fixed-labels": here / "subA_seg13.nii.gz",
            "moving-labels": here / "subC_aligned_seg13.nii.gz",
        }
    elif name == "hippocampus":
        here = data / "hippocampus_msd"
        first, second = sorted(path.name for path in (here / "images").glob("*.nii.gz"))[:4:2]
        options = {
            "fixed": here / "images" / first,
            "moving": here / "images" / second,
            "fixed-labels": here / "labels" / first,
            "moving-labels": here / "labels" / second,
        }
    else:
        here = data / "lung_ct_followup"
        with open(here / "landmarks_lps.csv", newline="", encoding="utf-8") as stream:
            lines = list(csv.DictReader(stream))
        options = {}
        for role, time in (("fixed", "baseline"), ("moving", "followup")):
            points = folder / f"{time}.csv"
            rows = [[x["elastix_index"], *(x[f"{time}_{a}"] for a in "xyz")] for x in lines]
            with open(points, "w", newline="", encoding="utf-8") as stream:
                csv.writer(stream).writerows([("label", "x", "y", "z"), *rows])
            options |= {
                role: here / f"{time}.mha",
                f"{role}-mask": here / f"{time}_mask.mha",
                f"{role}-points": points,
            }
    return [text for name, path in options.items() for text in (f"--{name}", str(path))]


def installed(state: str, folder: Path) -> Path:
    """The library as it was at a commit, in a folder for PYTHONPATH."""
    source, target = folder / "source", folder / "installed"
    source.mkdir()
    archive = subprocess.run(
        ["git", "archive", state], cwd=ROOT, check=True, capture_output=True
    ).stdout
    subprocess.run(["tar", "x", "-C", str(source)], input=archive, check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*pip, str(target), str(source)], check=True)
    return target


def run(library: Path, options: list[str], out: Path) -> dict:
    """One run in a process of its own: what it cost, and its result."""
    command = [sys.executable, "-m", "UncertainRegLib", "run", *options, "--out", str(out)]
    before, begun, first = os.times(), perf_counter(), None
    with subprocess.Popen(
        [*command, "--progress", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        cwd=out.parent,
        env={**os.environ, "PYTHONPATH": str(library)},
    ) as process:
        for line in process.stdout:
            if json.loads(line)["event"] in ("snapshot", "finished") and first is None:
                first = perf_counter() - begun
    after = os.times()
    record = json.loads((out / "result.json").read_text("utf-8"))
    if process.returncode:
        raise SystemExit(f"{out}: {record.get('error')}")
    labels = [row["dice"] for row in record.get("labels", []) if row.get("dice") is not None]
    points = [row["tre_mm"] for row in record.get("landmarks", []) if row.get("tre_mm") is not None]
    return {
        "cpu_s": after.children_user
        + after.children_system
        - before.children_user
        - before.children_system,
        "first_map_s": first,
        "dice": float(np.mean(labels)) if labels else float("nan"),
        "tre_mm": float(np.mean(points)) if points else float("nan"),
        "map": read_image(out / record["maps"]["uncertainty_mm"]["file"]).array,
    }


def line(name: str, row: dict) -> str:
    """One line of the table."""
    cells = [f"{row[column]:.3f}" if row.get(column) is not None else "" for column in COLUMNS]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--against", default="fd2682a", help="a commit")
    parser.add_argument("--pair", default="brain", choices=("brain", "lung", "hippocampus"))
    parser.add_argument("--samples", type=int, help="of the new runs [its default]")
    parser.add_argument("--reference", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--voxels", type=int, help="of the working grid [its default]")
    parser.add_argument("--keep", type=Path, help="results stay here; a reference here is used")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        options = pair(given.pair, given.data.resolve(), folder)
        if given.voxels:
            options += ["--parameters", json.dumps({"backbone": {"voxels": given.voxels}})]
        old = installed(given.against, Path(temporary))
        kept = folder / f"reference-{given.pair}-{given.reference}-{given.voxels or 'all'}"
        if not (kept / "result.json").is_file():
            count = ["--samples", str(given.reference), "--seed", str(OTHER_SEED)]
            run(old, [*options, *count], kept)
        file = json.loads((kept / "result.json").read_text("utf-8"))["maps"]["uncertainty_mm"]
        reference = read_image(kept / file["file"]).array
        roles = dict(zip(options[::2], options[1::2]))
        anatomy = (
            read_labels(roles["--fixed-mask"]).array > 0
            if "--fixed-mask" in roles
            else above_mean(read_image(roles["--fixed"]))
        )
        new = ["--samples", str(given.samples)] if given.samples else []
        print(f"| run | {' | '.join(HEADINGS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
        rows: dict[str, list[dict]] = {"old": [], "new": []}
        for repeat in range(given.repeats):
            for name, library, more in (("old", old, []), ("new", ROOT, new)):
                out = folder / f"{name}-{given.pair}-{repeat}"
                row = run(library, [*options, *more, "--seed", str(SEED)], out)
                u = row.pop("map")
                row["rho"] = spearman(u[anatomy], reference[anatomy])
                row["mean_ratio"] = float(u[anatomy].mean() / reference[anatomy].mean())
                rows[name].append(row)
                print(line(f"{name} {repeat + 1}", row), flush=True)
    middle = {
        name: {column: median(row[column] for row in found) for column in COLUMNS}
        for name, found in rows.items()
    }
    for column in ("cpu_s", "first_map_s"):
        apart = [max(r[column] for r in found) / min(r[column] for r in found) - 1
                 for found in rows.values()]  # fmt: skip
        print(
            f"{column}: new / old {middle['new'][column] / middle['old'][column]:.2f}; "
            f"repeats of one state lie up to {max(apart):.0%} apart"
        )
    for column in ("dice", "tre_mm", "rho", "mean_ratio"):
        print(f"{column}: new - old {middle['new'][column] - middle['old'][column]:+.3f}")


if __name__ == "__main__":
    main()
