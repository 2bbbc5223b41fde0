"""Pairs whose intensities do not correspond: are they recognised before the registration?

    python Testing/benchmarks/contrast_copies.py DATA OUT
    python Testing/benchmarks/contrast_copies.py --report OUT/rows.csv

The pairs of `engine_pairs.py`, as they are and with the moving image inverted, with a gamma of 0.5
and 2, and in two smooth bias fields; MR and ultrasound, and heads of two contrasts. What
`suited.beforehand` says rests on demons on a coarse grid: its error, and that of the pair as it
is, tell whether silence was right. Development and test share no subject.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
from engine_pairs import Case, _heads, _of_files, files_of, pairs
from engines_table import known_errors
from scipy import ndimage
from truth_pairs import hippocampi

from UncertainRegLib.backbones import contrast, suited
from UncertainRegLib.geometry import Image
from UncertainRegLib.randomness import numpy_generator
from UncertainRegLib.studies.rows import Rows

KEY = ("pair", "copy")
HIPPOCAMPI = {"development": 6, "test": 4}
# Test pairs that are copied, as often; the others are judged as they are.
COPIED = {"hippocampus": 4, "brain": 1, "lung": 1, "abdomen, simulated": 1}
BIAS = 0.5  # of the logarithm of a bias field: from 0.6 to 1.6 times the intensity
ALLOWED_MM = 0.3  # more error than the pair as it is has, without a word, is a silent failure


def inverted(image: Image) -> Image:
    """Bright where it was dark, on the same background."""
    low, high = np.percentile(image.array, (0.5, 99.5))
    inside = image.array > low + 0.05 * (high - low)
    turned = np.where(inside, high + low - image.array + 0.05 * (high - low), image.array)
    return Image(turned.astype(np.float32), image.grid, image.mask)


def gamma(exponent: float, image: Image) -> Image:
    """The intensities to a power, between the 0.5th and the 99.5th percentile."""
    low, high = np.percentile(image.array, (0.5, 99.5))
    share = np.clip((image.array - low) / (high - low), 0, 1)
    changed = low + (high - low) * share**exponent
    return Image(changed.astype(np.float32), image.grid, image.mask)


def biased(seed: int, image: Image) -> Image:
    """A smooth random gain."""
    coarse = numpy_generator(seed, "bias").standard_normal((4, 4, 4))
    field = ndimage.zoom(coarse, np.array(image.array.shape) / 4, order=3)
    low = image.array.min()
    changed = low + (image.array - low) * np.exp(BIAS * field / np.abs(field).max())
    return Image(changed.astype(np.float32), image.grid, image.mask)


COPIES = {
    "as it is": lambda image: image,
    "inverted": inverted,
    "gamma 0.5": partial(gamma, 0.5),
    "gamma 2": partial(gamma, 2.0),
    "bias 1": partial(biased, 1),
    "bias 2": partial(biased, 2),
}
COPIES_PLAIN = "as it is"
OTHER_GROUPS = ("head, two contrasts", "prostate, MR and ultrasound")


def cases(data: Path, out: Path) -> dict[str, tuple[str, str, object]]:
    """Name -> group, split and reader."""
    found = {}
    for row in [r for r in hippocampi(data) if r["split"] == "development"][
        : HIPPOCAMPI["development"]
    ]:
        found[row["pair"]] = ("hippocampus", "development", partial(_of_files, files_of(row)))
    for contrasts in (1, 2):
        for fixed, moving in (("subj02", "subj03"), ("subj04", "subj02")):
            group = f"head, {'one contrast' if contrasts == 1 else 'two contrasts'}"
            read = partial(_heads, data, out, fixed, moving, contrasts)
            found[f"{fixed}_from_{moving}_{contrasts}"] = (group, "development", read)
    simulated = ("ct_warp0", "brain1_image_warp0")
    listed = pairs(data, out)
    for name in simulated:
        found[name] = (listed[name][0], "development", listed[name][1])
    hippocampal = [n for n, (group, _) in listed.items() if group == "hippocampus"]
    left_out = (*simulated, *hippocampal[HIPPOCAMPI["test"] :])
    for name, (group, read) in listed.items():
        if name not in left_out:
            found[name] = (group, "test", read)
    return found


def main(data: Path, out: Path) -> None:
    """Compute what is missing in OUT/rows.csv."""
    out.mkdir(parents=True, exist_ok=True)
    rows, count = Rows(out / "rows.csv", KEY), {}
    for name, (group, split, read) in cases(data, out).items():
        key = (split, group)
        count[key] = count.get(key, 0) + 1
        few = split == "test" and count[key] > COPIED.get(group, 0)
        copies = [COPIES_PLAIN] if group in OTHER_GROUPS or few else list(COPIES)
        missing = [copy for copy in copies if {"pair": name, "copy": copy} not in rows]
        case = read() if missing else None
        for copy in missing:
            changed = COPIES[copy](case.inputs.moving)
            mine = replace(case, inputs=replace(case.inputs, moving=changed))
            rows.add({"pair": name, "copy": copy, "group": group, "split": split, **judged(mine)})
            print(rows.all[-1], flush=True)


def judged(case: Case) -> dict:
    """What is said beforehand, and the error in mm of the rough registration that it rests on."""
    begun, inputs = process_time(), case.inputs
    try:
        found = suited.roughly_registered(inputs.fixed, inputs.moving)
    except ValueError as problem:  # then nothing is said; the registration itself is refused
        return {"said": "", "error_mm": "", "cpu_s": process_time() - begun, "failed": str(problem)}
    said = contrast.difference(*found)
    seconds = process_time() - begun
    error = float(known_errors(case, found[2])[1].mean())
    return {"said": said, "error_mm": error, "cpu_s": seconds, "failed": ""}


def report(rows: list[dict]) -> str:
    """Markdown: how often something was said, and how often silence was wrong."""
    plain = {row["pair"]: row["error_mm"] for row in rows if row["copy"] == COPIES_PLAIN}
    lines = [
        "| split | images | pairs | said | refused | silent, error over +0.3 mm |",
        "|---|---|---|---|---|---|",
    ]
    kinds: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        kind = row["group"] if row["group"] in OTHER_GROUPS else row["copy"]
        kinds.setdefault((row["split"], kind), []).append(row)
    for (split, kind), members in sorted(kinds.items()):
        said = sum(row["said"] != "" for row in members)
        refused = sum(row["failed"] != "" for row in members)
        missed = [
            row
            for row in members
            if not (row["said"] or row["failed"])
            and float(row["error_mm"]) > float(plain[row["pair"]]) + ALLOWED_MM
        ]
        lines.append(f"| {split} | {kind} | {len(members)} | {said} | {refused} | {len(missed)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1] == "--report":
        print(report(Rows(Path(sys.argv[2]), KEY).all))
    else:
        main(*map(Path, sys.argv[1:3]))
