"""A cohort folder with known numbers: a table of any length, and results for its worst pairs."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np

from support.fake_result import write_fake_result
from UncertainRegLib.cohort.folder import CohortFolder
from UncertainRegLib.cohort.table import COLUMNS

STRUCTURES = ("Liver", "Spleen", "Left kidney", "Right kidney")
VERDICTS = ("PASS", "NOT VERIFIED", "FAIL")


def write_fake_cohort(folder: str | Path, pairs: int, results: int = 0, truth: bool = True) -> Path:
    """Write a cohort folder; returns it.

    Pair number n is called ``pair-0000n``, of the site A, B or C; the expected error falls with n,
    and Dice grows with it, a little disturbed. Each 50th pair failed.

    Args:
        results: of how many of the worst pairs there is a result folder.
        truth: whether Dice is known.
    """
    cohort = CohortFolder(Path(folder))
    cohort.path.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(1)
    cohort.describe(counts={"complete": pairs, "failed": 0, "missing": 0})
    with open(cohort.csv, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="")
        writer.writeheader()
        for number in range(pairs):
            about = {"schema": 1, "id": f"pair-{number:05d}", "group": "ABC"[number % 3]}
            if number % 50 == 49:
                why = f"moving_{number}.nii.gz: is damaged or truncated."
                writer.writerow(about | {"kind": "pair", "status": "failed", "sentence": why})
                continue
            writer.writerow(about | {"kind": "pair"} | _pair(number, pairs, truth, generator))
            for name in STRUCTURES:
                writer.writerow(about | {"kind": "structure", "name": name} | _structure(generator))
    if results:
        first = write_fake_result(cohort.result("pair-00000"))
        for number in range(1, results):
            if number % 50 != 49:
                shutil.copytree(first, cohort.result(f"pair-{number:05d}"))
    return cohort.path


def _pair(number: int, pairs: int, truth: bool, generator) -> dict:
    """The numbers of a pair."""
    good = number / pairs
    disturbed = np.clip(good + generator.normal(0, 0.2), 0, 1)
    return {
        "status": "complete",
        "expected_error_boundary_mm": round(2.0 - 1.5 * good, 4),
        "expected_error_mean_mm": round(4.0 - 3.0 * good, 4),
        "expected_error_p95_mm": round(7.0 - 5.0 * good, 4),
        "uncertainty_mean_mm": round(1.0 + generator.random(), 4),
        "uncertainty_p95_mm": round(3.0 + generator.random(), 4),
        "similarity": round(generator.random(), 3),
        "dice": round(0.6 + 0.35 * disturbed, 4) if truth else "",
        "verdict": VERDICTS[number // 3 % 3] if truth else "NOT VERIFIED",
        "samples": 8,
    }


def _structure(generator) -> dict:
    return {
        "expected_mm": round(generator.gamma(4.0, 0.4), 4),
        "u_p95_mm": round(generator.gamma(4.0, 0.3), 4),
        "dice": round(1.0 - generator.gamma(4.0, 0.03), 4),
    }


def decide(folder: Path, pair: str, decision: str) -> None:
    """Enter a decision into the table, as a rewritten one would have it."""
    file = CohortFolder(folder).csv
    with open(file, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        if row["id"] == pair and row["kind"] == "pair":
            row["decision"], row["reason"] = decision, "for a test"
    with open(file, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def set_inputs(result: Path, **sha256: str) -> None:
    """Change the hash of inputs of a result."""
    file = result / "result.json"
    record = json.loads(file.read_text("utf-8"))
    for name, text in sha256.items():
        record["inputs"][name]["sha256"] = text
    file.write_text(json.dumps(record), "utf-8")
