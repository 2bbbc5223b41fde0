"""Label entropy of a default run against constant blurs of the registered labels.

    python Testing/benchmarks/label_entropy.py --data ../shared/data --out study
        [--group development|test|brain|lung] [--pairs 12]

Groups: the 24 hippocampus subjects in the order of their numbers, those at odd places (1st, 3rd …)
for development, those at even places for the test, each registered to the next of its group; the
two brains at 2 mm (13 structures); the lung masks. Demons, deform, 16 samples, seed 1. Scores as
in ``evaluate labels``, in the ring around the true boundaries.

Rows are kept in rows.csv; a stopped study goes on. It prints the section of
label_entropy_results.md. On a free core half a minute a hippocampus pair, some
minutes the brain.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from UncertainRegLib import backbones
from UncertainRegLib.geometry import DisplacementField, warp_labels
from UncertainRegLib.jobs import Job
from UncertainRegLib.jobs.inputs import Inputs, read_inputs
from UncertainRegLib.posterior.label_map import (
    SAMPLES_SHARE,
    WITHIN_MM,
    LabelMap,
    blurred,
    broadened,
    label_map,
)
from UncertainRegLib.posterior.labels import LabelProbabilities
from UncertainRegLib.samplers import create_sampler
from UncertainRegLib.studies.labels import judge, mean_dice
from UncertainRegLib.studies.rows import Rows, bootstrap_interval, summary

KEY = ("group", "pair", "map")
SAMPLES, SEED = 16, 1
BLURS_MM = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
BROADENED_MM = (0.5, 0.75, 1.0)
SHARES, WIDTHS_MM = (0.4, 0.5, 0.6), (1.0, 1.25, 1.5)  # tried on the development pairs
OURS, BASELINE = "label entropy", "blur 1 mm"
SCORES = {"auroc": "AUROC", "ece": "ECE", "ause": "AUSE"}


@dataclass(frozen=True)
class Pair:
    """Files of a pair, the spacing its images are brought to (mm; None: as they are), settings."""

    name: str
    job: Job
    spacing: float | None = None
    settings: dict | None = None


def pairs_of(data: Path, group: str, count: int) -> list[Pair]:
    """The pairs of a group, in a fixed order."""
    if group == "brain":
        brain = data / "brain_t1_inter"
        return [
            Pair(
                "A from C",
                Job(
                    fixed=str(brain / "subA_t1.nii.gz"),
                    fixed_labels=str(brain / "subA_seg13.nii.gz"),
                    moving=str(brain / "subC_aligned_t1.nii.gz"),
                    moving_labels=str(brain / "subC_aligned_seg13.nii.gz"),
                ),
                2.0,
            )
        ]
    if group == "lung":
        ends = {
            side: str(data / "lung_ct_followup" / f"{side}{{}}.mha")
            for side in ("baseline", "followup")
        }
        fixed, moving = (file.format("_mask") for file in ends.values())
        return [
            Pair(
                "baseline from followup",
                Job(
                    fixed=ends["baseline"].format(""),
                    moving=ends["followup"].format(""),
                    fixed_mask=fixed,
                    moving_mask=moving,
                    fixed_labels=fixed,
                    moving_labels=moving,
                ),
                settings={"voxels": 60_000},
            )
        ]
    folder = data / "hippocampus_msd"
    names = sorted(path.name for path in (folder / "images").glob("*.nii.gz"))
    names = names[0 if group == "development" else 1 :: 2]
    return [
        Pair(
            " from ".join(name.split(".")[0].split("_")[1] for name in both),
            Job(
                **{
                    f"{side}{kind}": str(folder / place / name)
                    for side, name in zip(("fixed", "moving"), both)
                    for kind, place in (("", "images"), ("_labels", "labels"))
                }
            ),
        )
        for both in zip(names, names[1:] + names[:1])
    ][:count]


def registrations(pair: Pair, inputs: Inputs) -> Iterator[DisplacementField]:
    """The registration itself, then its samples."""
    backbone = backbones.create("demons", "cpu", **(pair.settings or {}))
    fixed, moving = backbone.prepare(inputs.fixed, inputs.moving)
    yield backbone.register(fixed, moving)
    sampler = create_sampler("equivariance", backbone, "deform", {})
    for sample in sampler.sample(fixed, moving, SAMPLES, np.random.default_rng(SEED)):
        yield sample.field


def maps_of(pair: Pair, inputs: Inputs, sweep: bool) -> tuple[dict[str, LabelMap], np.ndarray]:
    """All maps of a pair by name, and its registered labels."""
    grid, labels = inputs.fixed_labels.grid, inputs.moving_labels.layers[0]
    registration, *samples = registrations(pair, inputs)
    warped = warp_labels(labels, registration.resample(grid)).array
    probabilities = LabelProbabilities(labels, grid)
    for field in samples:
        probabilities.add(field)
    maps = {f"blur {width:g} mm": blurred(warped, grid, width) for width in BLURS_MM}
    maps["samples alone"] = LabelMap(probabilities.entropy(), *probabilities.top_label())
    maps["label information"] = LabelMap(probabilities.information())
    for width in BROADENED_MM:
        maps[f"samples, broadened {width:g} mm"] = broadened(probabilities, width)
    if sweep:
        for share in SHARES:
            for width in WIDTHS_MM:
                maps[f"share {share:g}, within {width:g} mm"] = label_map(
                    probabilities, warped, share, width
                )
    maps[OURS] = label_map(probabilities, warped)
    return maps, warped


def study(pairs: list[Pair], group: str, rows: Rows) -> None:
    """Compute what is missing of a group."""
    for pair in pairs:
        if {"group": group, "pair": pair.name, "map": OURS} in rows:
            continue
        inputs = at_spacing(read_inputs(pair.job), pair.spacing)
        try:
            maps, warped = maps_of(pair, inputs, group == "development")
        except (ValueError, RuntimeError) as error:
            print(f"{pair.name} is left out: {error}", file=sys.stderr)
            continue
        truth = inputs.fixed_labels.layers[0].array
        for name, scores in judge(maps, warped, truth).items():
            rows.add(
                {
                    "group": group,
                    "pair": pair.name,
                    "map": name,
                    **{k: "" if scores[k] is None else scores[k] for k in SCORES},
                    "dice": mean_dice(warped, truth),
                }
            )
        print(pair.name, file=sys.stderr)


def at_spacing(inputs: Inputs, spacing: float | None) -> Inputs:
    """Images and labels on coarser grids."""
    if spacing is None:
        return inputs
    changed = {}
    for name in ("fixed", "moving"):
        labels = getattr(inputs, f"{name}_labels")
        changed[name] = (image := getattr(inputs, name)).resample(image.grid.at_spacing(spacing))
        changed[f"{name}_labels"] = labels.resample(labels.grid.at_spacing(spacing))
    return replace(inputs, **changed)


def section(rows: list[dict], group: str) -> str:
    """The Markdown table of a group."""
    rows = [row for row in rows if row["group"] == group]
    base = {row["pair"]: row for row in rows if row["map"] == BASELINE}
    head = ("map", "pairs", *SCORES.values(), f"AUROC − {BASELINE}", f"ECE − {BASELINE}")
    lines = [head, ("---",) * len(head)]
    for entry in summary(rows, ("map",), tuple(SCORES)):
        line = [
            entry["map"],
            entry["pairs"],
            *(cell(entry[name], entry[f"{name}_interval"]) for name in SCORES),
        ]
        for name in ("auroc", "ece"):
            gain = np.array(
                [
                    float(row[name]) - float(base[row["pair"]][name])
                    for row in rows
                    if row["map"] == entry["map"] and row[name] != ""
                ]
            )
            line.append(cell(gain.mean() if gain.size else np.nan, bootstrap_interval(gain), "+"))
        lines.append(line)
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def cell(value: float, interval: tuple[float, float] | None, sign: str = "") -> str:
    """A number with its interval; empty for none."""
    if np.isnan(value):
        return ""
    ends = "" if interval is None else " [{:{s}.3f}, {:{s}.3f}]".format(*interval, s=sign)
    return f"{value:{sign}.3f}{ends}"


def main() -> None:
    """Run a group, then print its section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--group", default="test", choices=("development", "test", "brain", "lung"))
    parser.add_argument("--pairs", type=int, default=12)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows = Rows(args.out / f"{args.group}.csv", KEY)
    study(pairs_of(args.data, args.group, args.pairs), args.group, rows)
    dice = {row["pair"]: float(row["dice"]) for row in rows.all}
    print(
        f"{len(dice)} pairs, mean Dice of the registration {np.mean(list(dice.values())):.3f}; "
        f"{OURS}: share {SAMPLES_SHARE:g}, within {WITHIN_MM:g} mm.\n"
    )
    print(section(rows.all, args.group))


if __name__ == "__main__":
    main()
