"""What a registration improved: the entry "before_after" of ``result.json`` and its sentence."""

from __future__ import annotations

from dataclasses import dataclass, field

from .views import known

# entry: (title, digits, unit, 1 where more is better or -1)
NUMBERS = {
    "similarity": ("similarity", 3, "", 1),
    "dice": ("mean Dice", 3, "", 1),
    "tre_mm": ("mean landmark error in the fixed space", 2, " mm", -1),
}


@dataclass(frozen=True)
class Change:
    """A number before and after the registration; ``centred``: with the masks' centres together.

    ``measure`` says what a similarity is.
    """

    before: float
    after: float
    centred: float | None = None
    measure: str = ""


@dataclass(frozen=True)
class BeforeAfter:
    """The entry "before_after"; its attributes as in `jobs.comparison.before_after`."""

    before: str = ""
    centred: str | None = None
    similarity: Change | None = None
    dice: Change | None = None
    structures: dict = field(default_factory=dict)
    tre_mm: Change | None = None

    @classmethod
    def from_dict(cls, content: dict | None) -> BeforeAfter | None:
        """The view of the entry; None where there is none."""
        if not content:
            return None
        changes = {
            name: Change(**known(Change, content[name])) if content.get(name) else None
            for name in NUMBERS
        }
        return cls(
            content.get("before", ""),
            content.get("centred"),
            changes["similarity"],
            changes["dice"],
            content.get("structures", {}),
            changes["tre_mm"],
        )

    @property
    def changes(self) -> dict[str, Change]:
        """Those that are known, by name."""
        found = {name: getattr(self, name) for name in NUMBERS}
        return {name: change for name, change in found.items() if change is not None}


def in_words(found: BeforeAfter) -> list[str]:
    """The numbers before and after a registration, and what "before" means; empty with none."""
    parts = [
        f"{NUMBERS[name][0]} {_pair(change, NUMBERS[name][1])}{NUMBERS[name][2]}"
        for name, change in found.changes.items()
    ]
    if not parts:
        return []
    text = f"Before (with {found.before}) and after the registration: {', '.join(parts)}."
    if found.similarity:
        text += f" Similarity is the {found.similarity.measure}."
    if found.centred:
        text += f" In brackets: with {found.centred}, where a masked registration may start."
    return [text]


def _pair(change: Change, digits: int) -> str:
    before, after, centred = (
        None if value is None else f"{value:.{digits}f}"
        for value in (change.before, change.after, change.centred)
    )
    return f"{before} / {after}" if centred is None else f"{before} [{centred}] / {after}"
