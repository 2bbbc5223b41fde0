"""What the numbers of a point mean: coordinate system and unit."""

from __future__ import annotations

import numpy as np

from .errors import Say

LPS, RAS = np.array([1.0, 1.0, 1.0]), np.array([-1.0, -1.0, 1.0])  # factors that bring them to LPS
SYSTEMS = {"LPS": LPS, "1": LPS, "RAS": RAS, "0": RAS}  # the numbers are Slicer's
UNITS_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3}
NOWHERE = (np.nan, np.nan, np.nan)  # where a point is that was never placed


def system_factors(name: str) -> np.ndarray:
    """Factors that bring a point of LPS or RAS, also called 1 and 0, to LPS.

    Raises:
        ValueError: another coordinate system.
    """
    if name.upper() not in SYSTEMS:
        raise ValueError(f"unknown coordinate system {name}")
    return SYSTEMS[name.upper()]


def unit_factor(unit: str, note: Say) -> float:
    """Factor that brings a length to mm; ``note`` hears of a conversion.

    Raises:
        ValueError: unknown unit.
    """
    if unit not in UNITS_MM:
        raise ValueError(f"unknown unit {unit}")
    if UNITS_MM[unit] != 1.0:
        note(f"is in {unit}; its coordinates were converted to mm")
    return UNITS_MM[unit]


def position(cells) -> np.ndarray:
    """(3,) numbers of three cells; NaN where one of them is empty.

    Raises:
        ValueError: not three cells, or something else than numbers (Python takes "1_5" for one).
    """
    cells = list(cells)
    refusal = ValueError(f"{', '.join(map(str, cells))} is not a position of three numbers")
    if len(cells) != 3 or any(isinstance(cell, bool) or "_" in str(cell) for cell in cells):
        raise refusal
    if any(cell in ("", None) for cell in cells):
        return np.array(NOWHERE)
    try:
        return np.array([float(cell) for cell in cells])
    except (TypeError, ValueError):
        raise refusal from None
