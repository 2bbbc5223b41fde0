"""Registration methods on the shared pairs: error, overlap, folds, CPU seconds and memory, and how
well each one's own map ranks its error.

    python Testing/benchmarks/engines_table.py DATA OUT [--only demons greedy …] [--groups brain …]
        [--samples 8] [--voxels 100000] [--pairs 8]
    python Testing/benchmarks/engines_table.py --report OUT/rows.csv

Each pair and method is measured in a process of its own, on one thread, and is one row of
OUT/rows.csv; rows that are there are not computed again. Without ``--samples`` the pair is
registered once, at each method's own working grid. With it the methods share one coarse grid, and
the map of disagreement of so many deformations is judged, too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from engine_pairs import Case, pairs

from UncertainRegLib import backbones
from UncertainRegLib.backbones.registry import entry
from UncertainRegLib.geometry import DisplacementField, interpolate, jacobian_determinant
from UncertainRegLib.geometry.foreground import patient
from UncertainRegLib.metrics.boundaries import boundary_errors
from UncertainRegLib.metrics.landmarks import distances
from UncertainRegLib.metrics.overlap import dice_per_label
from UncertainRegLib.metrics.sparsification import risk
from UncertainRegLib.posterior.points import map_to_fixed
from UncertainRegLib.randomness import numpy_generator
from UncertainRegLib.samplers import create_sampler
from UncertainRegLib.studies.disagreement import disagreement
from UncertainRegLib.studies.engine_trial import peak_mb
from UncertainRegLib.studies.rows import Rows, summary
from UncertainRegLib.studies.simulate import error_mm, seen

ENGINES: dict[str, tuple[str, dict]] = {
    "demons": ("demons", {}),
    "greedy": ("greedy", {}),
    "greedy, fast": ("greedy", {"preset": "fast"}),
    "greedy, accurate": ("greedy", {"preset": "accurate"}),
    "convexadam": ("convexadam", {}),
    "bspline": ("bspline", {}),
    "elastix": ("elastix", {}),
    "ants": ("ants", {}),
    "plastimatch": ("plastimatch", {}),
    "plastimatch, mutual information": ("plastimatch", {"metric": "mutual information"}),
    "ants, mutual information": ("ants", {"metric": "mattes"}),
}
KEY = ("pair", "engine", "voxels", "samples")
POINTS = 400  # of each structure's boundary
FEWEST_VOXELS = 60  # of a structure in both images
VOXELS = 50_000  # of a simulated pair that are judged
COLUMNS = ("dice", "error_mm", "folds", "cpu_s", "peak_mb", "naurc")


def main() -> int:
    """Compute what is missing; or print the summary of rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("--only", nargs="+", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--groups", nargs="+", default=[])
    parser.add_argument("--pairs", type=int, default=1000, help="the first so many")
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--voxels", type=int, default=0)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--cell", nargs=2, default=[], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.report:
        print(report(Rows(options.report, KEY).all))
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    if options.cell:
        print(json.dumps(cell(*options.cell, options)))
        return 0
    rows = Rows(options.out / "rows.csv", KEY)
    chosen = list(pairs(options.data, options.out).items())
    chosen = [one for one in chosen if not options.groups or one[1][0] in options.groups]
    for name, (group, _) in chosen[: options.pairs]:
        for engine in options.only:
            key = {
                "pair": name,
                "engine": engine,
                "voxels": options.voxels,
                "samples": options.samples,
            }
            if entry(ENGINES[engine][0]).available and key not in rows:
                rows.add({**key, "group": group, **in_a_process(name, engine)})
    return 0


def in_a_process(name: str, engine: str) -> dict:
    """One row, of a process that does nothing else; an empty one where the registration fails."""
    done = subprocess.run(
        [sys.executable, *sys.argv, "--cell", name, engine],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"},
        check=False,
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:]
        print(name, engine, *reason, file=sys.stderr, flush=True)
        return {**dict.fromkeys((*COLUMNS, "wall_s"), ""), "failed": " ".join(reason)[:200]}
    found = json.loads(done.stdout.splitlines()[-1])
    print(name, engine, found, flush=True)
    return {**{key: found.get(key, "") for key in (*COLUMNS, "wall_s")}, "failed": ""}


def cell(name: str, engine: str, options) -> dict:
    """Register, sample if asked to, and judge one pair."""
    case = pairs(options.data, options.out)[name][1]()
    backbone_name, settings = ENGINES[engine]
    settings = settings | ({"voxels": options.voxels} if options.voxels else {})
    backbone = backbones.create(backbone_name, **settings)
    begun, wall = cpu_s(), perf_counter()
    fixed, moving = backbone.prepare(case.inputs.fixed, case.inputs.moving)
    registration = backbone.register(fixed, moving).to_numpy()
    found = {"cpu_s": cpu_s() - begun, "wall_s": perf_counter() - wall, "peak_mb": peak_mb()}
    points, error = known_errors(case, registration)
    found |= {"error_mm": float(error.mean()), "folds": folds(fixed, registration)}
    if case.inputs.fixed_labels is not None:
        found["dice"] = mean_dice(case, registration)
    if options.samples:
        sampler = create_sampler("equivariance", backbone, "deform", {})
        generator = numpy_generator(1, "engines", name)
        map_ = disagreement(sampler, fixed, moving, options.samples, generator)
        score = interpolate(map_.uncertainty_mm, map_.mean.grid.to_index(points))
        found["naurc"] = risk(score, error).normalised
    return found


def cpu_s() -> float:
    """CPU seconds of this process and of the programs that it ran."""
    return sum(os.times()[:4])


def folds(fixed, registration: DisplacementField) -> float:
    """Share of the anatomy that is folded."""
    inside = fixed.to_numpy().resample(registration.grid).array > 0.1
    return float((np.asarray(jacobian_determinant(registration))[inside] <= 0).mean())


def known_errors(case: Case, registration: DisplacementField) -> tuple[np.ndarray, np.ndarray]:
    """Points of the fixed space, (P, 3) LPS mm, and the known error there in mm: of the voxels of
    a simulated pair, of landmarks, or across the boundaries of structures."""
    inputs = case.inputs
    if case.truth is not None:
        truth = case.truth.resample(registration.grid)
        inside = patient(inputs.fixed.resample(registration.grid))
        inside &= seen(truth, inputs.moving.grid)
        chosen = np.flatnonzero(inside)[:: max(1, int(inside.sum()) // VOXELS)]
        index = np.stack(np.unravel_index(chosen, inside.shape)[::-1], axis=-1)
        return registration.grid.to_world(index), error_mm(registration, truth).ravel()[chosen]
    if inputs.fixed_points is not None:
        known = inputs.known_points
        true = inputs.fixed_points[known]
        return true, distances(map_to_fixed(registration, inputs.moving_points[known]), true)
    points, errors = [], []
    generator = numpy_generator(0, "boundary points")
    (fixed,), (moving,) = inputs.fixed_labels.layers, inputs.moving_labels.layers
    for label in inputs.moving_labels.labels:
        here, there = fixed.array == label, moving.array == label
        if min(here.sum(), there.sum()) >= FEWEST_VOXELS:
            found = boundary_errors(
                registration, here, fixed.grid, there, moving.grid, POINTS, generator
            )
            points.append(found.points)
            errors.append(np.abs(found.errors_mm))
    return np.concatenate(points), np.concatenate(errors)


def mean_dice(case: Case, registration: DisplacementField) -> float:
    """Mean overlap of the structures that both images have."""
    (fixed,), moving = case.inputs.fixed_labels.layers, case.inputs.moving_labels
    (warped,) = moving.warp(registration.resample(fixed.grid)).layers
    both = sorted(set(moving.labels) & set(case.inputs.fixed_labels.labels))
    return float(np.nanmean(list(dice_per_label(fixed.array, warped.array, both).values())))


def report(rows: list[dict]) -> str:
    """Markdown: a table for each working grid and number of samples."""
    tables = []
    kinds = sorted({(int(row["voxels"]), int(row["samples"])) for row in rows})
    for voxels, samples in kinds:
        mine = [
            row for row in rows if (int(row["voxels"]), int(row["samples"])) == (voxels, samples)
        ]
        head = ["pairs", "method", "Dice", "error (mm)", "folds (‰)", "CPU s", "MB"]
        lines = [head + ["nAURC"] * bool(samples)]
        found = summary(mine, ("group", "engine"), COLUMNS)
        for one in sorted(found, key=lambda each: each["group"]):
            key = (one["group"], one["engine"])
            members = [row for row in mine if (row["group"], row["engine"]) == key]
            failed = sum(row["failed"] != "" for row in members)
            line = [f"{len(members)} {key[0]}", key[1] + (f" ({failed} failed)" if failed else "")]
            line += [text(one["dice"], 3), text(one["error_mm"], 2), text(1000 * one["folds"], 2)]
            line += [text(one["cpu_s"], 1), text(one["peak_mb"], 0)]
            lines.append(line + [text(one["naurc"], 2)] * bool(samples))
        lines.insert(1, ["---"] * len(lines[0]))
        grid = f"about {voxels:,} voxels" if voxels else "its own"
        tables.append(f"Working grid: {grid}; samples of the map: {samples or 'none'}.\n")
        tables[-1] += "".join(f"\n| {' | '.join(line)} |" for line in lines)
    return "\n\n".join(tables)


def text(value: float, decimals: int) -> str:
    """A number of a table; empty where there is none."""
    return "" if np.isnan(value) else f"{value:.{decimals}f}"


if __name__ == "__main__":
    sys.exit(main())
