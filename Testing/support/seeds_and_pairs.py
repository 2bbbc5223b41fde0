"""Differences of the errors of trained networks on the same test pairs, for the benchmarks' pages."""

from __future__ import annotations

import numpy as np

from UncertainRegLib.studies.paired import difference

INTERVALS = (
    "Differences are paired by test pair and seed, with a 95 % bootstrap interval over test pairs and "
    "a 95 % t interval over the seeds of the trainings."
)


def differences(
    rows: list[dict], references: list[tuple[str, str]], column: str = "error"
) -> list[str]:
    """A Markdown table: each model minus its reference.

    Args:
        rows: with model, seed, pair and the column.
        references: models, each with what it is compared with; those without rows are left out.
    """
    pairs = sorted({row["pair"] for row in rows})
    values: dict[str, dict[int, np.ndarray]] = {}
    for row in rows:
        mine = values.setdefault(row["model"], {})
        cells = mine.setdefault(int(row["seed"]), np.full(len(pairs), np.nan))
        cells[pairs.index(row["pair"])] = float(row[column])
    lines = ["", f"| {column} | minus that of | difference | over pairs | over seeds |"]
    lines.append("|" + "---|" * 5)
    for model, reference in references:
        if model in values and reference in values:
            gap = difference(values[model], values[reference])
            cells = (
                "" if one is None else f"[{one[0]:+.3f}, {one[1]:+.3f}]"
                for one in (gap.over_subjects, gap.over_seeds)
            )
            lines.append(f"| {model} | {reference} | {gap.mean:+.3f} | " + " | ".join(cells) + " |")
    return lines
