"""Write the tables of truth_results.md from the rows of ``evaluate truth``.

    python Testing/benchmarks/truth_report.py [STUDY/rows.csv]

The rows are copied beside the page (truth_rows.csv), so that it can be written again.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np

from UncertainRegLib.studies.judged import DISAGREEMENT, EXPECTED
from UncertainRegLib.studies.rows import Rows
from UncertainRegLib.studies.truth import DEVELOPMENT, KEY, over_subjects

HERE = Path(__file__).resolve().parent
PAGE, ROWS = HERE / "truth_results.md", HERE / "truth_rows.csv"
BEGIN = "<!-- written by truth_report.py -->\n"
END = "<!-- end of what truth_report.py writes -->\n"
GROUP = ("group", "kind", "map")
POINTS = ("boundary", "point", "simulated boundary", "simulated point")


def tables(rows: list[dict]) -> str:
    """The measured part of the page."""
    test = [row for row in rows if row["split"] != DEVELOPMENT]
    entries = over_subjects(test, GROUP)
    parts = [
        "## Bounds\n",
        "| pairs | error of | mean (mm) | within the bound | least of a pair | mean bound (mm) | "
        "best constant (mm) | samples alone: within |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in (one for one in entries if one["map"] == EXPECTED):
        alone = [
            one
            for one in entries
            if one["map"] == DISAGREEMENT
            and (one["group"], one["kind"]) == (entry["group"], entry["kind"])
        ]
        is_point = entry["kind"] in POINTS
        parts.append(
            _line(
                f"{entry['pairs']} {entry['group']}",
                entry["kind"],
                _number(entry["mean_error"]) if is_point or entry["kind"] == "centroid" else "",
                _share(entry["within"], entry["within_interval"]),
                _share(entry["least_within"]),
                _number(entry["bound"]),
                _number(entry["constant"]),
                _share(alone[0]["within"]) if alone else "",
            )
        )
    parts += ["\n## Ranking\n", "nAURC: 0 is the order of the error itself, 1 is chance.\n"]
    maps = list(dict.fromkeys(row["map"] for row in test if row["map"] != EXPECTED))
    parts += [
        "| pairs | error of | expected error | " + " | ".join(maps) + " |",
        "|" + "---|" * (len(maps) + 3),
    ]
    for group, kind in dict.fromkeys((e["group"], e["kind"]) for e in entries):
        if kind in POINTS:
            mine = {
                e["map"]: e["naurc"] for e in entries if (e["group"], e["kind"]) == (group, kind)
            }
            parts.append(_line(group, kind, *(_number(mine[n]) for n in (EXPECTED, *maps))))
    parts += ["", *_better(test, maps)]
    return "\n".join(parts) + "\n"


def _better(rows: list[dict], maps: list[str]) -> list[str]:
    """In how many cells (a pair and a kind of error) the expected error ranks better."""
    cells: dict[tuple, dict[str, float]] = {}
    for row in rows:
        if row["naurc"] != "":
            cells.setdefault((row["pair"], row["kind"]), {})[row["map"]] = float(row["naurc"])
    lines = [f"Of {len(cells)} cells (a pair and a kind of error) the expected error ranks better:"]
    for name in maps:
        wins = np.mean([cell[EXPECTED] < cell[name] for cell in cells.values()])
        lines.append(f"- than {name} in {100 * wins:.0f} %")
    return lines


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.2f}"


def _share(value: float, interval: tuple[float, float] | None = None) -> str:
    if np.isnan(value):
        return ""
    text = f"{100 * value:.0f} %"
    return (
        text if interval is None else f"{text} [{100 * interval[0]:.0f}, {100 * interval[1]:.0f}]"
    )


def page() -> str:
    """The page with its tables made anew."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    return before + BEGIN + tables(Rows(ROWS, KEY).all) + END + rest.split(END)[1]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        shutil.copy(sys.argv[1], ROWS)
    PAGE.write_text(page(), encoding="utf-8")
