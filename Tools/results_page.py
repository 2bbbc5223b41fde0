"""The page of validation results, from the rows of studies.

    python Tools/results_page.py [STUDIES]

STUDIES is the folder that ``Testing/benchmarks/validation.sh`` fills: its rows are gathered into
``Testing/benchmarks/validation``. The page is written from these, with or without STUDIES, and so
are the tables beside it: cells.csv and families.csv, of the known deformations.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from UncertainRegLib.studies.rows import bootstrap_interval, summary
from UncertainRegLib.studies.study import RESIDUAL
from UncertainRegLib.studies.variant import ABOUT, SMOOTHED, variant

HERE = Path(__file__).resolve().parents[1] / "Testing" / "benchmarks"
STORE, PAGE = HERE / "validation", HERE / "validation_results.md"
KINDS = {"known_warp": "naurc", "anatomy": "control_auroc", "labels": "ece"}  # a column of each
IN_RANGE = 0.5  # of the true displacement: a larger mean error is no registration
CELL = ("image", "backbone", "case")
FAMILIES = 5  # in every study of known deformations
ALL = "all families"
VARIANTS = {"": "u", SMOOTHED: "u smoothed", ABOUT: "u about φ"}
OVERVIEW = (
    "image",
    "backbone",
    "family",
    "pairs",
    "nAURC of u",
    "smoothed",
    "about φ",
    "residual",
    "Spearman of u",
    "repeatability",
)


def gather(studies: Path) -> None:
    """Copy rows of all studies of a kind into one table each, results into one file."""
    STORE.mkdir(exist_ok=True)
    found = {kind: [] for kind in KINDS}
    for path in sorted(studies.glob("*/rows.csv")):
        with open(path, newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        for kind, column in KINDS.items():
            if rows and column in rows[0]:
                found[kind] += rows
    found["known_warp"] = complete(found["known_warp"])
    for kind, rows in found.items():
        if rows:
            with open(STORE / f"{kind}.csv", "w", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, list(rows[0]), extrasaction="ignore")
                writer.writeheader()
                writer.writerows(rows)
    results = {}
    for path in sorted(studies.glob("pair-*/result.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["status"] != "complete":
            continue
        results[path.parent.name.removeprefix("pair-")] = {
            "backbone": record["backbone"]["name"],
            "parameters": record["parameters"],
            "samples": record["samples"]["finished"],
            "seconds": record["timings"]["total_s"],
            "calibration": record.get("calibration"),
            "validation": record.get("validation"),
        }
    (STORE / "pairs.json").write_text(json.dumps(results, indent=1), encoding="utf-8")


def complete(rows: list[dict]) -> list[dict]:
    """Without pairs that lack a family: of an interrupted study, or of another kind of study."""
    columns = (*CELL, "number", "samples")
    families: dict[tuple, set[str]] = {}
    for row in rows:
        if not variant(row["map"]) and row["map"] != RESIDUAL:
            families.setdefault(tuple(row[c] for c in columns), set()).add(row["map"])
    return [
        row for row in rows if len(families.get(tuple(row[c] for c in columns), ())) == FAMILIES
    ]


def gather_figures(studies: Path) -> None:
    """Figures of the known deformations, with few colours: small files."""
    from PIL import Image

    for path in sorted(studies.glob("*/*.png")):
        name = path.parent.name + ".png"
        Image.open(path).convert("RGB").quantize(48).save(STORE / name, optimize=True)


def stored(kind: str) -> list[dict]:
    """Rows of a kind of study."""
    path = STORE / f"{kind}.csv"
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def table(head: tuple[str, ...], lines: list[tuple]) -> str:
    """A Markdown table."""
    rows = [head, ("---",) * len(head), *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def number(value: float, interval: tuple[float, float] | None = None, digits: int = 2) -> str:
    """A value with its interval; empty for none."""
    if value is None or not np.isfinite(value):
        return ""
    text = f"{value:.{digits}f}"
    return (
        text
        if interval is None
        else (f"{text} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]")
    )


def known_warp() -> list[str]:
    """The section on known deformations."""
    parts = [
        "## Known deformations",
        (
            "A real image is deformed by a known field and registered back; u is compared with the "
            "true error inside the region of interest. nAURC: 0 is the order of the error itself, 1 "
            "is chance. Residual: the smoothed local image residual of one registration. Smoothed: u "
            "with the same smoothing (2 voxels). About φ: the spread about the registration itself. "
            "Means over the cells of all families; intervals: 95 % bootstrap over pairs. Each family, "
            "and the repeatability (Spearman of two maps of half the samples each): "
            "[families.csv](validation/families.csv)."
        ),
        table(
            OVERVIEW[:2] + OVERVIEW[3:-1],
            [line[:2] + line[3:-1] for line in overview() if line[2] == ALL],
        ),
    ]
    cells = all_cells()
    for ending, title in VARIANTS.items():
        mine = [c for c in cells if variant(c["map"]) == ending and c["in_range"]]
        mean, base = (np.mean([c[name] for c in mine]) for name in ("naurc", "residual"))
        parts.append(
            f"**{title}**, {len(mine)} cells in range: AURC below the mean error in "
            f"{sum(c['ranks'] for c in mine)} (target: 90 %); mean nAURC {mean:.2f}, the "
            f"residual's {base:.2f}; better than the residual's in "
            f"{sum(c['beats_residual'] for c in mine)}."
        )
    outside = dict.fromkeys(
        f"{c['image']} {c['backbone'].split()[0]} {c['case']}" for c in cells if not c["in_range"]
    )
    if outside:
        parts.append(
            "Out of range (mean error above half of the true displacement): "
            + "; ".join(outside)
            + "."
        )
    figures = "\n".join(
        f"![{path.stem}](validation/{path.name})" for path in sorted(STORE.glob("*.png"))
    )
    return [
        *parts,
        f"All {len(cells)} cells (image, backbone, truth, family and kind of map), "
        "and which of them fell short: [cells.csv](validation/cells.csv).",
        f"<details><summary>Figures</summary>\n\n{figures}\n\n</details>",
    ]


def all_cells() -> list[dict]:
    """Means of every image, backbone, truth and map, and what they reach."""
    columns = (
        "mean_error",
        "true_displacement",
        "aurc",
        "naurc",
        "spearman",
        "repeatability",
        "factor95",
    )
    cells = summary(stored("known_warp"), (*CELL, "map"), columns)
    residual = {cell_of(c): c["naurc"] for c in cells if c["map"] == RESIDUAL}
    maps = [c for c in cells if c["map"] != RESIDUAL]
    for cell in maps:
        cell["residual"] = residual.get(cell_of(cell), np.nan)
        cell["in_range"] = cell["mean_error"] <= IN_RANGE * cell["true_displacement"]
        cell["ranks"] = cell["aurc"] < cell["mean_error"]
        cell["beats_residual"] = not cell["naurc"] > cell["residual"]
    return maps


def cells_table() -> list[tuple]:
    """The lines of cells.csv, the first its heading."""
    lines = [
        (
            "image",
            "backbone",
            "truth",
            "family",
            "map",
            "pairs",
            "true mm",
            "mean error mm",
            "AURC mm",
            "nAURC",
            "residual nAURC",
            "Spearman",
            "repeatability",
            "q95",
            "in range",
            "AURC below mean error",
            "better than residual",
        )
    ]
    for c in all_cells():
        ending = variant(c["map"])
        lines.append(
            (
                c["image"],
                c["backbone"].split()[0],
                c["case"],
                c["map"].removesuffix(ending),
                VARIANTS[ending],
                c["pairs"],
                number(c["true_displacement"]),
                number(c["mean_error"]),
                number(c["aurc"]),
                number(c["naurc"], c["naurc_interval"]),
                number(c["residual"]),
                number(c["spearman"], c["spearman_interval"]),
                number(c["repeatability"]),
                number(c["factor95"]),
                *("yes" if c[name] else "no" for name in ("in_range", "ranks", "beats_residual")),
            )
        )
    return lines


def overview() -> list[tuple]:
    """One line an image, backbone and family (and all of them), means over pairs of every kind."""
    lines, rows = [], stored("known_warp")
    groups = dict.fromkeys((r["image"], r["backbone"]) for r in rows)
    for group in groups:
        here = [r for r in rows if (r["image"], r["backbone"]) == group]
        families = dict.fromkeys(
            r["map"] for r in here if r["map"] != RESIDUAL and not variant(r["map"])
        )
        for family in (*families, ALL):
            chosen = list(families) if family == ALL else [family]
            values = [
                over_pairs(here, [f + ending for f in chosen], "naurc") for ending in VARIANTS
            ]
            base = over_pairs(here, [RESIDUAL], "naurc")
            rank = over_pairs(here, chosen, "spearman")
            same = over_pairs(here, chosen, "repeatability")
            lines.append(
                (
                    group[0],
                    group[1].split()[0],
                    family,
                    len(base),
                    *(
                        number(v.mean() if v.size else np.nan, bootstrap_interval(v))
                        for v in (*values, base, rank)
                    ),
                    number(same.mean()),
                )
            )
    return lines


def over_pairs(rows: list[dict], maps: list[str], column: str) -> np.ndarray:
    """Mean of a column over some maps, for every pair."""
    pairs: dict[tuple, list[float]] = {}
    for row in rows:
        if row["map"] in maps and row[column] != "":
            pairs.setdefault((row["case"], row["number"]), []).append(float(row[column]))
    return np.array([np.mean(values) for values in pairs.values()])


def cell_of(cell: dict) -> tuple:
    return tuple(cell[name] for name in CELL)


def anatomy() -> list[str]:
    """The section on missing anatomy."""
    columns = ("auroc", "control_auroc", "inside_mm", "outside_mm", "control_inside_mm")
    cells = summary(stored("anatomy"), (*CELL, "map"), columns)
    lines = [
        (
            with_backbone(c["image"], c["backbone"]),
            c["case"],
            c["map"],
            number(c["auroc"], c["auroc_interval"]),
            number(c["control_auroc"], c["control_auroc_interval"]),
            *(number(c[name]) for name in columns[2:]),
        )
        for c in cells
    ]
    good = [
        c
        for c in cells
        if c["map"] != RESIDUAL and c["auroc"] >= 0.75 and c["control_auroc"] < c["auroc"]
    ]
    return [
        "## Missing anatomy",
        (
            "A cavity with a smooth edge and mild mass effect, and a smaller field of view; AUROC of u "
            "inside against outside, and the same place in a control pair where nothing is missing. "
            "Rows: [anatomy.csv](validation/anatomy.csv)."
        ),
        table(
            (
                "image",
                "case",
                "map",
                "AUROC",
                "control AUROC",
                "u inside mm",
                "u outside mm",
                "control u inside mm",
            ),
            lines,
        ),
        f"Target, AUROC ≥ 0.75 with the control below: met by {len(good)} of "
        f"{sum(c['map'] != RESIDUAL for c in cells)} cells.",
    ]


def with_backbone(image: str, backbone: str) -> str:
    """What was registered, and by what."""
    return f"{image}, {backbone.split()[0]}"


def labels() -> list[str]:
    """The section on label maps."""
    lines = [
        (
            with_backbone(r["pair"], r["backbone"]),
            r["samples"],
            r["family"] or "one registration",
            r["map"],
            *(
                number(float(r[name]) if r[name] else np.nan, digits=3)
                for name in ("auroc", "ece", "ause", "dice")
            ),
        )
        for r in stored("labels")
    ]
    return [
        "## Label uncertainty",
        (
            "In the ring of 3 voxels around the true boundaries: AUROC of mislabelled voxels (target: "
            "≥ 0.70 and above constant blur), ECE of the most probable label (target: ≤ 0.08), AUSE. "
            "Broadened: the probabilities of the samples blurred on top with that standard deviation, "
            "which stands for error that the samples do not show."
        ),
        table(("pair", "samples", "family", "map", "AUROC", "ECE", "AUSE", "Dice"), lines),
    ]


def pairs() -> list[str]:
    """The section on calibrated results of real pairs."""
    path = STORE / "pairs.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    lines, words = [], []
    for name, one in results.items():
        if one["calibration"]:
            lines.append((with_backbone(name, one["backbone"]), *calibration(one["calibration"])))
            if one["calibration"]["refused"]:
                words.append(f"{name}: refused. {one['calibration']['refused']}")
        landmarks = (one["validation"] or {}).get("landmarks")
        if landmarks:
            words.append(
                f"{name}: {landmarks['count']} true landmarks, TRE mean "
                f"{landmarks['tre_mean_mm']:.2f}, median {landmarks['tre_median_mm']:.2f}, 95 % "
                f"{landmarks['tre_p95_mm']:.2f} mm; {100 * landmarks['inside95']:.0f} % inside "
                "their raw 95 % ellipsoid"
                + (
                    ""
                    if landmarks["bound_coverage"] is None
                    else f", {100 * landmarks['bound_coverage']:.0f} % within the calibrated bound"
                )
                + f"; Spearman of u and TRE {landmarks['spearman']:.2f}, nAURC "
                f"{landmarks['naurc']:.2f}."
            )
        judged = (one["validation"] or {}).get("labels")
        if judged:
            entropy = judged["maps"]["label entropy"]
            text = (
                f"{name}: Dice {judged['dice']:.3f}; label entropy ring AUROC "
                f"{entropy['auroc']:.3f}, ECE {entropy['ece']:.3f}"
            )
            broad = judged["maps"].get("label entropy, broadened")
            if broad:
                text += (
                    f"; broadened by the missing mm AUROC {broad['auroc']:.3f}, ECE "
                    f"{broad['ece']:.3f}"
                )
            blur = max(
                (one["auroc"], key) for key, one in judged["maps"].items() if key.startswith("blur")
            )
            words.append(f"{text}; best constant blur ({blur[1]}) AUROC {blur[0]:.3f}.")
    return [
        "## Calibration of real pairs",
        (
            "The fixed image is deformed a few times as much as the pair is; the factor q makes 95 % "
            "of the errors lie within q·u. Coverage: of each simulated pair by the factor of the "
            "others (target: 85 to 99 %), and in brackets of each. Settings: "
            "[pairs.json](validation/pairs.json)."
        ),
        table(
            ("pair", "follows shifts", "pair mm", "simulated mm", "q", "missing mm", "coverage %"),
            lines,
        ),
        *words,
    ]


def calibration(found: dict) -> tuple:
    """The cells of one calibration."""
    followed = ", ".join(
        f"{100 * part:.0f} % of {mm} mm" for mm, part in found["competence"]["followed"].items()
    )
    each = ", ".join(number(100 * c, digits=0) for c in found["coverages"])
    return (
        followed,
        number(found["pair_amplitude_mm"]),
        number(found["amplitude_mm"]),
        number(found["factor"]),
        number(found["missing_mm"]),
        number(100 * (found["coverage_check"] or np.nan), digits=1)
        + (f" ({each})" if each else ""),
    )


def page() -> str:
    """The page, from the stored rows."""
    head = (HERE / "validation_head.md").read_text(encoding="utf-8").strip()
    return "\n\n".join([head, *known_warp(), *anatomy(), *labels(), *pairs()]) + "\n"


def tables() -> dict[str, str]:
    """The CSV files beside the page, which are too long for it."""
    texts = {}
    for name, lines in (("cells.csv", cells_table()), ("families.csv", [OVERVIEW, *overview()])):
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows(lines)
        texts[name] = stream.getvalue()
    return texts


def main() -> None:
    """Gather rows if a folder is given, then write the page and its tables."""
    if len(sys.argv) > 1:
        gather(Path(sys.argv[1]))
        gather_figures(Path(sys.argv[1]))
    PAGE.write_text(page(), encoding="utf-8")
    for name, text in tables().items():
        (STORE / name).write_text(text, encoding="utf-8", newline="\n")
    print(PAGE)


if __name__ == "__main__":
    main()
