"""Which columns the tables of a result have: bounds where they are stated, else the samples alone."""

from __future__ import annotations

ENDS = {  # both ends of a volume, in one cell
    "volume_interval_ml": ("volume_from_ml", "volume_to_ml"),
    "volume_samples_ml": ("volume_low_ml", "volume_high_ml"),
}


def errors(rows: list[dict]) -> tuple[str, ...]:
    """Expected error and 95 % bound, as far as there are any.

    Args:
        rows: of structures or landmarks, with their bounds (`Record.bounded`).
    """
    return tuple(name for name in ("expected_mm", "bound_mm") if _has(rows, name))


def volume(rows: list[dict]) -> str:
    """The column of both ends of the volume, a key of `ENDS`."""
    stated = _has(rows, ENDS["volume_interval_ml"][0])
    return "volume_interval_ml" if stated else "volume_samples_ml"


def dice(rows: list[dict]) -> tuple[str, ...]:
    """Dice before and after the registration, as far as they are known."""
    return tuple(name for name in ("dice_before", "dice") if _has(rows, name))


def inside(rows: list[dict]) -> str:
    """The column that says whether the truth is where it is expected."""
    return "within_bound" if _has(rows, "within_bound") else "inside95"


def _has(rows: list[dict], name: str) -> bool:
    return any(row.get(name) is not None for row in rows)
