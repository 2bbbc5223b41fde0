"""A registration that was made elsewhere: the entry "given" of ``result.json`` and its sentences."""

from __future__ import annotations

from dataclasses import dataclass, field

from .views import known


@dataclass(frozen=True)
class Given:
    """The entry "given".

    Attributes:
        files: of the transform, in the order in which a fixed point meets them.
        is_linear: no part of it deforms.
        covered: share of the fixed image that it reaches.
        offset_mm: median distance in the anatomy from the samples' mean; None without two samples.
        outside: share of the anatomy where it lies outside the region that would hold a further
            sample in 95 % of cases; None with fewer than five different samples.
        suspicions: what may be wrong with the file, tried on the pair, a sentence each.
    """

    files: list[str] = field(default_factory=list)
    is_linear: bool = False
    covered: float = 1.0
    offset_mm: float | None = None
    outside: float | None = None
    suspicions: list[str] = field(default_factory=list)

    @classmethod
    def from_dict(cls, content: dict | None) -> Given | None:
        """The view of the entry; None where the registration is the backbone's own."""
        return cls(**known(cls, content)) if content else None


def in_words(given: Given, backbone: str) -> list[str]:
    """What was judged, and how it stands among the samples.

    Args:
        backbone: title of the method that gave the samples.
    """
    kind = "linear transform" if given.is_linear else "transform"
    found = [
        f"The {kind} that was given ({', '.join(given.files)}) is judged; the samples around it are "
        f"registrations by {backbone}."
    ]
    if given.offset_mm is not None:
        text = (
            f"In the anatomy it lies {given.offset_mm:.2f} mm (median) from the mean of the samples"
        )
        if given.outside is not None:
            text += (
                f", and in {100 * given.outside:.0f} % of it outside the region that would hold a "
                "further sample in 95 % of cases"
            )
        found.append(f"{text}. That is not its error: the samples can be wrong as well.")
    return found
