"""Segmentations: named structures that may overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .arrays import labels_in
from .field import DisplacementField
from .grid import Grid
from .image import Image
from .warp import warp_labels


@dataclass(frozen=True)
class Segmentation:
    """Structures in layers: those of one layer do not overlap, those of different layers may.

    Attributes:
        layers: label maps (integers, 0 = background) on one grid; a label is in one layer only.
        names, colors: name and (r, g, b) in [0, 1] of labels, where there are any; no name occurs
            twice.
    """

    layers: tuple[Image, ...]
    names: dict[int, str] = field(default_factory=dict)
    colors: dict[int, list[float]] = field(default_factory=dict)

    @property
    def grid(self) -> Grid:
        return self.layers[0].grid

    @cached_property
    def labels_of_layers(self) -> list[list[int]]:
        """The labels of each layer, ascending."""
        return [[int(v) for v in labels_in(layer.array) if v] for layer in self.layers]

    @property
    def labels(self) -> list[int]:
        """All labels, ascending."""
        return sorted(label for labels in self.labels_of_layers for label in labels)

    def name(self, label: int) -> str:
        """The name of a label; its number where it has none."""
        return self.names.get(label, str(label))

    def foreground(self) -> Image:
        """Where any structure is, as a uint8 mask."""
        mask = np.any([layer.array != 0 for layer in self.layers], axis=0)
        return Image(mask.astype(np.uint8), self.grid)

    def resample(self, grid: Grid) -> Segmentation:
        """On another grid: the nearest label, 0 outside."""
        return self._with(layer.resample(grid, "nearest", 0) for layer in self.layers)

    def warp(self, displacement: DisplacementField) -> Segmentation:
        """Seen on the grid of a displacement field (mm LPS, fixed to moving): the nearest label."""
        return self._with(warp_labels(layer, displacement) for layer in self.layers)

    def relabelled(self, new: dict[int, int]) -> Segmentation:
        """With other labels; those that ``new`` does not name become background."""
        layers = []
        for layer, labels in zip(self.layers, self.labels_of_layers):
            if any(new.get(label, 0) != label for label in labels):
                values = np.array([0, *(new.get(label, 0) for label in labels)], np.int32)
                old = np.array([0, *labels], layer.array.dtype)
                layer = Image(values[np.searchsorted(old, layer.array)], layer.grid)
            layers.append(layer)
        return Segmentation(
            tuple(layers),
            {new[label]: name for label, name in self.names.items() if label in new},
            {new[label]: color for label, color in self.colors.items() if label in new},
        )

    def _with(self, layers) -> Segmentation:
        return Segmentation(tuple(layers), self.names, self.colors)

    def named(self, names: dict[int, str]) -> Segmentation:
        """With further names, or others than before."""
        if not names:
            return self
        names = {**self.names, **{label: names[label] for label in self.labels if label in names}}
        return Segmentation(self.layers, distinct_names(names, self.labels), self.colors)


def packed(masks: Sequence[Image]) -> list[Image]:
    """Label maps of one grid and of different labels, in as few layers as do not overlap."""
    layers: list[np.ndarray] = []
    for mask in masks:
        for layer in layers:
            if not ((layer != 0) & (mask.array != 0)).any():
                layer += mask.array.astype(layer.dtype)
                break
        else:
            layers.append(mask.array.astype(np.int32))
    return [Image(layer, masks[0].grid) for layer in layers]


def distinct_names(names: dict[int, str], labels: list[int]) -> dict[int, str]:
    """Names of which none occurs twice, nor is the number of a label without a name."""
    numbers = [str(label) for label in labels if label not in names]
    return dict(zip(names, distinct([*numbers, *names.values()])[len(numbers) :]))


def distinct(names: list[str]) -> list[str]:
    """Names of which none occurs twice: the second "Cyst" is called "Cyst (2)"."""
    found: list[str] = []
    for name in names:
        number, new = 1, name
        while new in found:
            number += 1
            new = f"{name} ({number})"
        found.append(new)
    return found
