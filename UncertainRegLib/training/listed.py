"""Image pairs of a list, such as the two phases of a heart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from ..checksum import sha256_of
from ..geometry.errors import Say, unsaid
from ..randomness import numpy_generator
from .folder import UNMOVED, drawn_shifts, shifted_pair
from .pairs import ListedPair
from .prepared import Preparation, Prepared, Source, label_values, one_for_many
from .synthetic import Pair


@dataclass
class ListedPairs:
    """The pairs of a list, each image centred on a grid of its own, shifted at random.

    Attributes:
        listed: the pairs; segmentations are used where all have them.
        shape, spacing_mm, intensity, slices: see `Preparation`; with slices, those of the same
            number are a pair, and those that show nothing (no structure of either segmentation)
            are left out.
        together, apart: augmentation, see `FolderPairs`.
        say: hears what was decided, left out or missing.
        files: the image files. axes: towards which the array axes run; None if images differ.
    """

    listed: Sequence[ListedPair]
    shape: tuple[int, int, int]
    spacing_mm: float = 1.0
    intensity: str = "percentiles"
    slices: str = ""
    together: int = 8
    apart: int = 2
    say: Say = field(default=unsaid, repr=False, compare=False)
    files: list[Path] = field(default_factory=list, init=False, repr=False)
    axes: str | None = field(default=None, init=False)
    _pairs: list[tuple[Prepared, Prepared]] = field(default_factory=list, init=False, repr=False)
    _contents: list = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        keep, speak = one_for_many(self.say)
        preparation = Preparation(self.shape, self.spacing_mm, self.intensity, self.slices, keep)
        self._has_labels = all(pair.fixed_labels for pair in self.listed)
        if not self._has_labels and any(pair.fixed_labels for pair in self.listed):
            self.say(
                "Some pairs of the list have no segmentations, so those of the others are "
                "not used; give all or none."
            )
        known: dict[Source, list[Prepared]] = {}
        checksum, empty = cache(sha256_of), 0
        for pair in self.listed:
            sources = self._sources(pair)
            known |= {one: preparation.images(one) for one in sources if one not in known}
            both = [known[one] for one in sources]
            if len(both[0]) != len(both[1]):
                raise ValueError(
                    f"Line {pair.line}: {pair.moving} has {len(both[0])} slices, and {pair.fixed} "
                    f"{len(both[1])}; slices of the same number are a pair, so give images of "
                    "as many."
                )
            found = [one for one in zip(*both) if not self.slices or _shows_something(one)]
            empty += len(both[0]) - len(found)
            self._pairs += found
            content = [
                (checksum(one.file), one.labels and checksum(one.labels), one.frame)
                for one in sources
            ]
            self._contents += [content] * len(found)
        speak()
        if empty:
            self.say(
                f"{empty} of {empty + len(self._pairs)} pairs of slices show nothing, or no "
                "structure, and are left out."
            )
        if not self._pairs:
            raise ValueError("No pair of the list is left.")
        axes = {image.axes for pair in self._pairs for image in pair}
        self.axes = axes.pop() if len(axes) == 1 else None
        self.files = [Path(file) for file in dict.fromkeys(s.file for s in known)]

    def _sources(self, pair: ListedPair) -> tuple[Source, Source]:
        """Moving and fixed."""
        labels = (pair.moving_labels, pair.fixed_labels) if self._has_labels else (None, None)
        return (
            Source(pair.moving, labels[0], pair.frames[1]),
            Source(pair.fixed, labels[1], pair.frames[0]),
        )

    def __len__(self) -> int:
        """How many pairs of images the network may see; with slices, of slices."""
        return len(self._pairs)

    def only(self, numbers: Sequence[int]) -> ListedPairs:
        """Some of the pairs, by number."""
        part = copy(self)
        part._pairs = [self._pairs[n] for n in numbers]
        part._contents = [self._contents[n] for n in numbers]
        return part

    def record(self) -> dict:
        """What a checkpoint records about its pairs: their contents, not their files' names."""
        contents = json.dumps(self._contents).encode()
        return {
            "shape": self.shape,
            "spacing": self.spacing_mm,
            "intensity": self.intensity,
            "shift": (self.together, self.apart),
            "slices": self.slices,
            "pairs": {"number": len(self), "sha256": hashlib.sha256(contents).hexdigest()},
        }

    def label_values(self) -> tuple[int, ...]:
        """Every label that occurs, without 0; empty without segmentations."""
        return label_values([image.labels for pair in self._pairs for image in pair])

    def pair(self, seed: int, device: str = "cpu") -> Pair:
        """A pair and its shifts, drawn with a seed."""
        rng = numpy_generator(seed, "listed pair")
        number = int(rng.integers(len(self)))
        return self.of(number, device, drawn_shifts(rng, self.together, self.apart))

    def of(self, number: int, device: str = "cpu", shifts=UNMOVED) -> Pair:
        """A pair by number, its images moved by whole voxels."""
        return shifted_pair(*self._pairs[number], device, shifts)


def _shows_something(pair: Sequence[Prepared]) -> bool:
    """Is something to be seen in both images, and a structure, where there are any, in one?"""
    labels = [image.labels for image in pair if image.labels is not None]
    seen = all(np.ptp(image.array) > 0 for image in pair)
    return seen and (not labels or any(bool(one.any()) for one in labels))
