"""How sure a label is at every voxel: label probabilities with what the samples do not show.

The samples of a registration differ by less than it is wrong: their label probabilities alone are
overconfident, and rank nothing away from the boundaries that they reach. So half of the belief is
theirs, and half is that the registration itself is right within a Gaussian of constant width
(`label_map`). Both constants were fitted on pairs that the results were not measured on:
Testing/benchmarks/label_entropy_results.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import groupby

import numpy as np
from scipy import ndimage

from ..geometry.grid import Grid
from ..metrics.rings import boxes_of
from .labels import LabelProbabilities

SAMPLES_SHARE = 0.5
WITHIN_MM = 1.25

Box = tuple[slice, slice, slice]
Part = tuple[int, Box, np.ndarray]  # label, voxels of the grid, its probability there


@dataclass(frozen=True)
class LabelMap:
    """A way of saying how sure a label is.

    Attributes:
        score: (Z, Y, X), larger is less certain.
        top: the most probable label (Z, Y, X), where there are probabilities.
        confidence: its probability.
    """

    score: np.ndarray
    top: np.ndarray | None = None
    confidence: np.ndarray | None = None


def label_map(
    probabilities: LabelProbabilities,
    warped: np.ndarray,
    share: float = SAMPLES_SHARE,
    within_mm: float = WITHIN_MM,
) -> LabelMap:
    """Entropy (nats) and top label of samples and registration together.

    Args:
        probabilities: after all samples.
        warped: labels that the registration gives, integers (Z, Y, X) on their grid.
        share: of the belief, that the samples have; the rest is the registration's own.
        within_mm: standard deviation of the belief around the registration, along each axis.
    """
    grid = probabilities.grid
    own = _widened(_of_registration(warped), grid, within_mm)
    both = merge(_scaled(_of_samples(probabilities), share), _scaled(own, 1.0 - share), key=_label)
    return _sum_up((_added(list(parts)) for _, parts in groupby(both, _label)), grid)


def blurred(labels: np.ndarray, grid: Grid, width_mm: float) -> LabelMap:
    """Label probabilities from a Gaussian blur of constant width: entropy, top label.

    Args:
        labels: integers (Z, Y, X) on ``grid``, 0 = background.
        width_mm: standard deviation.
    """
    return _sum_up(_widened(_of_registration(labels), grid, width_mm), grid)


def broadened(probabilities: LabelProbabilities, width_mm: float) -> LabelMap:
    """Label probabilities of samples, blurred on top with a constant width: entropy, top label.

    Args:
        probabilities: after all samples.
        width_mm: standard deviation along each axis; "missing_mm" of a calibration
            (`studies.calibration`) estimates it.
    """
    grid = probabilities.grid
    return _sum_up(_widened(_of_samples(probabilities), grid, width_mm), grid)


def _of_registration(labels: np.ndarray) -> Iterator[Part]:
    """Labels in ascending order, as of the samples."""
    for value, box in boxes_of(labels).items():
        yield value, box, (labels[box] == value).astype(np.float32)


def _of_samples(probabilities: LabelProbabilities) -> Iterator[Part]:
    """The labels that any sample met."""
    met = probabilities.volumes_ml.any(axis=0)
    for value in np.array(probabilities.labels)[met].tolist():
        image = probabilities.probability(value)
        start = np.round(probabilities.grid.to_index(image.grid.origin)).astype(int)[::-1]
        box = tuple(slice(a, a + n) for a, n in zip(start.tolist(), image.grid.shape))
        yield value, box, image.array


def _widened(parts: Iterable[Part], grid: Grid, width_mm: float) -> Iterator[Part]:
    """Blur label by label, each in a box that holds what the blur reaches."""
    sigma = width_mm / grid.spacing[::-1]
    margin = np.ceil(4 * sigma).astype(int).tolist()
    for value, box, inside in parts:
        wide = tuple(
            slice(max(s.start - m, 0), min(s.stop + m, n))
            for s, m, n in zip(box, margin, grid.shape)
        )
        p = np.zeros([s.stop - s.start for s in wide], np.float32)
        p[_inside(box, wide)] = inside
        yield value, wide, ndimage.gaussian_filter(p, sigma, mode="nearest")


def _scaled(parts: Iterable[Part], share: float) -> Iterator[Part]:
    for value, box, p in parts:
        yield value, box, share * p


def _label(part: Part) -> int:
    return part[0]


def _added(parts: list[Part]) -> Part:
    """The sum of parts of one label, in a box that holds them all."""
    boxes = [box for _, box, _ in parts]
    wide = tuple(
        slice(min(b[axis].start for b in boxes), max(b[axis].stop for b in boxes))
        for axis in range(3)
    )
    total = np.zeros([s.stop - s.start for s in wide], np.float32)
    for _, box, p in parts:
        total[_inside(box, wide)] += p
    return parts[0][0], wide, total


def _inside(box: Box, wide: Box) -> Box:
    """Where a box lies inside a wider one."""
    return tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(box, wide))


def _sum_up(parts: Iterable[Part], grid: Grid) -> LabelMap:
    left = np.ones(grid.shape, np.float32)  # of background
    entropy, best = np.zeros_like(left), np.zeros_like(left)
    top = np.zeros(grid.shape, np.int32)
    for value, box, p in parts:
        left[box] -= p
        entropy[box] += _surprise(p)
        top[box] = np.where(p > best[box], value, top[box])
        best[box] = np.maximum(best[box], p)
    left[left < 1e-6] = 0.0
    top[left >= best] = 0
    confidence = np.maximum(left, best).clip(0.0, 1.0)
    return LabelMap(entropy + _surprise(left), top, confidence)


def _surprise(p: np.ndarray) -> np.ndarray:
    """-p log p, 0 at p = 0."""
    return -p * np.log(np.maximum(p, 1e-30))
