"""Write the measured part of sir_results.md from the rows of sir_hippocampus.py.

    python Testing/benchmarks/sir_report.py --rows study/rows.csv --model model.txt

Tables hold the pairs that every model was judged on. The rows are copied beside the page
(sir_rows.csv), so that it can be written again; model.txt is the output of sir_model.py.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
from sir_hippocampus import COLUMNS, KEY, paired

from UncertainRegLib.studies.rows import Rows

HERE = Path(__file__).resolve().parent
PAGE, ROWS = HERE / "sir_results.md", HERE / "sir_rows.csv"
BEGIN, END = "<!-- written by sir_report.py -->\n", "<!-- end of what sir_report.py writes -->\n"


def common_pairs(rows: Rows) -> None:
    """Keep the pairs that every model and spread was judged on."""
    groups = {}
    for row in rows.all:
        groups.setdefault((row["model"], row["spread"]), set()).add(
            (row["seed"], row["moving"], row["fixed"]))
    shared = set.intersection(*groups.values())
    rows.all = [r for r in rows.all if (r["seed"], r["moving"], r["fixed"]) in shared]


def report(rows: Rows) -> str:
    """Markdown: settings, means of every model, paired differences."""
    one = rows.all[0]
    pairs = len({(r["moving"], r["fixed"]) for r in rows.all})
    seeds = len({r["seed"] for r in rows.all})
    lines = [f"{pairs} ordered test pairs, {seeds} seed(s); {one['mean_steps']} steps of the mean "
             f"shared by the variants, {one['steps']} steps of each; {one['judged']} proposals "
             "at test.", "",
             "| model | spread | " + " | ".join(COLUMNS.values()) + " |",
             "|---" * (len(COLUMNS) + 2) + "|"]
    for key in dict.fromkeys((r["model"], r["spread"]) for r in rows.all):
        mine = [r for r in rows.all if (r["model"], r["spread"]) == key]
        means = {name: np.mean([float(r[name]) for r in mine]) for name in COLUMNS}
        lines.append("| " + " | ".join([*key, *(
            f"{value:.2f}" if "ess" in name or name == "folds" else f"{value:.4f}"
            for name, value in means.items())]) + " |")
    for spread in ("own", "matched"):
        for reference in ("mean only", "smooth 0.5 mm", "V+D"):
            found = list(paired(rows, spread, reference))
            if found:
                lines += ["", f"Differences to {reference}, {spread} spread (mean over pairs, 95 % "
                          "bootstrap interval over fixed subjects):", "", "```", *found, "```"]
    return "\n".join(lines) + "\n"


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
    text = (f"\n{report(rows)}\n### The model that comes with the library\n\n```\n"
            f"{args.model.read_text(encoding='utf-8')}```\n\n")
    PAGE.write_text(before + BEGIN + text + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
