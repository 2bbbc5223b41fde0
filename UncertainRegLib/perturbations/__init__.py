"""Perturbations tau of the moving image: one family a file.

A family has ``draw(grid, generator) -> tau``; tau has ``points`` (tau of LPS mm points, exact),
``field(grid)`` (tau(x) − x on a grid, to warp the moving image with), ``push(phi)`` (tau after
phi) and ``facts``. The few numbers of a draw come from a numpy generator, so one seed gives the
same perturbations on every device; everything dense is evaluated on the device of the field.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..geometry import Grid
from ..settings import check_settings, defaults
from .affine import Affine
from .deform import Deform, SplineMap
from .linear import LinearMap
from .mixture import Mixture
from .rigid import Rigid
from .scale import Scale
from .shear import Shear
from .translation import Translation

FAMILIES = {family.name: family for family in
            (Translation, Shear, Scale, Deform, Rigid, Affine, Mixture)}

# The paper's settings (Tian et al., App. C.1) by name, and its number of samples.
PAPER = {
    "tian-translation": Translation(0.01),
    "tian-shear": Shear(0.02),
    "tian-scale": Scale(0.9, 1.1),
    "tian-deform": Deform(10, 0.5),
}
PAPER_SAMPLES = 50


def family(name: str, **parameters):
    """A perturbation family by name; names of the paper's presets are understood too.

    Raises:
        ValueError: unknown name or parameter, or one of a wrong kind.
    """
    if name in PAPER and not parameters:
        return PAPER[name]
    if name not in FAMILIES:
        raise ValueError(f"Unknown perturbation family {name!r}; choose one of "
                         f"{', '.join([*FAMILIES, *PAPER])}.")
    check_settings(f"Perturbation family {name!r}", parameters, defaults(FAMILIES[name]))
    return FAMILIES[name](**parameters)


def draws(family, grid: Grid, generator: np.random.Generator) -> Iterator:
    """Perturbations of a family without end, for a moving image on ``grid``."""
    if isinstance(family, Mixture):
        yield from family.draws(grid, generator)
    while True:
        yield family.draw(grid, generator)


__all__ = [
    "FAMILIES", "PAPER", "PAPER_SAMPLES", "Affine", "Deform", "LinearMap", "Mixture", "Rigid",
    "Scale", "Shear", "SplineMap", "Translation", "draws", "family",
]
