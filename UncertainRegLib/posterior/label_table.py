"""One row a label: how uncertain its place, its boundary and its volume are."""

import math

import numpy as np

from ..metrics.boundaries import surface_mm2
from ..metrics.calibration import reliability
from ..metrics.overlap import dice_per_label
from ..metrics.rings import boundary_ring, boundary_shell, boxes_of
from ..metrics.sparsification import ause
from .label_map import LabelMap, label_map
from .labels import LabelProbabilities

RING = 3  # voxels around the boundary where label uncertainty is judged
ECE_BINS = 15
OF_SEVERAL = (
    "volume_sd_ml",
    "volume_low_ml",
    "volume_high_ml",
    "centroid_sd_mm",
    "pairwise_dice",
)  # samples


def label_table(
    probabilities: LabelProbabilities,
    uncertainty: np.ndarray,
    warped: np.ndarray,
    fixed: np.ndarray | None = None,
    names: dict[int, str] | None = None,
    colors: dict[int, list[float]] | None = None,
    across: np.ndarray | None = None,
) -> list[dict]:
    """Rows of the per-label table, the most uncertain boundary (u_p95_mm) first.

    Args:
        probabilities: label probabilities of all samples, on the fixed grid.
        uncertainty: u in mm (Z, Y, X), fixed grid; NaN where it is not to be judged.
        warped: the moving segmentation carried to the fixed grid by the registration, integers.
        fixed: the true segmentation of the fixed image, integers, where there is one.
        names: name of each label.
        colors: (r, g, b) in [0, 1] of each label.
        across: expected error across boundaries in mm (Z, Y, X), fixed grid; NaN where it is not
            to be judged; None where nothing is expected.

    Returns:
        A dictionary a label of the moving segmentation; a number that does not exist is None, as
        all that takes two samples is of one:

        - label, name, color, voxels (of ``warped``)
        - mean_entropy: label entropy (`label_map.label_map`) in nats, mean over the ring
          (`metrics.rings.boundary_ring`)
        - u_p50_mm, u_p95_mm: median and 95 % quantile of u on the boundary shell
        - expected_mm: mean of ``across`` on the boundary shell; surface_cm2: the area of the faces
          of its voxels
        - worst_voxel_lps, worst_u_mm: where on the shell u is largest
        - volume_ml, volume_sd_ml, volume_low_ml, volume_high_ml: mean, standard deviation and
          2.5 … 97.5 % quantiles over the samples
        - centroid_sd_mm: sqrt(trace Cov) of the centroids
        - pairwise_dice: mean Dice of pairs of samples
        - dice of ``warped``, None for a label that ``fixed`` has not; ece (top label, 15 bins) and
          ause (label entropy against a wrong most probable label) inside the ring of the true
          label: Simpson and Campbell, 5.2.

    Raises:
        ValueError: an array is not on the fixed grid.
    """
    arrays = {
        "uncertainty": uncertainty,
        "warped labels": warped,
        "fixed labels": fixed,
        "expected error": across,
    }
    for name, array in arrays.items():
        if array is not None and tuple(array.shape) != probabilities.grid.shape:
            raise ValueError(
                f"{name}: shape {tuple(array.shape)} is not the fixed grid's "
                f"{probabilities.grid.shape}; resample it first"
            )
    names, colors = names or {}, colors or {}
    how_sure = label_map(probabilities, warped) if len(probabilities.log_weights) > 1 else None
    shell = boundary_shell(warped)
    boxes = _boxes(warped)
    over_samples = _over_samples(probabilities)
    truth = {} if fixed is None else _against_truth(probabilities.labels, how_sure, warped, fixed)
    rows = []
    for label in probabilities.labels:
        row = {
            "label": label,
            "name": names.get(label, str(label)),
            "color": colors.get(label),
            "voxels": 0,
            **dict.fromkeys(("mean_entropy", "u_p50_mm", "u_p95_mm", "expected_mm", "surface_cm2")),
            **over_samples[label],
            **dict.fromkeys(("worst_voxel_lps", "worst_u_mm", "dice", "ece", "ause")),
            **truth.get(label, {}),
        }
        if label in boxes:
            box = boxes[label]
            mask = warped[box] == label
            row["voxels"] = int(np.count_nonzero(mask))
            if how_sure is not None:
                ring = boundary_ring(mask, RING)
                row["mean_entropy"] = _number(how_sure.score[box][ring].mean())
            edge = np.argwhere(shell[box] & mask & np.isfinite(uncertainty[box]))
            if edge.size == 0:  # no boundary to be judged at, as of a label that fills its image
                rows.append(row)
                continue
            values = uncertainty[box][tuple(edge.T)]
            worst = edge[values.argmax()] + [s.start for s in box]
            row["u_p50_mm"], row["u_p95_mm"] = np.percentile(values, (50, 95)).tolist()
            row["worst_u_mm"] = _number(values.max())
            row["surface_cm2"] = surface_mm2(mask, probabilities.grid) / 100.0
            if across is not None:
                row["expected_mm"] = _number(np.nanmean(across[box][tuple(edge.T)]))
            row["worst_voxel_lps"] = probabilities.grid.to_world(worst[::-1]).tolist()
        rows.append(row)
    return most_uncertain_first(rows)


