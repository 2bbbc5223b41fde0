"""Transforms of four programs, and fourteen mistakes with them, judged: `given_results.md`.

    python Testing/benchmarks/given/judge.py DATA OUT [lung|brain] [FILE ...]

DATA is the folder of shared data, OUT keeps the files that the programs wrote and a row for each
verdict. Needs antspyx, itk-elastix and picsl-greedy, about half an hour a pair on one core.
"""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from given.files import PROGRAMS, made
from given.pairs import PAIRS, Pair
from given.wrong import MISTAKES, mistaken
from UncertainRegLib.jobs import Job, run
from UncertainRegLib.jobs.events import Silent
from UncertainRegLib.results.acceptance import OVERALL, PRESETS
from UncertainRegLib.results.record import Record
from UncertainRegLib.studies.acceptance import acceptance

SAMPLES = 2
SHOWN = ("tre_mean_mm", "tre_max_mm", "mda_mm", "dice", "jacobian_min", "folding_percent")
COLUMNS = ("pair", "file", "expected", "named", "state", *SHOWN, "offset_mm", "outside", "said")
OWN = "uncertainreg"


def judged(pair: Pair, name: str, files: list[Path] | None, words: str | None, out: Path) -> dict:
    """One row. ``words``: what must be named; None where nothing may be."""
    folder = out / "results" / pair.name / name.replace(" ", "_")
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was stopped
    job = Job(
        **pair.inputs,
        out=str(folder),
        transform=[str(file) for file in files or []],
        label_names=pair.label_names,
        samples=SAMPLES,
        parameters={"backbone": {"voxels": 100_000}},
    )
    record = Record.from_dict(run(job, Silent()))
    found = acceptance(folder, record, PRESETS["tg132"])
    overall = {row.metric: row for row in found.rows if row.where == OVERALL}
    given = record.given
    said = " ".join(given.suspicions) if given else ""
    named = (not said) if words is None else any(one in said for one in words.split("|"))
    return {
        "pair": pair.name,
        "file": name,
        "expected": words or "",
        "named": "yes" if named else "no",
        "state": found.state,
        **{metric: overall[metric].value for metric in SHOWN if metric in overall},
        "offset_mm": given.offset_mm if given else None,
        "outside": given.outside if given else None,
        "said": said,
    }


def main() -> None:
    """Judge everything, or what is named."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    chosen = sys.argv[3:]
    out.mkdir(parents=True, exist_ok=True)
    rows = out / "rows.csv"
    done = set()
    if rows.is_file():
        with open(rows, encoding="utf-8") as stream:
            done = {(row["pair"], row["file"]) for row in csv.DictReader(stream)}
    else:
        with open(rows, "w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerow(COLUMNS)
    for kind in PAIRS:
        if set(chosen) & set(PAIRS) and kind not in chosen:
            continue
        pair = PAIRS[kind](data, out)
        for name, words in {OWN: None, **dict.fromkeys(PROGRAMS), **MISTAKES}.items():
            others = [one for one in chosen if one not in PAIRS]
            if (pair.name, name) in done or (others and name not in others):
                continue
            files = None
            if name in PROGRAMS:
                files = made(name, pair, out)
            elif name == OWN:
                files = own(pair, out)
            else:
                files = mistaken(name, pair, data, out)
            row = judged(pair, name, files, words, out)
            print(row, flush=True)
            with open(rows, "a", encoding="utf-8", newline="") as stream:
                csv.DictWriter(stream, COLUMNS).writerow(row)


def own(pair: Pair, out: Path) -> list[Path]:
    """The registration of a run of this product, as it lies in its result folder."""
    folder = out / "results" / pair.name / "own"
    if not (folder / "transform.nrrd").is_file():
        job = Job(**pair.inputs, out=str(folder), label_names=pair.label_names, samples=2)
        run(job, Silent())
    return [folder / "transform.nrrd"]


if __name__ == "__main__":
    main()
