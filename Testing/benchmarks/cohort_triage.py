"""Triage on real pairs: are the pairs with the lowest Dice among those that a score looks at first?

    python Testing/benchmarks/cohort_triage.py DATA OUT [--samples 16] [--workers 2] [--judge]

All ordered pairs of the 24 hippocampi in DATA/hippocampus_msd are registered by the command
``cohort`` (a stopped run goes on): every second one is development, the others are test, and no pair
mixes the two. On the development pairs the score is chosen that finds most of the worst fifth by
Dice in the worst third, and it is judged on the test pairs. No score knows the segmentation of the
fixed image. ``--judge`` runs nothing, and judges what is there.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
from pathlib import Path

import numpy as np
from scipy.stats import hypergeom

from UncertainRegLib.__main__ import main as command
from UncertainRegLib.cohort.triage import curve, worst_by
from UncertainRegLib.metrics.correlation import spearman
from UncertainRegLib.randomness import numpy_generator
from UncertainRegLib.results.maps import DISAGREEMENT, EXPECTED
from UncertainRegLib.results.reader import read_record
from UncertainRegLib.results.record import Record

SHARE, WORST = 1 / 3, 0.2
GROUPS = ("development", "test")


def scores(record: Record) -> dict[str, float]:
    """Every candidate, the larger the worse; none of them needs a truth."""
    rows = record.labels
    surface = np.array([row["surface_cm2"] for row in rows])
    volume = np.array([row["volume_ml"] for row in rows])
    expected = np.array([row["expected_mm"] for row in rows])
    similarity = record.before_after.changes["similarity"]
    return {
        "expected error, mean": record.over_anatomy[EXPECTED].mean,
        "expected error, 95th percentile": record.over_anatomy[EXPECTED].p95,
        "expected error of the boundaries": float(np.average(expected, weights=surface)),
        "expected error of the worst boundary": float(expected.max()),
        # half the surface times its distance over the volume: what a shift of it takes from Dice
        "expected error of the boundaries over size": float(
            np.mean(0.05 * expected * surface / volume)
        ),
        "disagreement, mean": record.over_anatomy[DISAGREEMENT].mean,
        "disagreement, 95th percentile": record.over_anatomy[DISAGREEMENT].p95,
        "disagreement of the boundaries": float(np.mean([row["u_p50_mm"] for row in rows])),
        "1 - overlap of the samples": 1 - float(np.mean([row["pairwise_dice"] for row in rows])),
        "1 - similarity after": 1 - similarity.after,
        "1 - similarity before": 1 - similarity.before,
    }


def write_pairs(data: Path, file: Path, samples: int) -> None:
    """The list of pairs, in a random order: what a stopped run has done is no special part."""
    folder = data / "hippocampus_msd"
    names = sorted(path.name for path in (folder / "images").glob("*.nii.gz"))
    pairs = [
        (group, *pair)
        for first, group in enumerate(GROUPS)
        for pair in itertools.permutations(names[first::2], 2)
    ]
    order = numpy_generator(1, "cohort triage").permutation(len(pairs))
    with open(file, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        columns = ("id", "group", "fixed", "moving", "fixed_labels", "moving_labels", "samples")
        writer.writerow(columns)
        for group, fixed, moving in (pairs[number] for number in order):
            names = [name.split(".")[0].removeprefix("hippocampus_") for name in (fixed, moving)]
            files = [(folder / kind / name).resolve() for kind in ("images", "labels")
                     for name in (fixed, moving)]  # fmt: skip
            writer.writerow(["_from_".join(names), group, *files, samples])


def judged(rows: list[dict], name: str) -> dict[str, float]:
    """What a score finds, and its rank correlation with Dice."""
    values = [row[name] for row in rows]
    dice = [row["dice"] for row in rows]
    found = curve(values, worst_by(dice, largest=False))
    return {"found": found.found_at(SHARE), "spearman": -spearman(values, dice)}


def by_chance(pairs: int) -> tuple[float, float]:
    """Between which shares 95 % of random orders find."""
    bad, looked = round(WORST * pairs), round(SHARE * pairs)
    low, high = hypergeom(pairs, bad, looked).interval(0.95)
    return low / bad, high / bad


def report(rows: list[dict]) -> None:
    """Print the tables."""
    groups = {group: [row for row in rows if row["group"] == group] for group in GROUPS}
    names = [name for name in rows[0] if name not in ("id", "group", "dice")]
    found = {name: {group: judged(groups[group], name) for group in GROUPS} for name in names}
    print("| score | development: found | Spearman | test: found | Spearman |")
    print("|---|---|---|---|---|")
    best = max(names, key=lambda name: tuple(found[name][GROUPS[0]].values()))
    for name in sorted(names, key=lambda name: -found[name][GROUPS[0]]["found"]):
        cells = [
            f"{100 * one['found']:.0f} % | {one['spearman']:.2f}" for one in found[name].values()
        ]
        print(f"| {name}{' (chosen)' if name == best else ''} | {' | '.join(cells)} |")
    for group, own in groups.items():
        low, high = by_chance(len(own))
        dice = [row["dice"] for row in own]
        print(
            f"\n{group}: {len(own)} pairs, Dice {min(dice):.2f} to {max(dice):.2f}, the worst "
            f"fifth below {sorted(dice)[round(WORST * len(own))]:.3f}; chance finds 33 % (95 % of "
            f"random orders {100 * low:.0f} to {100 * high:.0f} %)."
        )


def main(arguments: list[str] | None = None) -> int:
    """Run, judge, and write OUT/rows.csv."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--judge", action="store_true")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    cohort = options.out / "cohort"
    if not options.judge:
        write_pairs(options.data, options.out / "pairs.csv", options.samples)
        code = command(
            ["cohort", str(options.out / "pairs.csv"), "--out", str(cohort)]
            + ["--workers", str(options.workers)]
        )
        if code:
            return code
    with open(options.out / "pairs.csv", newline="", encoding="utf-8") as stream:
        listed = list(csv.DictReader(stream))
    rows = []
    for one in listed:
        folder = cohort / "pairs" / one["id"]
        record = read_record(folder) if (folder / "result.json").exists() else None
        if record is not None and record.status == "complete":
            dice = record.before_after.changes["dice"].after
            rows.append({"id": one["id"], "group": one["group"], "dice": dice, **scores(record)})
    with open(options.out / "rows.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(
            {name: f"{one:.5g}" if isinstance(one, float) else one for name, one in row.items()}
            for row in rows
        )
    report(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
