"""Image pairs drawn inside a folder of images."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import reduce
from operator import and_
from pathlib import Path

import numpy as np
import torch

from ..checksum import sha256_of
from ..geometry.errors import Say, unsaid
from ..randomness import numpy_generator
from .prepared import Preparation, Prepared, Source, label_values, one_for_many
from .synthetic import Pair

UNMOVED = ((0, 0, 0), (0, 0, 0))
ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mgz", ".png")


@dataclass
class FolderPairs:
    """Every ordered pair of the images in a folder, centred on a common grid, shifted at random.

    Images should be aligned up to what the network has to learn: they are put centre on centre,
    without rotation, and cropped or padded with their border.

    Attributes:
        folder: images; labels: a folder with files of the same names, or None.
        shape: (Z, Y, X) of the network's images; (1, Y, X) takes 2-D images, or the middle slice of
            each.
        spacing_mm: their voxel size.
        names: use only these files.
        together, apart: augmentation, largest shift in voxels of both images and of each
            (section 4.1 of Structured SIR: 8 and 2).
        intensity: "percentiles" (0.5 and 99.5 of an image to 0 and 1) or "minmax".
        say: hears what the readers of the files had to decide, in sentences.
        files: the image files, in the order in which they are numbered.
        axes: towards which the array axes run, such as "SPL"; None if images differ in that.
    """

    folder: str
    shape: tuple[int, int, int]
    spacing_mm: float = 1.0
    labels: str | None = None
    names: tuple[str, ...] | None = None
    together: int = 8
    apart: int = 2
    intensity: str = "percentiles"
    say: Say = field(default=unsaid, repr=False, compare=False)
    files: list[Path] = field(default_factory=list, init=False, repr=False)
    axes: str | None = field(default=None, init=False)
    _images: list[Prepared] = field(default_factory=list, init=False, repr=False)
    _sums: list[tuple[str, str | None]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if not Path(self.folder).is_dir():
            raise ValueError(f"{self.folder} is no folder; give one with images.")
        files = sorted(f for f in Path(self.folder).iterdir() if f.name.endswith(ENDINGS))
        self.files = [f for f in files if self.names is None or f.name in self.names]
        if len(self.files) < 2:
            raise ValueError(
                f"{self.folder} holds {len(self.files)} of the images asked for; "
                "training needs at least two."
            )
        keep, speak = one_for_many(self.say)
        preparation = Preparation(self.shape, self.spacing_mm, self.intensity, say=keep)
        axes = set()
        for file in self.files:
            labels = None if self.labels is None else str(Path(self.labels) / file.name)
            (image,) = preparation.images(Source(str(file), labels))
            axes.add(image.axes)
            self._images.append(image)
            self._sums.append((sha256_of(file), labels and sha256_of(labels)))
        speak()
        self.axes = axes.pop() if len(axes) == 1 else None

    def __len__(self) -> int:
        return len(self._images)

    def only(self, numbers: Sequence[int]) -> FolderPairs:
        """The same pairs among some of the images, by number."""
        part = copy(self)
        part.files = [self.files[n] for n in numbers]
        part._images = [self._images[n] for n in numbers]
        part._sums = [self._sums[n] for n in numbers]
        return part

    def record(self) -> dict:
        """What a checkpoint records about its pairs: files by name and content, not by folder."""
        names = [file.name for file in self.files]
        images, labels = (dict(zip(names, sums)) for sums in zip(*self._sums))
        return {
            "shape": self.shape,
            "spacing": self.spacing_mm,
            "intensity": self.intensity,
            "shift": (self.together, self.apart),
            "images": images,
            "segmentations": None if self.labels is None else labels,
        }

    def label_values(self) -> tuple[int, ...]:
        """Every label that occurs, without 0; empty without segmentations."""
        return label_values([image.labels for image in self._images])

    def pair(self, seed: int, device: str = "cpu") -> Pair:
        """A pair and its shifts, drawn with a seed."""
        rng = numpy_generator(seed, "folder pair")
        moving, fixed = rng.choice(len(self), 2, replace=False)
        return self.of(moving, fixed, device, drawn_shifts(rng, self.together, self.apart))

    def of(self, moving: int, fixed: int, device: str = "cpu", shifts=UNMOVED) -> Pair:
        """The pair of two images by number (in order of file names), moved by whole voxels."""
        return shifted_pair(self._images[moving], self._images[fixed], device, shifts)


def drawn_shifts(rng: np.random.Generator, together: int, apart: int) -> list[np.ndarray]:
    """Whole voxels that the moving and the fixed image are moved by, see `FolderPairs`."""
    common = rng.integers(-together, together + 1, 3)
    return [common + rng.integers(-apart, apart + 1, 3) for _ in range(2)]


def shifted_pair(moving: Prepared, fixed: Prepared, device: str, shifts=UNMOVED) -> Pair:
    """Two images, each moved by whole voxels, its border repeated."""
    tensors = [
        [
            None if array is None else _shifted(array, shift, device)
            for array in (image.array, image.labels, image.inside)
        ]
        for image, shift in zip((moving, fixed), shifts)
    ]
    (moved, moved_labels, _), (still, still_labels, _) = tensors
    masks = [mask for *_, mask in tensors if mask is not None]
    return Pair(moved, still, moved_labels, still_labels, reduce(and_, masks) if masks else None)


def _shifted(array: np.ndarray, shift, device: str) -> torch.Tensor:
    """(1, 1, Z, Y, X): the array moved by whole voxels, its border repeated."""
    index = [np.clip(np.arange(n) - s, 0, n - 1) for n, s in zip(array.shape, shift)]
    return torch.as_tensor(array[np.ix_(*index)], device=device)[None, None]
