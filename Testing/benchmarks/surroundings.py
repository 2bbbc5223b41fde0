"""Is one anatomy one registration, whatever surrounds it? And what the answer costs in Dice and folds.

    python Testing/benchmarks/surroundings.py OUT [--data ../shared/data] [--seeds 4 5 6]

The change of error (mm) on pairs with a known field, for each of their surroundings, and, with
``--data``, Dice and folds of hippocampus pairs, development and test split by subject. All settings
are the default ones. A stopped run goes on: finished rows are kept in OUT.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Testing"), str(ROOT / "Testing" / "benchmarks")]

from truth_pairs import hippocampi  # noqa: E402

from support.known_pair import NO_AIR, body_points, crop_points, error_mm, known_pair, surroundings  # noqa: E402
from UncertainRegLib.backbones import create  # noqa: E402
from UncertainRegLib.geometry import read_image, read_labels, warp_labels  # noqa: E402
from UncertainRegLib.geometry.field import folding_fraction  # noqa: E402
from UncertainRegLib.metrics.overlap import dice_per_label  # noqa: E402
from UncertainRegLib.studies.rows import Rows, summary, table  # noqa: E402

AS_IT_IS, IN_CROP = "as it is", "as it is, in the crop"
GROUP = ("backbone", "split")


def change_table(rows: Rows, backbones: list[str], seeds: list[int]) -> None:
    """Errors of each pair, in each of its surroundings."""
    for name in backbones:
        for seed in seeds:
            fixed, moving, truth = known_pair(seed)
            body, crop = body_points(fixed), crop_points(fixed)
            cases = {AS_IT_IS: ((fixed, moving), body), IN_CROP: ((fixed, moving), crop)}
            for case, pair in surroundings(fixed, moving).items():
                cases[case] = (pair, crop if case == NO_AIR else body)
            for case, (pair, places) in cases.items():
                key = {"backbone": name, "seed": seed, "surroundings": case}
                if key not in rows:
                    rows.add({**key, "error_mm": error_mm(create(name), pair, truth, places)})


def overlap_table(rows: Rows, backbones: list[str], data: Path, pairs: int) -> None:
    """Dice and folds of each hippocampus pair."""
    for name in backbones:
        found = hippocampi(data)
        for split in ("development", "test"):
            for pair in [one for one in found if one["split"] == split][:pairs]:
                key = {"backbone": name, "split": split, "pair": pair["pair"]}
                if key in rows:
                    continue
                backbone = create(name)
                fixed, moving = read_image(pair["fixed"]), read_image(pair["moving"])
                field = backbone.register(*backbone.prepare(fixed, moving)).resample(fixed.grid)
                field = field.to_numpy()
                moved = warp_labels(read_labels(pair["moving_labels"]), field)
                dice = dice_per_label(read_labels(pair["fixed_labels"]).array, moved.array)
                rows.add(
                    {
                        **key,
                        "dice": float(np.mean(list(dice.values()))),
                        "folds_percent": 100 * folding_fraction(field),
                    }
                )


def changes(rows: Rows) -> str:
    """How much each of the surroundings changes the error, against the same places of the pair as
    it is; one column a pair."""
    error = {
        (row["backbone"], row["surroundings"], row["seed"]): float(row["error_mm"])
        for row in rows.all
    }
    seeds = list(dict.fromkeys(key[2] for key in error))
    lines = [
        "| method | surroundings | " + "".join(f"change, mm, pair {seed} | " for seed in seeds),
        "|---" * (2 + len(seeds)) + "|",
    ]
    for name, case in dict.fromkeys(key[:2] for key in error):
        plain = IN_CROP if case == NO_AIR else AS_IT_IS
        cells = [
            f"{error[name, case, seed]:.3f} (error)"
            if case in (AS_IT_IS, IN_CROP)
            else f"{error[name, case, seed] - error[name, plain, seed]:+.3f}"
            for seed in seeds
            if (name, case, seed) in error
        ]
        lines.append("| " + " | ".join([name, case, *cells]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, help="the shared data; none: no hippocampus pairs")
    parser.add_argument("--backbones", nargs="+", default=["convexadam", "demons"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[4, 5, 6], help="of known pairs")
    parser.add_argument("--pairs", type=int, default=24, help="hippocampus pairs of each split")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    errors = Rows(args.out / "errors.csv", ("backbone", "seed", "surroundings"))
    change_table(errors, args.backbones, args.seeds)
    print(changes(errors), flush=True)
    if args.data:
        overlaps = Rows(args.out / "overlaps.csv", ("backbone", "split", "pair"))
        overlap_table(overlaps, args.backbones, args.data, args.pairs)
        columns = {"dice": "Dice", "folds_percent": "folds, %"}
        print(table(summary(overlaps.all, GROUP, tuple(columns)), GROUP, columns))


if __name__ == "__main__":
    main()
