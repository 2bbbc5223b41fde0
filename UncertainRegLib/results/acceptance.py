"""Can a registration be accepted? Rows, tolerances and states: the entry "acceptance".

The metrics and default tolerances are those of AAPM TG-132, Table III (Brock et al., *Medical
Physics* 2017). A state is PASS or FAIL only where there is data; everything else is NOT VERIFIED.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import NamedTuple

from .views import known

PASS, FAIL, NOT_VERIFIED = "PASS", "FAIL", "NOT VERIFIED"
STATES = (PASS, FAIL, NOT_VERIFIED)
OVERALL = "Overall"
VOXEL = "voxel"  # a tolerance: the largest voxel edge of the two images
FILE = "acceptance.csv"
ACCURACY = ("tre_mean_mm", "tre_max_mm", "mda_mm", "dice")  # metrics that need a truth
REGULARITY = ("jacobian_min", "folding_percent")
KNOWN = (
    "Of these metrics only the distances of landmarks and boundaries and the overlap compare with a "
    "truth. A regular Jacobian and a small inverse consistency are demanded, and prove nothing: in "
    "published comparisons inverse consistency predicted the error worse than the disagreement of "
    "alternatives did (correlation with it 0.2 to 0.8 against 0.6 to 0.9)."
)


class Metric(NamedTuple):
    """One row of the table: title, unit, how a value is compared with its tolerance ("at most", "at
    least", "above", "from to"), and its meaning."""

    title: str
    unit: str
    rule: str
    meaning: str


METRICS = {
    "tre_mean_mm": Metric("TRE, mean", "mm", "at most", "Mean landmark error in the fixed space"),
    "tre_max_mm": Metric("TRE, maximum", "mm", "at most", "Largest landmark error"),
    "mda_mm": Metric(
        "Mean distance to agreement",
        "mm",
        "at most",
        "Mean distance of the surfaces of the registered and the true structure, both ways",
    ),
    "dice": Metric("Dice", "", "at least", "Overlap with the true structure"),
    "jacobian_min": Metric(
        "Jacobian, minimum", "", "above", "Smallest local volume change; 0 or less is folding"
    ),
    "folding_percent": Metric("Folding", "%", "at most", "Share of the voxels that fold"),
    "volume_change_percent": Metric(
        "Volume change",
        "%",
        "from to",
        "Mean Jacobian less 1: how much larger it is in the moving image; judged where the change "
        "that is expected is in the tolerances",
    ),
    "inverse_consistency_mm": Metric(
        "Inverse consistency, mean", "mm", "at most", "There and back: distance from the start"
    ),
    "reading": Metric("Fits the pair", "", "", "Was the given file read as it was meant?"),
}

POSSIBLE = {  # lowest and highest tolerance of a metric; others judge nothing
    "tre_mean_mm": (0.0, math.inf),
    "tre_max_mm": (0.0, math.inf),
    "mda_mm": (0.0, math.inf),
    "dice": (0.0, 1.0),
    "jacobian_min": (0.0, 1.0),
    "folding_percent": (0.0, 100.0),
    "inverse_consistency_mm": (0.0, math.inf),
}


@dataclass(frozen=True)
class Tolerances:
    """What a registration is judged by. A distance may be "voxel".

    Attributes:
        name: of the set.
        volume_change_percent: structure -> [lowest, highest] change that is expected there.
    """

    name: str = "AAPM TG-132"
    tre_mean_mm: float | str = VOXEL
    tre_max_mm: float | str = VOXEL
    mda_mm: float | str = VOXEL
    dice: float = 0.80
    jacobian_min: float = 0.0
    folding_percent: float = 0.0
    inverse_consistency_mm: float | str = VOXEL
    volume_change_percent: dict = field(default_factory=dict)

    def of(self, metric: str, where: str, voxel_mm: float) -> float | list[float] | None:
        """The tolerance of a row; None where there is none."""
        if metric == "volume_change_percent":
            return self.volume_change_percent.get(where)
        value = getattr(self, metric, None)
        return voxel_mm if value == VOXEL else value


PRESETS = {
    "tg132": Tolerances(),
    "stereotaxy": Tolerances(
        "Stereotaxy, 1 mm", tre_mean_mm=1.0, tre_max_mm=1.0, mda_mm=1.0, inverse_consistency_mm=1.0
    ),
}


@dataclass(frozen=True)
class Row:
    """One judged number.

    Attributes:
        where: a structure, or `OVERALL`.
        metric: a key of `METRICS`.
        value: None without data.
        tolerance: a number, two for "from to", None where there is none.
        state: one of `STATES`.
        source: which files and which computation it comes from, or why there is no value.
    """

    where: str
    metric: str
    value: float | None
    tolerance: float | list[float] | None
    state: str
    source: str

    @property
    def limit(self) -> str:
        """The tolerance in words; empty without one."""
        metric, tolerance = METRICS[self.metric], self.tolerance
        if tolerance is None:
            return ""
        if isinstance(tolerance, (list, tuple)):
            return f"{tolerance[0]:g} to {tolerance[1]:g} {metric.unit}".rstrip()
        return f"{metric.rule} {tolerance:.4g} {metric.unit}".rstrip()


@dataclass(frozen=True)
class Acceptance:
    """The entry "acceptance".

    Attributes:
        state: of the registration as a whole.
        why: that state in one sentence.
        tolerances: what was judged by.
        voxel_mm: what "voxel" was.
    """

    state: str
    why: str
    rows: list[Row]
    tolerances: Tolerances = Tolerances()
    voxel_mm: float = 0.0

    @classmethod
    def from_dict(cls, content: dict | None) -> Acceptance | None:
        """The view of the entry; None where nothing was judged."""
        if not content:
            return None
        values = known(cls, content)
        values["rows"] = [Row(**known(Row, row)) for row in content["rows"]]
        values["tolerances"] = Tolerances(**known(Tolerances, content.get("tolerances", {})))
        return cls(**values)

    def as_dict(self) -> dict:
        """The entry of ``result.json``."""
        return asdict(self)


def judged(where: str, metric: str, value: float | None, tolerance, source: str) -> Row:
    """A row with its state."""
    state = NOT_VERIFIED
    if value is not None and tolerance is not None:
        rule = METRICS[metric].rule
        if rule == "from to":
            holds = tolerance[0] <= value <= tolerance[1]
        elif rule == "above":
            holds = value > tolerance
        else:
            holds = value >= tolerance if rule == "at least" else value <= tolerance
        state = PASS if holds else FAIL
    return Row(where, metric, value, tolerance, state, source)


def verdict(rows: list[Row]) -> tuple[str, str]:
    """State and reason of a registration as a whole.

    PASS needs a comparison with a truth and a Jacobian, and no row that fails.
    """
    failed = [row for row in rows if row.state == FAIL]
    if failed:
        return FAIL, f"{len(failed)} of {len(rows)} rows fail: {_listed(failed)}."
    verified = {row.metric for row in rows if row.state == PASS}
    if not verified & set(ACCURACY):
        return NOT_VERIFIED, (
            "Nothing compares the registration with a truth: give a segmentation of both images, or "
            "landmarks on both."
        )
    if not verified & set(REGULARITY):
        return NOT_VERIFIED, "There is no Jacobian to judge."
    missing = [row for row in rows if row.state == NOT_VERIFIED and row.tolerance is not None]
    rest = f" Not verified: {_listed(missing)}." if missing else ""
    return PASS, f"All rows with data are within their tolerances.{rest}"


def _listed(rows: Iterable[Row]) -> str:
    by_metric: dict[str, list[str]] = {}
    for row in rows:
        by_metric.setdefault(METRICS[row.metric].title, []).append(row.where)
    return "; ".join(
        f"{title} ({', '.join(places[:3])}{', …' if len(places) > 3 else ''})"
        for title, places in by_metric.items()
    )


def read_tolerances(name: str) -> Tolerances:
    """A preset by its name, or a JSON file with the entries of `Tolerances`.

    Raises:
        ValueError: neither; or an entry that is unknown or of a wrong kind.
    """
    if name in PRESETS:
        return PRESETS[name]
    try:
        content = json.loads(Path(name).read_text(encoding="utf-8-sig"))
    except OSError:
        raise ValueError(
            f"{name}: is no file of tolerances; give one, or {' or '.join(PRESETS)}."
        ) from None
    except ValueError as error:
        raise ValueError(f"{name}: is not valid JSON ({error}).") from None
    names = [one.name for one in fields(Tolerances)]
    unknown = sorted(set(content) - set(names)) if isinstance(content, dict) else ["no entries"]
    if unknown:
        raise ValueError(
            f"{name}: unknown entries ({', '.join(unknown)}); tolerances have {', '.join(names)}."
        )
    try:
        found = Tolerances(**{"name": Path(name).stem, **known(Tolerances, content)})
    except TypeError as error:
        raise ValueError(f"{name}: {error}; give a number, or {VOXEL!r} for a distance.") from None
    for metric, (lowest, highest) in POSSIBLE.items():
        value = content.get(metric, getattr(found, metric))
        if metric.endswith("_mm") and value == VOXEL:
            continue
        if not _is_number(value) or not lowest <= value <= highest:
            ends = f"from {lowest:g} to {highest:g}" if highest < math.inf else "not below 0"
            word = f", or {VOXEL!r}" if metric.endswith("_mm") else ""
            raise ValueError(f"{name}: {metric} is {value!r}; give a number {ends}{word}.")
    for where, ends in found.volume_change_percent.items():
        if not (
            isinstance(ends, list)
            and len(ends) == 2
            and all(map(_is_number, ends))
            and ends[0] <= ends[1]
        ):
            raise ValueError(f"{name}: the volume change of {where} is {ends!r}; give [from, to].")
    return found


def _is_number(value) -> bool:
    """Is it a finite number? JSON as Python reads it has NaN, and ``true`` would count as 1."""
    return type(value) in (int, float) and math.isfinite(value)


def write_rows(found: Acceptance, path: str | Path) -> None:
    """The rows as CSV, one a line, the registration as a whole first."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["where", "metric", "value", "unit", "tolerance", "state", "source"])
        writer.writerow([OVERALL, "verdict", "", "", found.tolerances.name, found.state, found.why])
        for row in found.rows:
            value = "" if row.value is None else f"{row.value:.6g}"
            unit = METRICS[row.metric].unit
            writer.writerow([row.where, row.metric, value, unit, row.limit, row.state, row.source])
