"""The rows of a result's verdict: what can be measured, by what it is judged, where it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..checksum import sha256_of
from ..geometry import Segmentation, read_field, read_image, read_segmentation, read_volume
from ..geometry.errors import InputError, unsaid
from ..geometry.foreground import patient
from ..jobs.inputs import read_structures
from ..metrics.overlap import dice, surface_distance
from ..results.acceptance import OVERALL, Acceptance, Row, Tolerances, judged, verdict
from ..results.record import Record
from .validation import names_of

JACOBIAN, CONSISTENCY, VALIDITY = "jacobian", "inverse_consistency_mm", "validity"
NO_TRUTH = "not verified: there is no segmentation of the fixed image"
NO_STRUCTURE = "not verified: the result has no structure of that name"
NO_POINTS = "not verified: there are no landmarks on both images"
NO_INVERSE = (
    "not verified: there is no inverse (--inverse), nor was one made (--inverse-consistency)"
)


@dataclass(frozen=True)
class Structure:
    """One structure on the fixed grid: (Z, Y, X) booleans, the true one None where not known."""

    name: str
    registered: np.ndarray
    true: np.ndarray | None

    @property
    def place(self) -> np.ndarray:
        """Where it is in the fixed image, as well as that is known."""
        return self.registered if self.true is None else self.true


class Overlap(NamedTuple):
    """How a registered structure meets the true one; None where that cannot be said."""

    mda_mm: float | None
    dice: float | None
    source: str


@dataclass
class Judge:
    """Measures a result.

    Args:
        folder: a result folder, record: what its ``result.json`` says.

    Raises:
        InputError: the result has no maps, or one of its inputs is gone or has changed.
    """

    folder: Path
    record: Record
    tolerances: Tolerances
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.record.transform is None or JACOBIAN not in self.record.maps:
            raise InputError(
                f"{self.folder}: is a {self.record.status} result without maps to judge; run it "
                "again."
            )
        self.maps = {
            name: read_volume(self.folder / self.record.maps[name].file).array
            for name in (JACOBIAN, CONSISTENCY, VALIDITY)
            if name in self.record.maps
        }
        self.fixed = read_image(self._input("fixed"))
        moving = read_volume(self._input("moving")).grid
        self.voxel_mm = float(max(self.fixed.grid.spacing.max(), moving.spacing.max()))
        everywhere = np.ones(self.fixed.grid.shape)
        self.covered = self.maps.get(VALIDITY, everywhere) > 0

    def acceptance(self) -> Acceptance:
        """All rows, and the verdict."""
        structures = self._structures()
        anatomy, what = self._anatomy()
        self._suspicions()
        self._landmarks(OVERALL, None)
        overlaps = [self._overlap(one) for one in structures]
        for name in ("mda_mm", "dice"):
            values = [getattr(one, name) for one in overlaps]
            values = [value for value in values if value is not None]
            mean = float(np.mean(values)) if values else None
            source = f"mean over {len(values)} structures" if values else NO_TRUTH
            self._add(OVERALL, name, mean, source)
        self._regularity(OVERALL, anatomy, what)
        for one, overlap in zip(structures, overlaps):
            self._landmarks(one.name, one)
            for name in ("mda_mm", "dice"):
                self._add(one.name, name, getattr(overlap, name), overlap.source)
            self._regularity(
                one.name,
                one.place,
                self._title("moving_labels") + ", registered"
                if one.true is None
                else self._title("fixed_labels"),
            )
        judged_in = {one.name for one in structures}
        for name in self.tolerances.volume_change_percent:
            if name not in judged_in:
                self._add(name, "volume_change_percent", None, NO_STRUCTURE)
        state, why = verdict(self.rows)
        return Acceptance(state, why, self.rows, self.tolerances, self.voxel_mm)

    def _add(self, where: str, metric: str, value: float | None, source: str) -> None:
        tolerance = self.tolerances.of(metric, where, self.voxel_mm)
        self.rows.append(judged(where, metric, value, tolerance, source))

    def _input(self, name: str) -> str:
        """The file of an input, which must be what it was."""
        one = self.record.inputs[name]
        path = Path(one.file)
        if not path.exists():
            raise InputError(f"{path}: is gone; the verdict needs it.")
        if path.is_file() and one.sha256 and sha256_of(path) != one.sha256:
            raise InputError(f"{path}: has changed since the registration.")
        return str(path)

    def _title(self, name: str) -> str:
        return Path(self.record.inputs[name].file).name

    def _anatomy(self) -> tuple[np.ndarray, str]:
        """Where the patient is: TG-132 does not judge the air around."""
        if "fixed_mask" in self.record.inputs:
            mask = read_segmentation(self._input("fixed_mask"), unsaid).foreground()
            mask = mask.resample(self.fixed.grid, "nearest", 0)
            return mask.array > 0, f"in {self._title('fixed_mask')}"
        return patient(self.fixed), "in the patient (largest part above Otsu's threshold)"

    def _structures(self) -> list[Structure]:
        inputs = self.record.inputs
        if "moving_labels" not in inputs:
            return []
        moving, fixed = read_structures(
            self._input("moving_labels"),
            self._input("fixed_labels") if "fixed_labels" in inputs else "",
            names_of(self.record),
            unsaid,
        )
        grid = self.fixed.grid
        registered = moving.warp(read_field(self.folder / self.record.transform).resample(grid))
        true = None if fixed is None else fixed.resample(grid)
        return [
            Structure(
                moving.name(label),
                registered.layers[number].array == label,
                None if true is None else _known(true, number, label),
            )
            for number, labels in enumerate(moving.labels_of_layers)
            for label in labels
        ]

    def _suspicions(self) -> None:
        given = self.record.given
        if given is not None:
            self.rows += [Row(OVERALL, "reading", None, None, "FAIL", s) for s in given.suspicions]

    def _landmarks(self, where: str, structure: Structure | None) -> None:
        """TRE of all landmarks, or of those whose true position lies in a structure."""
        rows = [row for row in self.record.landmarks if row.get("fixed_lps") is not None]
        if structure is not None:
            index = np.round(
                [self.fixed.grid.to_index(np.array(row["fixed_lps"])) for row in rows]
            ).astype(int)
            rows = [
                row
                for row, place in zip(rows, index.reshape(-1, 3))
                if all(0 <= n < size for n, size in zip(place, self.fixed.grid.size))
                and structure.place[tuple(place[::-1])]
            ]
            if not rows:
                return
        lost = sum(row["tre_mm"] is None for row in rows)
        errors = [row["tre_mm"] for row in rows if row["tre_mm"] is not None]
        source = NO_POINTS
        if rows:
            count = f"{len(errors)} landmark{'' if len(errors) == 1 else 's'}"
            titles = f"{self._title('fixed_points')} and {self._title('moving_points')}"
            source = f"{count} of {titles}, in the fixed space"
            source += f"; {lost} have no answer" if lost else ""
        # a landmark without an answer is not a small error
        self._add(where, "tre_mean_mm", float(np.mean(errors)) if errors else None, source)
        self._add(
            where, "tre_max_mm", float(np.max(errors)) if errors and not lost else None, source
        )

    def _overlap(self, one: Structure) -> Overlap:
        if one.true is None:
            return Overlap(None, None, NO_TRUTH)
        source = (
            f"{self._title('moving_labels')}, registered, against {self._title('fixed_labels')}"
        )
        overlap = dice(one.registered, one.true)
        if not one.registered.any():
            return Overlap(None, overlap, f"{source}: it is not in the registered image")
        spacing = tuple(self.fixed.grid.spacing)
        mda = surface_distance(one.registered, one.true, spacing).average
        return Overlap(mda, overlap, source)

    def _regularity(self, where: str, place: np.ndarray, what: str) -> None:
        """Jacobian and inverse consistency, where the transform reaches."""
        seen = place & self.covered
        jacobian = self.maps[JACOBIAN][seen]
        if place.any() and seen.sum() < place.sum():
            what += f"; {1 - seen.sum() / place.sum():.0%} of it is not reached and not judged"
        source = f"determinant of the slopes of {self.record.transform}, {what}"
        values = (
            (None, None, None)
            if not jacobian.size
            else (
                float(jacobian.min()),
                100 * float((jacobian <= 0).mean()),
                100 * float(jacobian.mean() - 1),
            )
        )
        for name, value in zip(
            ("jacobian_min", "folding_percent", "volume_change_percent"), values
        ):
            if name != "volume_change_percent" or where != OVERALL:
                self._add(where, name, value, source)
        value, source = None, NO_INVERSE
        if CONSISTENCY in self.maps:
            inverse = ", ".join(
                self._title(name) for name in self.record.inputs if name.startswith("inverse_")
            )
            source = f"there by {self.record.transform} and back by " + (
                inverse or "a registration the other way round"
            )
            source += f", {what}"
            value = float(self.maps[CONSISTENCY][seen].mean()) if seen.any() else None
        self._add(where, "inverse_consistency_mm", value, source)


def _known(true: Segmentation, layer: int, label: int) -> np.ndarray | None:
    """The true structure; None where the fixed image has none of it."""
    found = true.layers[layer].array == label
    return found if found.any() else None


def acceptance(folder: str | Path, record: Record, tolerances: Tolerances) -> Acceptance:
    """The verdict about a result folder.

    Raises:
        InputError: see `Judge`.
    """
    return Judge(Path(folder), record, tolerances).acceptance()


def in_words(found: Acceptance) -> str:
    """The table for a terminal."""
    from ..results.acceptance import METRICS

    lines = [f"{found.state}: {found.why}", f"Tolerances: {found.tolerances.name}."]
    for row in found.rows:
        metric = METRICS[row.metric]
        value = "" if row.value is None else f"{row.value:.3g} {metric.unit}".rstrip()
        lines.append(
            f"{row.where[:24]:<25}{metric.title:<28}{value:>12}  {row.limit:<20}{row.state}"
        )
    return "\n".join(lines)
