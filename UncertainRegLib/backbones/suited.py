"""Which registration methods suit two images, as far as their intensities tell before the run.

The images are registered roughly, by demons on a coarse grid, and judged as after a registration
(`contrast`). A method that compares intensities suits them if they show one contrast. One that
compares them locally, up to a factor, also does where dark stays dark and bright stays bright: a
gamma or a bias field do not matter to it.
"""

from __future__ import annotations

from ..contracts import Backbone
from ..geometry import DisplacementField, Image
from .contrast import Signs, signs
from .facts import Facts
from .registry import Entry, create, listing

VOXELS = 60_000  # of the rough registration
READ_VOXELS = 500_000  # of the images that it is given


def beforehand(fixed: Image, moving: Image) -> Signs | None:
    """What the intensities of two images tell; None of images that cannot even be aligned, which
    may show other anatomy, or not overlap.

    Args:
        fixed, moving: as read (numpy), with masks where given.
    """
    try:
        return signs(*roughly_registered(fixed, moving))
    except ValueError:
        return None


def roughly_registered(fixed: Image, moving: Image) -> tuple[Image, Image, DisplacementField]:
    """Two images as read, prepared for demons on a coarse grid, and its registration of them.

    Raises:
        ValueError: they cannot be aligned.
    """
    quick = create("demons", voxels=VOXELS)
    prepared = quick.prepare(
        *(each.resample(each.grid.at_most(READ_VOXELS)) for each in (fixed, moving))
    )
    return *prepared, quick.register(*prepared)


def suits(backbone: Backbone, found: Signs | None) -> bool:
    """Is a method, with its settings, made for such images?"""
    return (
        found is None or not found.words or not _minds(backbone.one_contrast, backbone.facts, found)
    )


def sentence(backbone: Backbone, found: Signs) -> str:
    """Why a method is not made for two images, and which are, before it is started."""
    names = ", ".join(entry.name for entry in suited(found))
    return (
        f"The intensities of the two images do not correspond: roughly aligned, they {found.words}. "
        f"{backbone.facts.title} compares intensities and is not made for such images. Choose one "
        f"of {names}, or look closely at the registered image."
    )


def suited(found: Signs) -> list[Entry]:
    """The methods for such images, of any anatomy and without weights; those that can be used here
    and are made for them come first."""
    entries = [
        one
        for one in listing()
        if (one.facts.anatomy, one.facts.weights) == ("any", None)
        and not _minds(one.facts.one_contrast, one.facts, found)
    ]
    return sorted(
        entries,
        key=lambda one: (
            not one.available,
            not one.facts.any_brightness,
            not one.facts.compares_structure,
        ),
    )


def _minds(one_contrast: bool, facts: Facts, found: Signs) -> bool:
    return one_contrast and not (facts.any_brightness and found.only_brightness)
