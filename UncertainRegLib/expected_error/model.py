"""The expected error in millimetres from the cues of a pair, and the bounds that hold for it.

A log-linear model in voxels: how far off the pair is on the whole, by the means of its cues over the
anatomy, and how much more or less at a place, by how far the cues there are from those means:

    log E|e| = b + Σ level · mean(cue) + Σ place · (cue − mean(cue))

with the cues as logarithms. It was fitted, once, to errors that are known, on pairs that are named
in its file, and so were its factors: each says how many times the expected error holds 95 % of a
kind of error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np

SHIPPED = Path(__file__).with_name("model.json")


@dataclass(frozen=True)
class Factors:
    """How many times the expectation holds 95 % of the errors.

    Attributes:
        boundary: of the error across a boundary, in units of the error expected across it.
        point: of the length of the error of a point, in units of its expected length.
        volume: of the error of a volume, in units of surface area times the mean error expected
            across it.
        centroid: of the error of a centroid, in units of that mean error.
    """

    boundary: float
    point: float
    volume: float
    centroid: float


@dataclass(frozen=True)
class ErrorModel:
    """A fitted model.

    Attributes:
        level: weights of the means of the cues (`cues.logs`) over the anatomy, by name.
        place: weights of how far they are from their means at a place, by name.
        intercept: b, for the error across a boundary in voxels.
        longer: mean length of an error over its mean size across a boundary; 2 where it has no
            preferred direction, more where it slides along.
        factors: see `Factors`.
        range_voxels: smallest and largest mean expected error across boundaries of the pairs that
            it was fitted to; beyond that it is a guess.
        fitted_on: what those pairs were, one sentence.
        checked_with: registrations and families of perturbations whose bounds were checked, see
            `checked`.
    """

    level: dict[str, float]
    place: dict[str, float]
    intercept: float
    longer: float
    factors: Factors
    range_voxels: tuple[float, float]
    fitted_on: str
    checked_with: tuple[str, ...]

    def across_mm(
        self, cues: Mapping[str, np.ndarray], means: Mapping[str, float], voxel_mm: float
    ) -> np.ndarray:
        """Expected size in mm of the error's component across a boundary, of the cues' shape.

        Args:
            cues, means: see `cues.logs` and `cues.means`.
            voxel_mm: of the grid that was registered on (`geometry.Grid.voxel_mm`).
        """
        level = sum(weight * means[name] for name, weight in self.level.items())
        place = sum(weight * (cues[name] - means[name]) for name, weight in self.place.items())
        return (voxel_mm * np.exp(self.intercept + level + place)).astype(np.float32)

    def length_mm(self, across_mm: np.ndarray) -> np.ndarray:
        """Expected length in mm of an error whose part across a boundary is expected to be that."""
        return np.float32(self.longer) * across_mm

    def write(self, path: Path) -> None:
        """Write the model as a small file that people can read (JSON)."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> ErrorModel:
        """Read a model.

        Raises:
            ValueError: the file is no such model.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            content["factors"] = Factors(**content["factors"])
            for name in ("range_voxels", "checked_with"):
                content[name] = tuple(content[name])
            return cls(**{entry.name: content[entry.name] for entry in fields(cls)})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: is no model of the expected error: {error}") from None


def checked(backbone: str, asked_by: str) -> str:
    """The entry of `ErrorModel.checked_with` of a registration and what it is perturbed by, or
    asked by without perturbations."""
    return f"{backbone} + {asked_by}"


@lru_cache
def shipped() -> ErrorModel:
    """The model that comes with the library."""
    return ErrorModel.read(SHIPPED)
