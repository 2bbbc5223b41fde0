"""Perturbations tau of the moving image: one family a file, see `contracts.Family`.

The few numbers of a draw come from a numpy generator, so one seed gives the same perturbations on
every device; everything dense is evaluated on the device of the field.
"""

from __future__ import annotations

import sys

from ..contracts import Family
from ..plugins import classes_in
from ..settings import check_settings, defaults
from .affine import Affine
from .deform import Deform, SplineMap
from .linear import LinearMap
from .mixture import Mixture
from .rigid import Rigid
from .scale import Scale
from .shear import Shear
from .translation import Translation

FAMILIES = {cls.name: cls for cls in classes_in(sys.modules[__name__], Family)}

# The paper's settings (Tian et al., App. C.1) by name, and its number of samples.
PAPER = {
    "tian-translation": Translation(0.01),
    "tian-shear": Shear(0.02),
    "tian-scale": Scale(0.9, 1.1),
    "tian-deform": Deform(10, 0.5),
}
PAPER_SAMPLES = 50


def family(name: str, **parameters) -> Family:
    """A perturbation family by name; names of the paper's presets are understood too.

    Raises:
        ValueError: unknown name or parameter, or one of a wrong kind.
    """
    if name in PAPER and not parameters:
        return PAPER[name]
    if name not in FAMILIES:
        raise ValueError(
            f"Unknown perturbation family {name!r}; choose one of {', '.join([*FAMILIES, *PAPER])}."
        )
    check_settings(f"Perturbation family {name!r}", parameters, defaults(FAMILIES[name]))
    return FAMILIES[name](**parameters)


__all__ = [
    "FAMILIES",
    "PAPER",
    "PAPER_SAMPLES",
    "Affine",
    "Deform",
    "LinearMap",
    "Mixture",
    "Rigid",
    "Scale",
    "Shear",
    "SplineMap",
    "Translation",
    "family",
]
