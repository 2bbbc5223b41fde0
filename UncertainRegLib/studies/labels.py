"""Does label uncertainty find the mislabelled voxels, and are its probabilities right?

Judged in the ring around the true label boundaries (Simpson and Campbell, Structured SIR, 5.2):
AUROC of a map for voxels that the registration mislabels, AUSE against the same error, and ECE of
the most probable label where the map has probabilities. Baselines that cost one registration: the
one-hot labels, the labels blurred with a constant width, and the local image residual.
"""

from __future__ import annotations

import numpy as np

from ..geometry import Grid, Image, Segmentation
from ..geometry.arrays import labels_in
from ..metrics.calibration import reliability
from ..metrics.correlation import auroc
from ..metrics.overlap import dice_per_label
from ..metrics.protocols import SIR
from ..metrics.sparsification import ause
from ..posterior.label_map import LabelMap, blurred

BLURS_MM = (1.0, 2.0, 4.0)
BROADENED_MM = (0.5, 1.0, 1.5, 2.0)  # on top of the samples


def stacked(segmentation: Segmentation) -> np.ndarray:
    """The label maps of all layers, one after the other along the first axis."""
    return np.concatenate([layer.array for layer in segmentation.layers])


def ring_of(truth: Segmentation) -> np.ndarray:
    """The ring around the true boundaries of each layer, stacked as these are."""
    return np.concatenate([SIR.mask(layer.array) for layer in truth.layers])


def pooled(maps: list[dict[str, LabelMap]]) -> dict[str, LabelMap]:
    """Maps of the layers of a segmentation as one, a layer after the other along the first axis."""

    def joined(name: str, part: str) -> np.ndarray | None:
        arrays = [getattr(layer[name], part) for layer in maps]
        return None if arrays[0] is None else np.concatenate(arrays)

    return {
        name: LabelMap(*(joined(name, part) for part in ("score", "top", "confidence")))
        for name in maps[0]
    }


def judge(
    maps: dict[str, LabelMap], warped: np.ndarray, truth: np.ndarray, ring: np.ndarray | None = None
) -> dict[str, dict]:
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
            "auroc": auroc(one.score, wrong, ring),
            "ause": ause(one.score, wrong, ring),
            "ece": None if diagram is None else diagram.ece,
            "mce": None if diagram is None else diagram.mce,
        }
    return result


def baselines(
    warped: np.ndarray, grid: Grid, residual: np.ndarray | None = None
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


def mean_dice(warped: np.ndarray, truth: np.ndarray) -> float:
    """Mean Dice over the labels that both images have."""
    values = dice_per_label(warped, truth, sorted(set(labels_in(truth).tolist()) - {0})).values()
    return float(np.nanmean(list(values)))


def image_on(values: np.ndarray, grid: Grid, target: Grid) -> np.ndarray:
    """A map of the working grid on another grid (linear)."""
    return Image(values, grid).resample(target).array
