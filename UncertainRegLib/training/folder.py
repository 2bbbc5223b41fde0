"""Image pairs drawn inside a folder of images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ..backbones.prepare import PERCENTILES
from ..geometry import Grid, Image, read_image, read_labels
from .synthetic import Pair

ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mgz")


@dataclass
class FolderPairs:
    """Every ordered pair of the images in a folder, centred on a common grid, shifted at random.

    Images should be aligned up to what the network has to learn: they are put centre on centre,
    without rotation, and cropped or padded with their border.

    Attributes:
        folder: images; labels: a folder with files of the same names, or None.
        shape: (Z, Y, X) of the network's images, multiples of 8.
        spacing_mm: their voxel size.
        names: use only these files.
        together, apart: augmentation, largest shift in voxels of both images and of each
            (section 4.1 of Structured SIR: 8 and 2).
    """

    folder: str
    shape: tuple[int, int, int]
    spacing_mm: float = 1.0
    labels: str | None = None
    names: tuple[str, ...] | None = None
    together: int = 8
    apart: int = 2
    _images: list = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        files = sorted(f for f in Path(self.folder).iterdir() if f.name.endswith(ENDINGS))
        files = [f for f in files if self.names is None or f.name in self.names]
        if len(files) < 2:
            raise ValueError(f"{self.folder} holds {len(files)} of the images asked for; training "
                             "needs at least two.")
        for file in files:
            image = read_image(file)
            grid = self._grid(image)
            low, high = np.percentile(image.array, PERCENTILES)
            array = np.clip((image.resample(grid).array - low) / max(high - low, 1e-6), 0, 1)
            labels = None
            if self.labels is not None:
                labels = read_labels(Path(self.labels) / file.name)
                labels = Image(labels.array, image.grid).resample(grid, "nearest", 0).array
            self._images.append((array.astype(np.float32), labels))

    def _grid(self, image: Image) -> Grid:
        """The network's grid with its centre at the image's centre, along the image's axes."""
        grid = Grid.from_spacing(self.shape, (self.spacing_mm,) * 3, (0, 0, 0),
                                 image.grid.direction)
        affine = grid.affine.copy()
        affine[:3, 3] = image.grid.center - grid.center
        return Grid(self.shape, affine)

    def __len__(self) -> int:
        return len(self._images)

    def pair(self, seed: int, device: str = "cpu") -> Pair:
        """A pair and its shifts, drawn with a seed."""
        rng = np.random.default_rng(seed)
        moving, fixed = rng.choice(len(self), 2, replace=False)
        common = rng.integers(-self.together, self.together + 1, 3)
        shifts = [common + rng.integers(-self.apart, self.apart + 1, 3) for _ in range(2)]
        return self.of(moving, fixed, device, shifts)

    def of(self, moving: int, fixed: int, device: str = "cpu",
           shifts=((0, 0, 0), (0, 0, 0))) -> Pair:
        """The pair of two images by number (in order of file names), moved by whole voxels."""
        tensors = [[None if a is None else _shifted(a, shift, device) for a in self._images[index]]
                   for index, shift in zip((moving, fixed), shifts)]
        (moving, moving_labels), (fixed, fixed_labels) = tensors
        return Pair(moving, fixed, moving_labels, fixed_labels)


def _shifted(array: np.ndarray, shift, device: str) -> torch.Tensor:
    """(1, 1, Z, Y, X): the array moved by whole voxels, its border repeated."""
    index = [np.clip(np.arange(n) - s, 0, n - 1) for n, s in zip(array.shape, shift)]
    return torch.as_tensor(array[np.ix_(*index)], device=device)[None, None]
