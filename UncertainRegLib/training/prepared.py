"""Image files made ready for a network: on its grid, with intensities from 0 to 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..backbones.prepare import PERCENTILES
from ..backbones.working_grid import axes_of, centred_grid
from ..geometry import Grid, Image, inside_index, read_image, read_labels
from ..geometry.arrays import labels_in
from ..geometry.errors import InputError, Say, unsaid
from ..geometry.volume import open_volume

SLICES = {"z": 0, "y": 1, "x": 2}  # the array axis across the slices


@dataclass(frozen=True)
class Source:
    """An image in a file.

    Attributes:
        file: of the image; labels: of its segmentation, or None.
        frame: the number of the image in a series, also in that of a segmentation; or None.
    """

    file: str
    labels: str | None = None
    frame: int | None = None


@dataclass(frozen=True)
class Prepared:
    """What a network is given.

    Attributes:
        array: (Z, Y, X) float32 in [0, 1].
        labels: (Z, Y, X), or None.
        axes: towards which the array axes run, such as "SPL".
        inside: (Z, Y, X) booleans, not padding; None where nothing is.
    """

    array: np.ndarray
    labels: np.ndarray | None
    axes: str
    inside: np.ndarray | None = None


@dataclass(frozen=True)
class Preparation:
    """How files become images of a network.

    Attributes:
        shape: (Z, Y, X) of the network's images; (1, Y, X) takes 2-D images, or the middle slice
            of a volume.
        spacing_mm: their voxel size.
        intensity: "percentiles" (0.5 and 99.5 of an image to 0 and 1) or "minmax".
        slices: "x", "y" or "z" takes every slice of a volume across that axis of the file as an
            image of its own; empty does not.
        say: hears what the readers of the files had to decide.
    """

    shape: tuple[int, int, int]
    spacing_mm: float = 1.0
    intensity: str = "percentiles"
    slices: str = ""
    say: Say = field(default=unsaid, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.slices and (self.slices not in SLICES or self.shape[0] != 1):
            raise ValueError("Slices are across x, y or z, for networks of the shape 1 Y X.")

    def images(self, source: Source) -> list[Prepared]:
        """The image of a file, or its slices in order.

        Raises:
            InputError: a file cannot be used.
        """
        image, labels = read_source(source, self.shape[0] == 1, self.say)
        if not self.slices:
            return [self._prepared(image, labels)]
        axis = SLICES[self.slices]
        parts = slices_of(image, axis)
        masks = [None] * len(parts) if labels is None else slices_of(labels, axis)
        return [self._prepared(part, mask) for part, mask in zip(parts, masks)]

    def _prepared(self, image: Image, labels: Image | None) -> Prepared:
        grid = centred_grid(image, self.shape, self.spacing_mm)
        low, high = (
            np.percentile(image.array, PERCENTILES)
            if self.intensity == "percentiles"
            else (image.array.min(), image.array.max())
        )
        array = np.clip((image.resample(grid).array - low) / max(high - low, 1e-6), 0, 1)
        mask = None if labels is None else labels.resample(grid, "nearest", 0).array
        inside = inside_index(image.grid.shape, image.grid.to_index(grid.points()))
        return Prepared(
            array.astype(np.float32), mask, axes_of(grid), None if inside.all() else inside
        )


def read_source(source: Source, flat: bool, say: Say = unsaid) -> tuple[Image, Image | None]:
    """An image, and its segmentation voxel by voxel, or None.

    Args:
        flat: see `read_volume`.

    Raises:
        InputError: a file cannot be used, or the segmentation has other voxels.
    """
    image = read_image(source.file, say, frame=source.frame, flat=flat)
    if source.labels is None:
        return image, None
    series = len(open_volume(source.labels, unsaid).size) == 4
    frame = source.frame if series else None
    found = read_labels(source.labels, say, frame=frame, flat=flat)
    if found.array.shape != image.array.shape:
        raise InputError(
            f"{source.labels}: has {found.array.shape} voxels, and its image "
            f"{source.file} {image.array.shape}; give the segmentation of that image."
        )
    return image, Image(found.array, image.grid)


def slices_of(image: Image, axis: int) -> list[Image]:
    """The slices of a volume across an array axis, in order, volumes of one slice each."""
    order = [axis, *[a for a in range(3) if a != axis]]
    columns = [2 - a for a in order[::-1]]  # of the affine, (i, j, k): array axis a is index 2 - a
    affine = image.grid.affine.copy()
    affine[:3, :3] = image.grid.affine[:3, columns]
    array = image.array.transpose(order)
    found = []
    for k in range(array.shape[0]):
        here = affine.copy()
        here[:3, 3] += k * affine[:3, 2]
        found.append(Image(array[k : k + 1], Grid((1, *array.shape[1:]), here)))
    return found


def one_for_many(say: Say) -> tuple[Say, Callable[[], None]]:
    """A `Say` that keeps what is said of many files, and what says each sentence once.

    Sentences begin with the name of a file and a colon; those that go on alike become one.
    """
    kept: dict[str, list[str]] = {}

    def keep(sentence: str) -> None:
        _, colon, rest = sentence.partition(": ")
        kept.setdefault(rest if colon else sentence, []).append(sentence)

    def speak() -> None:
        for sentences in kept.values():
            others = len(set(sentences)) - 1
            also = f" So it is with {others} other file{'s' * (others > 1)}." if others else ""
            say(sentences[0] + also)
        kept.clear()

    return keep, speak


def label_values(labels: list[np.ndarray | None]) -> tuple[int, ...]:
    """Every label that occurs, without 0; empty without segmentations."""
    found = [labels_in(one) for one in labels if one is not None]
    return tuple(int(v) for v in np.unique(np.concatenate(found)) if v) if found else ()
