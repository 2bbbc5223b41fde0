"""The tables of `learned`, in the layouts of the papers, as Markdown and as CSV."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np

from .learned_scores import MEASURES
from .paired import Estimate, Interval, difference, estimate

NONE = "(no registration)"
LAYOUTS = {  # file: title, measures
    "overlap": (
        "Overlap: Table 1 of Zhang et al., MICCAI 2024, and of Zhang et al., ECCV 2024",
        ("dice", "hd_mm", "asd_mm", "hd95_mm", "folds"),
    ),
    "likeness": (
        "Likeness, overlap and AUSE: Table 1 of Gong et al., WACV 2022",
        ("mse", "mi", "nlcc", "dice", "err", "mr", "fdr"),
    ),
    "uncertainty": (
        "Uncertainty",
        (
            "residual",
            "ause_intensity",
            "naurc",
            "residual_naurc",
            "within95",
            "nll",
            "miscalibration",
        ),
    ),
}
COMPARED = ("dice", "asd_mm", "hd95_mm", "naurc", "mse")  # on the page; all are in a CSV
NOT_SETTINGS = (
    "seed",
    "save_every",
    "stop_after",
    "validate_every",
    "validation_pairs",
    "device",
)  # of a training: they make no other method
NOTES = """\
± is the standard deviation over subjects. HD and HD95: largest and 95 % surface distance, ASD: mean
from the registered to the true surface (medpy's asd); symmetric: column assd_mm of summary.csv. MSE,
MI, NLCC and the image residual (mean absolute difference) are of intensities from 0 to 1.
AUSE ERR, MR and FDR (Gong et al., 4.2.2) rank by the model's own uncertainty of the labels; in
brackets, by the image residual, which is what the paper takes for a network that has none. AUSE of
the squared residual (Zhang et al., MICCAI 2024, 5.3) ranks by the predicted noise, of AdaCS by 1 - S.
nAURC: does the map find the wrong labels in the ring around the true boundaries? 0 is perfect, 1 no
better than chance. Within 95 %, NLL and miscalibration judge predicted scales: Gaussian of the
intensities (noise), Laplace of the labels in that ring. λ: weight of the smoothness, in brackets the
norm where it is not "mean". p: paired t-test over subjects, not corrected for the number of tests."""


@dataclass(frozen=True)
class Model:
    """What the tables need to know of a model folder.

    Attributes:
        name: in the tables; kind: the training that made it.
        weights: first digits of their checksum; grid: size, spacing and intensity rule, in words.
        smoothness: lambda, as written in a table; seed: of the training.
        key: equal for trainings that differ in the seed alone.
    """

    name: str
    kind: str
    weights: str
    grid: str
    smoothness: str
    seed: int
    key: str

    @classmethod
    def of(cls, name: str, manifest: dict) -> Model:
        """From the content of ``model.json``."""
        made_of, grid = manifest["provenance"], manifest["grid"]
        settings = made_of.get("settings", {})
        size = " x ".join(map(str, grid["shape"]))
        weight, norm = settings.get("smoothness"), settings.get("norm", "mean")
        text = "not recorded" if weight is None else f"{weight:g}"
        key = {
            "kind": manifest["kind"],
            "network": manifest["network"],
            "grid": grid,
            "intensity": manifest["intensity"],
            "settings": {k: v for k, v in settings.items() if k not in NOT_SETTINGS},
            "loss": made_of.get("loss"),
            "data": [one["sha256"] for one in made_of.get("data", ())],
        }
        return cls(
            name,
            manifest["kind"],
            manifest["weights"]["sha256"][:12],
            f"{size} voxels of {grid['spacing_mm']:g} mm, {manifest['intensity']}",
            text + (f" ({norm})" if norm != "mean" else ""),
            made_of.get("seed", 0),
            json.dumps(key, sort_keys=True),
        )

    def columns(self, registered: bool) -> dict:
        """Of its rows; of the images as they lie, the preparation alone."""
        return {
            "kind": self.kind if registered else "",
            "lambda": self.smoothness if registered else "",
            "training_seed": self.seed if registered else "",
            "grid": self.grid,
        }


@dataclass(frozen=True)
class Group:
    """Models that differ in the seed alone, or the images as they lie.

    Attributes:
        name: in the tables; smoothness: lambda.
        grid: see `Model`.
        values: measure -> seed -> values of the subjects, in one order.
    """

    name: str
    smoothness: str
    grid: str
    values: dict[str, dict[int, np.ndarray]]

    @property
    def seeds(self) -> int:
        """Trainings."""
        return len(self.values["dice"])

    def of(self, measure: str) -> Estimate:
        """Over subjects and seeds."""
        return estimate(np.array(list(self.values[measure].values())))


def groups(rows: list[dict], models: list[Model]) -> tuple[list[Group], list[str]]:
    """The groups, in the order of the models, and the subjects that all of them have.

    Args:
        rows: of rows.csv, of these models alone.
    """
    by_model: dict[tuple, dict[str, dict]] = {}
    for row in rows:
        by_model.setdefault((row["model"], row["weights"]), {})[row["pair"]] = row
    pairs = set.intersection(*(set(found) for found in by_model.values()))
    subject_of = {row["pair"]: row["subject"] for row in rows if row["pair"] in pairs}
    subjects = sorted(set(subject_of.values()))

    def values(found: dict[str, dict], measure: str) -> np.ndarray:
        means = np.full(len(subjects), np.nan)
        for place, subject in enumerate(subjects):
            cells = [found[pair][measure] for pair, whose in subject_of.items() if whose == subject]
            numbers = [float(cell) for cell in cells if cell != ""]
            means[place] = np.mean(numbers) if numbers else np.nan
        return means

    members: dict[str, list[Model]] = {}
    for model in models:
        members.setdefault(model.key, []).append(model)
    grids = list(dict.fromkeys(model.grid for model in models))
    result = []
    for grid in grids:
        found = by_model.get((NONE, grid))
        if found is not None:
            name = NONE if len(grids) == 1 else f"{NONE[:-1]}, {grid})"
            cells = {m: {0: values(found, m)} for m in MEASURES}
            result.append(Group(name, "", grid, cells))
    for same in members.values():
        there = [one for one in same if (one.name, one.weights) in by_model]
        if not there:
            continue
        cells = {
            m: {one.seed: values(by_model[one.name, one.weights], m) for one in there}
            for m in MEASURES
        }
        name = common_name([one.name for one in there])
        if name in {group.name for group in result}:
            name = there[0].name
        result.append(Group(name, there[0].smoothness, there[0].grid, cells))
    return result, subjects


def common_name(names: list[str]) -> str:
    """What the names of a group's models have in common, at the begin or at the end."""

    def common(names: list[str]) -> str:
        return "".join(
            letters[0] for letters in takewhile(lambda at: len(set(at)) == 1, zip(*names))
        )

    begin, end = common(names), common([name[::-1] for name in names])[::-1]
    return max(begin, end, key=len).strip("-_ ./") or names[0]


def compared(found: list[Group]) -> list[tuple[Group, Group]]:
    """Every two groups of models on one grid, the earlier one as the reference."""
    models = [group for group in found if group.smoothness]
    return [
        (other, first)
        for place, first in enumerate(models)
        for other in models[place + 1 :]
        if other.grid == first.grid
    ]


def write_tables(rows: list[dict], models: list[Model], out: Path, about: str) -> None:
    """Write tables.md, a CSV of each layout, summary.csv and differences.csv.

    Args:
        about: how the rows were made, in a sentence.
    """
    found, _ = groups(rows, models)
    (out / "tables.md").write_text(in_words(rows, models, about) + "\n", encoding="utf-8")
    for file, (_, measures) in LAYOUTS.items():
        head = ["model", "lambda", "seeds", *(f"{m}{s}" for m in measures for s in ("", "_sd"))]
        lines = [
            [
                group.name,
                group.smoothness,
                group.seeds if group.smoothness else "",
                *(n for m in measures for n in (group.of(m).mean, group.of(m).sd)),
            ]
            for group in found
        ]
        _write(out / f"{file}.csv", head, lines)
    numbers = ("mean", "sd", "subjects", "seeds")
    ends = ("subjects_low", "subjects_high", "seeds_low", "seeds_high")
    lines = [
        [group.name, group.smoothness, m, *_cells(group.of(m), numbers)]
        for group in found
        for m in MEASURES
    ]
    _write(out / "summary.csv", ["model", "lambda", "measure", *numbers, *ends], lines)
    lines = []
    for ours, theirs in compared(found):
        for m in MEASURES:
            gap = difference(ours.values[m], theirs.values[m])
            lines.append([ours.name, theirs.name, m, *_cells(gap, numbers), _number(gap.p)])
    head = ["model", "reference", "measure", *numbers, *ends, "p"]
    _write(out / "differences.csv", head, lines)


def in_words(rows: list[dict], models: list[Model], about: str) -> str:
    """The layouts of the papers, and the differences to the first model, in Markdown."""
    found, subjects = groups(rows, models)
    pairs = len({row["pair"] for row in rows})
    lines = [
        "# Trained models on test pairs",
        "",
        f"{pairs} pairs; tables hold the {len(subjects)} subjects whose pairs every model was judged "
        f"on. {about}",
    ]
    if len({group.grid for group in found}) > 1:
        lines.append(
            "The models have different grids: only those of one grid are compared with each other."
        )
    if any(group.seeds == 1 for group in found if group.smoothness):
        lines.append(
            "Where there is one seed, nothing is known of how another training would come out."
        )
    for title, measures in LAYOUTS.values():
        shown = [m for m in measures if any(np.isfinite(group.of(m).mean) for group in found)]
        head = ["model", *(MEASURES[m][0] for m in shown)]
        own = title.startswith("Overlap")
        head[1:1] = ["λ", "seeds"] if own else []
        body = []
        for group in found:
            about_it = [group.smoothness, str(group.seeds) if group.smoothness else ""]
            cells = [_cell(group, m) for m in shown]
            body.append([group.name, *(about_it if own else []), *cells])
        lines += ["", f"## {title}", "", *_markdown(head, body)]
    pairs_of_groups = compared(found)
    if pairs_of_groups:
        first = pairs_of_groups[0][1]
        head = ["model", "measure", "difference", "95 % over subjects", "95 % over seeds", "p"]
        body = []
        for ours, theirs in pairs_of_groups:
            for m in COMPARED if theirs is first else ():
                gap = difference(ours.values[m], theirs.values[m])
                if np.isfinite(gap.mean):
                    digits = MEASURES[m][1]
                    body.append(
                        [
                            ours.name,
                            MEASURES[m][0],
                            f"{gap.mean:+.{digits}f}",
                            _interval(gap.over_subjects, digits),
                            _interval(gap.over_seeds, digits),
                            "" if gap.p is None else f"{gap.p:.2g}",
                        ]
                    )
        lines += ["", f"## Differences to {first.name}", "", *_markdown(head, body)]
    return "\n".join([*lines, "", NOTES])


def _cell(group: Group, measure: str) -> str:
    one, digits = group.of(measure), MEASURES[measure][1]
    control = f"residual_{measure}"
    text = "" if np.isnan(one.mean) else f"{one.mean:.{digits}f}"
    if text and np.isfinite(one.sd):
        text += f" ± {one.sd:.{digits}f}"
    if measure in ("err", "mr", "fdr") and np.isfinite(group.of(control).mean):
        text += f" ({group.of(control).mean:.{digits}f})"
    return text.strip()


def _interval(interval: Interval, digits: int) -> str:
    return "" if interval is None else f"[{interval[0]:+.{digits}f}, {interval[1]:+.{digits}f}]"


def _cells(one: Estimate, numbers: tuple[str, ...]) -> list:
    ends = [*(one.over_subjects or ("", "")), *(one.over_seeds or ("", ""))]
    return [*(_number(getattr(one, name)) for name in numbers), *map(_number, ends)]


def _number(value) -> str:
    """As in rows.csv: six digits, and nothing for NaN."""
    if value is None or value == "" or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _markdown(head: list[str], body: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *body)]


def _write(path: Path, head: list[str], lines: list[list]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(head)
        writer.writerows([_number(cell) for cell in line] for line in lines)
