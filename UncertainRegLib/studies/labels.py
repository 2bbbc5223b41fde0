"""Does label uncertainty find the mislabelled voxels, and are its probabilities right?

Judged in the ring around the true label boundaries (Simpson and Campbell, Structured SIR, 5.2):
AUROC of a map for voxels that the registration mislabels, AUSE against the same error, and ECE of
the most probable label where the map has probabilities. Baselines that cost one registration: the
one-hot labels, the labels blurred with a constant width, and the local image residual.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..geometry import Grid, Image
from ..metrics.calibration import reliability
from ..metrics.correlation import auroc
from ..metrics.overlap import dice_per_label
from ..metrics.protocols import SIR
from ..metrics.rings import boxes_of
from ..metrics.sparsification import ause
from ..posterior.labels import LabelProbabilities

BLURS_MM = (1.0, 2.0, 4.0)
BROADENED_MM = (0.5, 1.0, 1.5, 2.0)  # on top of the samples


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


def pooled(maps: list[dict[str, LabelMap]]) -> dict[str, LabelMap]:
    """Maps of the layers of a segmentation as one, a layer after the other along the first axis."""
    def joined(name: str, part: str) -> np.ndarray | None:
        arrays = [getattr(layer[name], part) for layer in maps]
        return None if arrays[0] is None else np.concatenate(arrays)

    return {name: LabelMap(*(joined(name, part) for part in ("score", "top", "confidence")))
            for name in maps[0]}


def judge(maps: dict[str, LabelMap], warped: np.ndarray, truth: np.ndarray,
          ring: np.ndarray | None = None) -> dict[str, dict]:
    """Scores of label maps against the true labels, in the ring around these.

    Args:
        maps: by name.
        warped: labels that the registration gives (Z, Y, X); the mislabelled voxels are those
            where they differ from ``truth``, for every map.
        truth: true labels (Z, Y, X).
        ring: the ring around these, where it is known already.

    Returns:
        name -> auroc, ause; ece and mce, None for maps without probabilities.
    """
    ring = SIR.mask(truth) if ring is None else ring
    wrong = warped != truth
    result = {}
    for name, one in maps.items():
        diagram = None
        if one.confidence is not None:
            diagram = reliability(one.confidence, one.top == truth, ring, SIR.ece_bins)
        result[name] = {
            "auroc": auroc(one.score, wrong, ring), "ause": ause(one.score, wrong, ring),
            "ece": None if diagram is None else diagram.ece,
            "mce": None if diagram is None else diagram.mce}
    return result


def baselines(warped: np.ndarray, grid: Grid, residual: np.ndarray | None = None
              ) -> dict[str, LabelMap]:
    """The maps that one registration gives.

    Args:
        warped: labels that the registration gives, on ``grid``.
        grid: their grid.
        residual: the local image residual on it (`disagreement.image_residual`).
    """
    nothing = np.zeros(warped.shape, np.float32)
    maps = {"one-hot": LabelMap(nothing, warped, nothing + 1)}
    for width in BLURS_MM:
        maps[f"blur {width:g} mm"] = blurred(warped, grid, width)
    if residual is not None:
        maps["image residual"] = LabelMap(residual)
    return maps


def blurred(labels: np.ndarray, grid: Grid, width_mm: float) -> LabelMap:
    """Label probabilities from a Gaussian blur of constant width: entropy, top label.

    Args:
        labels: integers (Z, Y, X) on ``grid``, 0 = background.
        width_mm: standard deviation.
    """
    return _blur(((value, box, (labels[box] == value).astype(np.float32))
                  for value, box in boxes_of(labels).items()), grid, width_mm)


def broadened(probabilities: LabelProbabilities, width_mm: float) -> LabelMap:
    """Label probabilities of samples, blurred on top with a constant width: entropy, top label.

    The blur stands for the part of the error that the samples do not show; "missing_mm" of a
    calibration (`calibration.calibrate`) estimates it.

    Args:
        probabilities: after all samples.
        width_mm: standard deviation along each axis.
    """
    grid = probabilities.grid

    def parts():
        for value in probabilities.labels:
            image = probabilities.probability(value)
            start = np.round(grid.to_index(image.grid.origin)).astype(int)[::-1]
            yield value, tuple(slice(a, a + n) for a, n in zip(start, image.grid.shape)), \
                image.array

    return _blur(parts(), grid, width_mm)


def _blur(parts, grid: Grid, width_mm: float) -> LabelMap:
    """Blur label by label. ``parts``: label value, box of voxels, probabilities in that box."""
    sigma = width_mm / grid.spacing[::-1]
    margin = np.ceil(4 * sigma).astype(int)
    left = np.ones(grid.shape, np.float32)  # of background
    entropy, best = np.zeros_like(left), np.zeros_like(left)
    top = np.zeros(grid.shape, np.int32)
    for value, box, inside in parts:
        wide = tuple(slice(max(s.start - m, 0), min(s.stop + m, n))
                     for s, m, n in zip(box, margin, grid.shape))
        p = np.zeros([s.stop - s.start for s in wide], np.float32)
        p[tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(box, wide))] = inside
        p = ndimage.gaussian_filter(p, sigma, mode="nearest")
        left[wide] -= p
        entropy[wide] += _surprise(p)
        top[wide] = np.where(p > best[wide], value, top[wide])
        best[wide] = np.maximum(best[wide], p)
    left[left < 1e-6] = 0.0
    top[left >= best] = 0
    confidence = np.maximum(left, best).clip(0.0, 1.0)
    return LabelMap(entropy + _surprise(left), top, confidence)


def mean_dice(warped: np.ndarray, truth: np.ndarray) -> float:
    """Mean Dice over the labels that both images have."""
    values = dice_per_label(warped, truth, sorted(set(np.unique(truth)) - {0})).values()
    return float(np.nanmean(list(values)))


def _surprise(p: np.ndarray) -> np.ndarray:
    """-p log p, 0 at p = 0."""
    return -p * np.log(np.maximum(p, 1e-30))


def image_on(values: np.ndarray, grid: Grid, target: Grid) -> np.ndarray:
    """A map of the working grid on another grid (linear)."""
    return Image(values, grid).resample(target).array