def most_uncertain_first(rows: list[dict]) -> list[dict]:
    """Rows by u_p95_mm; those without one last."""
    return sorted(rows, key=lambda row: math.inf if row["u_p95_mm"] is None else -row["u_p95_mm"])


def _over_samples(probabilities: LabelProbabilities) -> dict[int, dict]:
    """Volume, centroid and overlap of the samples, by label."""
    weights = probabilities.weights
    volumes, centroids = probabilities.volumes_ml, probabilities.centroids
    mean = weights @ volumes
    sd = np.sqrt(weights @ (volumes - mean) ** 2)
    # The interval is the samples' own: with few of them their extremes.
    low, high = np.quantile(
        volumes,
        (0.025, 0.975),
        axis=0,
        weights=np.tile(weights[:, None], (1, volumes.shape[1])),
        method="inverted_cdf",
    )
    overlap = probabilities.pairwise_dice()
    result = {}
    for place, label in enumerate(probabilities.labels):
        seen = np.isfinite(centroids[:, place, 0])
        share = weights[seen] / weights[seen].sum() if weights[seen].any() else weights[seen]
        offset = centroids[seen, place] - share @ centroids[seen, place]
        result[label] = {"volume_ml": _number(mean[place]), **dict.fromkeys(OF_SEVERAL)}
        if len(weights) < 2:
            continue
        result[label] |= {
            "volume_sd_ml": _number(sd[place]),
            "volume_low_ml": _number(low[place]),
            "volume_high_ml": _number(high[place]),
            "centroid_sd_mm": _number(np.sqrt(share @ (offset**2).sum(axis=1)))
            if share.any()
            else None,
            "pairwise_dice": _number(overlap[place]),
        }
    return result


def _against_truth(labels, how_sure: LabelMap | None, warped, fixed) -> dict[int, dict]:
    """Dice, ECE and AUSE by label."""
    overlap = dice_per_label(warped, fixed, labels)
    boxes = _boxes(fixed)
    result = {}
    for label in set(labels) & set(boxes):
        result[label] = {"dice": _number(overlap[label]), "ece": None, "ause": None}
        box = boxes[label]
        ring = boundary_ring(fixed[box] == label, RING)
        if ring.any() and how_sure is not None:
            hit = (how_sure.top == fixed)[box]
            result[label]["ece"] = reliability(how_sure.confidence[box], hit, ring, ECE_BINS).ece
            result[label]["ause"] = ause(how_sure.score[box], ~hit, ring)
    return result


def _boxes(labels: np.ndarray) -> dict[int, tuple[slice, slice, slice]]:
    """Bounding box of each label, grown so that it holds the label's whole ring."""
    return {
        label: tuple(
            slice(max(s.start - RING - 1, 0), min(s.stop + RING + 1, n))
            for s, n in zip(box, labels.shape)
        )
        for label, box in boxes_of(labels).items()
    }


def _number(value: float) -> float | None:
    """A plain float for JSON, None if it is not finite."""
    return float(value) if math.isfinite(value) else None
