"""A registration that returns a known field: for tests and plumbing checks only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contracts import Backbone
from ..geometry import DisplacementField, Image, read_field
from ..geometry.arrays import as_like, to_numpy
from .facts import Facts


@dataclass
class KnownField(Backbone):
    """Returns a given displacement field, moved along with the moving image.

    The intensity-weighted centroid of the moving image is compared with that of the first one
    seen: a shifted image gives a shifted answer, so this backbone is exactly equivariant to
    translations, and to nothing else.

    Attributes:
        field: a DisplacementField (mm LPS), or the file of one.
    """

    field: DisplacementField | str

    listed = False
    facts = Facts(
        name="known-field",
        title="Known field (for tests)",
        equivariant_to=("translation",),
        working_grid="that of the field",
        outside=0.0,
    )

    def __post_init__(self) -> None:
        if isinstance(self.field, str):
            self.field = read_field(self.field)
        self._centroid = None

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Nothing to prepare; remembers where the unperturbed moving image lies."""
        self._centroid = _centroid(moving)
        return fixed, moving

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """The known field plus the shift of the moving image's centroid (mm LPS)."""
        shift = _centroid(moving) - self._centroid
        vectors = self.field.vectors
        return DisplacementField(vectors + as_like(shift, vectors), self.field.grid)


def _centroid(image: Image) -> np.ndarray:
    """Intensity-weighted mean position in LPS mm."""
    weight = to_numpy(image.array).astype(np.float64)
    index = [
        (
            weight.sum(axis=tuple(a for a in range(3) if a != axis)) * np.arange(weight.shape[axis])
        ).sum()
        / weight.sum()
        for axis in (2, 1, 0)
    ]
    return image.grid.to_world(np.array(index))
