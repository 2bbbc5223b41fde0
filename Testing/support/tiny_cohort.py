"""A list of pairs of tiny images, and what stands in for the work on a pair."""

from __future__ import annotations

import csv
import os
import signal
import time
from pathlib import Path

from support.phantoms import textured
from UncertainRegLib.cohort.folder import CohortFolder
from UncertainRegLib.cohort.pairs_file import Pair
from UncertainRegLib.cohort.work import DRAFT, Outcome
from UncertainRegLib.geometry import Grid, write_image

GRID = Grid.from_spacing((12, 14, 13), (3, 3, 3))
TIMES = {"seconds"}  # columns that differ from run to run


def write_images(folder: Path, count: int = 3) -> list[str]:
    """Images of noisy ellipsoids; returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"im{number}.nrrd" for number in range(count)]
    for number, name in enumerate(names):
        write_image(textured(GRID, seed=number, smooth=1.5), folder / name)
    return names


def write_list(path: Path, rows: list[dict]) -> Path:
    """A list of pairs; a column is there where a row has it."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_table(folder: Path) -> list[dict]:
    """The rows of the table without what a clock says."""
    with open(folder / "cohort.csv", newline="", encoding="utf-8") as file:
        return [
            {name: text for name, text in row.items() if name not in TIMES}
            for row in csv.DictReader(file)
        ]


def nothing(pair: Pair, folder: CohortFolder, version: str) -> Outcome:
    """Stands in for the work: at once, and no result folder."""
    return Outcome(pair.name)


def killed(pair: Pair, folder: CohortFolder, version: str) -> Outcome:
    """Kills its worker in the middle of the work, always for a pair called "deadly", and once for one
    called "unlucky"."""
    draft = folder.pairs / f".{pair.name}.{os.getpid()}{DRAFT}"
    draft.mkdir()
    (draft / "result.json").touch()
    with open(folder.path / f"{pair.name}.tries", "a", encoding="utf-8") as file:
        file.write("x")
    tries = (folder.path / f"{pair.name}.tries").stat().st_size
    if pair.name == "deadly" or (pair.name == "unlucky" and tries == 1):
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGKILL)
    draft.rename(folder.result(pair.name))
    return Outcome(pair.name)
