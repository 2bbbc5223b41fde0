"""A registration that was made elsewhere, and is judged by the samples of a backbone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..geometry import DisplacementField, Grid, Image
from ..geometry.errors import InputError, Say
from ..geometry.foreground import above_mean
from ..geometry.transform_file import GivenTransform
from ..posterior.standing import outside_share, standing
from ..posterior.stream import SampleStream

NOT_CHECKED = (
    "Bounds have been checked with registrations that were made here, and not with transforms that "
    "were made elsewhere."
)


@dataclass(frozen=True)
class Given:
    """What a transform says on the fixed grid.

    Attributes:
        transform: as it was read.
        field: the same on the grid of the fixed image.
        covered: (Z, Y, X) booleans there: where all its parts reach.
    """

    transform: GivenTransform
    field: DisplacementField
    covered: np.ndarray

    @property
    def titles(self) -> list[str]:
        """Names of its files."""
        return [Path(file).name for file in self.transform.files]

    def entry(self, suspicions: list[str]) -> dict:
        """The entry "given" of ``result.json`` before the first sample (`results.given`)."""
        return {
            "files": self.titles,
            "is_linear": self.transform.is_linear,
            "covered": float(self.covered.mean()),
            "offset_mm": None,
            "outside": None,
            "suspicions": suspicions,
        }


def on_fixed(transform: GivenTransform, fixed: Grid, fixed_name: str, say: Say) -> Given:
    """A transform on the grid of the fixed image; ``say`` hears of what it does not reach.

    Raises:
        InputError: it reaches no voxel of the image, or carries points to infinity.
    """
    found, covered = transform.on(fixed)
    names = ", ".join(transform.files)
    if not covered.any():
        field = transform.field
        same = field is not None and field.grid.shape == fixed.shape
        raise InputError(
            f"{names}: does not reach {fixed_name} at all; "
            + (
                "it has as many voxels, so that its header may be wrong: give it the geometry of that "
                "image."
                if same
                else "give the transform of this image (one on the moving image is its inverse)."
            )
        )
    if not np.isfinite(found.vectors).all():
        raise InputError(f"{names}: carries points to infinity; it is damaged.")
    for part in transform.parts:
        if isinstance(part, np.ndarray) and np.linalg.matrix_rank(part[:3, :3]) < 3:
            raise InputError(
                f"{names}: presses the image flat, so that it has no inverse; it is damaged."
            )
    missing = 1.0 - float(covered.mean())
    if missing > 0:
        say(
            f"{names}: does not reach {max(missing, 0.001):.1%} of {fixed_name}. Nothing is judged "
            "there, and the maps are blank."
        )
    return Given(transform, found, covered)


def stands(given: Given, stream: SampleStream, fixed: Image) -> tuple[dict, dict]:
    """How a given transform stands among samples.

    Returns:
        Maps (Z, Y, X) on the grid of the samples (`posterior.standing`), and the numbers
        "offset_mm" and "outside" of the anatomy.
    """
    maps = standing(stream, given.field.resample(stream.grid).vectors)
    here = (above_mean(fixed) & given.covered).astype(np.float32)
    where = Image(here, fixed.grid).resample(stream.grid, "nearest", 0.0).array > 0
    where &= stream.validity.inside
    if not where.any():
        return maps, {"offset_mm": None, "outside": None}
    level = maps.get("given_level")
    return maps, {
        "offset_mm": float(np.median(maps["given_offset_mm"][where])),
        "outside": None if level is None else outside_share(level, where),
    }
