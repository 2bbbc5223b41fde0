"""Write the measured part of sir_results.md from the rows of sir_hippocampus.py.

    python Testing/benchmarks/sir_report.py --rows study/rows.csv --model model.txt

Tables hold the pairs that every model was judged on. The rows are copied beside the page
(sir_rows.csv), so that it can be written again, and so are the means of every measure
(sir_means.csv) and all paired differences (sir_differences.csv); the page shows a few of them.
model.txt is the output of sir_model.py.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

import numpy as np
from sir_hippocampus import COLUMNS, COMPARED, KEY, differences

from UncertainRegLib.studies.rows import Rows

HERE = Path(__file__).resolve().parent
PAGE, ROWS = HERE / "sir_results.md", HERE / "sir_rows.csv"
MEANS, DIFFERENCES = HERE / "sir_means.csv", HERE / "sir_differences.csv"
BLIND = "smooth 0.5 mm"  # noise that sees no image
SHOWN = ("dice_mean", "dice_resampled", "gap", "ece", "ause", "auroc")  # of the measures
BEGIN, END = "<!-- written by sir_report.py -->\n", "<!-- end of what sir_report.py writes -->\n"


def common_pairs(rows: Rows) -> None:
    """Keep the pairs that every model and spread was judged on."""
    groups = {}
    for row in rows.all:
        groups.setdefault((row["model"], row["spread"]), set()).add(
            (row["seed"], row["moving"], row["fixed"])
        )
    shared = set.intersection(*groups.values())
    rows.all = [r for r in rows.all if (r["seed"], r["moving"], r["fixed"]) in shared]


def means(rows: Rows) -> list[list[str]]:
    """Model, spread and the mean of every measure."""
    found = []
    for key in dict.fromkeys((r["model"], r["spread"]) for r in rows.all):
        mine = [r for r in rows.all if (r["model"], r["spread"]) == key]
        found.append(
            [*key, *(written(name, np.mean([float(r[name]) for r in mine])) for name in COLUMNS)]
        )
    return found


def written(name: str, value: float) -> str:
    """A mean, with the digits of its measure; nothing where there is none."""
    if np.isnan(value):
        return ""
    return f"{value:.2f}" if "ess" in name or name == "folds" else f"{value:.4f}"


def all_differences(rows: Rows) -> list[list[str]]:
    """Spread, reference, model, measure, mean and interval of all paired differences."""
    return [
        [spread, reference, model, name, *(f"{value:+.4f}" for value in values)]
        for spread in ("own", "matched")
        for reference in ("mean only", BLIND, "V+D")
        for model, name, *values in differences(rows, spread, reference)
    ]


def report(rows: Rows) -> str:
    """Markdown: settings, means of every model, paired differences to blind noise."""
    one = rows.all[0]
    pairs = len({(r["moving"], r["fixed"]) for r in rows.all})
    seeds = len({r["seed"] for r in rows.all})
    write(MEANS, ["model", "spread", *COLUMNS], means(rows))
    write(
        DIFFERENCES,
        ["spread", "reference", "model", "measure", "mean", "low", "high"],
        all_differences(rows),
    )
    place = [2 + list(COLUMNS).index(name) for name in SHOWN]
    lines = [
        f"{pairs} ordered test pairs, {seeds} seed(s); {one['mean_steps']} steps of the mean "
        f"shared by the variants, {one['steps']} steps of each; {one['judged']} proposals "
        f"at test. All {len(COLUMNS)} measures: [{MEANS.name}]({MEANS.name}).",
        "",
        *table(
            ["model", "spread", *(COLUMNS[name] for name in SHOWN)],
            [[*row[:2], *(row[i] for i in place)] for row in means(rows)],
        ),
    ]
    found = {
        (model, name): f"{mean} [{low}, {high}]"
        for spread, reference, model, name, mean, low, high in all_differences(rows)
        if (spread, reference) == ("matched", BLIND)
    }
    lines += [
        "",
        f"Differences to {BLIND}, matched spread (mean over pairs, 95 % bootstrap "
        "interval over fixed subjects); those to other references and at their own spread: "
        f"[{DIFFERENCES.name}]({DIFFERENCES.name}).",
        "",
        *table(
            ["model", *(COLUMNS[name] for name in COMPARED)],
            [
                [model, *(found.get((model, name), "") for name in COMPARED)]
                for model in dict.fromkeys(model for model, _ in found)
            ],
        ),
    ]
    return "\n".join(lines) + "\n"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]


def write(path: Path, head: list[str], rows: list[list[str]]) -> None:
    """Write a table beside the page."""
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([head, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, default=ROWS)
    parser.add_argument("--model", type=Path, required=True)
    args = parser.parse_args()
    if args.rows.resolve() != ROWS:
        shutil.copyfile(args.rows, ROWS)
    rows = Rows(ROWS, KEY)
    common_pairs(rows)
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    text = (
        f"\n{report(rows)}\n### The model that comes with the library\n\n```\n"
        f"{args.model.read_text(encoding='utf-8')}```\n\n"
    )
    PAGE.write_text(before + BEGIN + text + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
