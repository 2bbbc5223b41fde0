"""What a trained model makes of one test pair: overlap, regularity, likeness, and its uncertainty.

All is judged on the network's own grid, as in the papers, without the padding of either image.
Labels are warped as memberships (and refined where the network does that), and the most probable
one counts: one rule for all models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..backbones.trained import TrainedModel
from ..backbones.working_grid import field_from_voxels
from ..geometry import (
    DisplacementField,
    Grid,
    Image,
    inside_index,
    jacobian_determinant,
    warp,
    warp_one_hot,
)
from ..geometry.arrays import labels_in, to_numpy
from ..metrics.folding import folding_fraction, sd_log_jacobian
from ..metrics.overlap import dice_per_label, surface_distance
from ..metrics.predicted import Predicted, gaussian_fit, laplace_fit
from ..metrics.protocols import GONG, HETERO, SIR, class_ause
from ..metrics.similarity import local_ncc, mean_squared_error, mutual_information
from ..metrics.sparsification import risk
from ..posterior.combination import combine, ensemble_moments
from .disagreement import image_residual

MEASURES = {  # what a row holds: heading, digits
    "dice": ("Dice %", 2),
    "hd_mm": ("HD mm", 2),
    "hd95_mm": ("HD95 mm", 2),
    "asd_mm": ("ASD mm", 3),
    "assd_mm": ("ASSD mm", 3),
    "lost_labels": ("labels lost", 2),
    "folds": ("folds %", 3),
    "sd_log_jacobian": ("SD log J", 3),
    "residual": ("image residual", 4),
    "mse": ("MSE", 5),
    "mi": ("MI", 3),
    "nlcc": ("NLCC %", 2),
    "err": ("AUSE ERR", 5),
    "mr": ("AUSE MR", 4),
    "fdr": ("AUSE FDR", 4),
    "residual_err": ("ERR by residual", 5),
    "residual_mr": ("MR by residual", 4),
    "residual_fdr": ("FDR by residual", 4),
    "flow_mm": ("flow u mm", 3),
    "flow_err": ("ERR by flow", 5),
    "ause_intensity": ("AUSE of squared residual", 6),
    "naurc": ("nAURC", 3),
    "residual_naurc": ("nAURC by residual", 3),
    "nll": ("NLL", 3),
    "within95": ("within 95 %", 3),
    "miscalibration": ("miscalibration", 3),
}


@dataclass(frozen=True)
class Case:
    """A test pair, numpy, as read from its files; an atlas stands in for the moving labels.

    Attributes:
        fixed, moving: images.
        fixed_labels, moving_labels: label maps, or None.
        atlas, atlas_labels: the image whose labels are brought to the fixed one instead of those of
            ``moving`` (Gong et al., 4.2.1), or None.
    """

    fixed: Image
    moving: Image
    fixed_labels: Image | None = None
    moving_labels: Image | None = None
    atlas: Image | None = None
    atlas_labels: Image | None = None


@dataclass(frozen=True)
class Found:
    """A model's answer for one pair, numpy, on the grid of the prepared fixed image.

    Attributes:
        fixed, moving: the prepared images.
        field: the registration; of several members or passes their mean (Gong et al., Eq. 7).
        inside: booleans, not padding of the fixed image, nor at the same voxel of the moving one.
        values: labels of the memberships, the background first.
        memberships: (N, C, Z, Y, X) of N members or passes, or None without labels.
        scales: u of each, (N, C, Z, Y, X); None where none is predicted.
        spread_mm: sqrt(trace) of the members' displacements, (Z, Y, X) mm; None of one member.
        noise: predicted scale of the difference of the images, None where none is; fit: judges it.
        score: of correspondence, None for other models.
    """

    fixed: Image
    moving: Image
    field: DisplacementField
    inside: np.ndarray
    values: tuple[int, ...] = ()
    memberships: np.ndarray | None = None
    scales: np.ndarray | None = None
    spread_mm: np.ndarray | None = None
    noise: np.ndarray | None = None
    fit: Callable[..., Predicted] = gaussian_fit
    score: np.ndarray | None = None


def scores(model: TrainedModel, case: Case, passes: int, registered: bool = True) -> dict:
    """The measures of a model on a pair; "" for what it does not have.

    Args:
        passes: of a model with dropout.
        registered: False judges the images as they lie, prepared as for the model.

    Raises:
        ValueError: the model cannot be asked about these labels.
    """
    look = look_at if registered else unmoved
    whole = look(model, case.fixed, case.moving, case.moving_labels, passes)
    found = {**_of_field(whole), **_of_images(whole)}
    if case.atlas is not None:
        whole = look(model, case.fixed, case.atlas, case.atlas_labels, passes)
    if whole.memberships is not None and case.fixed_labels is not None:
        truth = case.fixed_labels.resample(whole.fixed.grid, "nearest", 0).array
        found |= _of_labels(whole, truth)
    values = {name: found.get(name, "") for name in MEASURES}
    return {name: "" if _nothing(value) else value for name, value in values.items()}


def look_at(
    model: TrainedModel, fixed: Image, moving: Image, labels: Image | None, passes: int
) -> Found:
    """What a model makes of a pair."""
    a, b = model.prepare(fixed, moving)
    values, members = model.predictions(a, b, labels, passes)
    voxels = np.stack([to_numpy(one.displacement[0]) for one in members])
    mean, variance = ensemble_moments(voxels)
    field = field_from_voxels(np.moveaxis(mean, 0, -1), a.grid, b.grid)
    maps = {}
    if "displacement" in model.manifest["network"]:  # beside a network that makes a map
        maps = {name: to_numpy(one.image.array) for name, one in model.maps(a, b).items()}
    noise, fit, scales = maps.get("image_noise"), gaussian_fit, None
    if members[0].log_scale is not None and "displacement" not in model.manifest["network"]:
        scales = _stack(one.log_scale.exp() for one in members)
        if scales.shape[1] == 1:  # trained without labels: u of the images' difference
            noise, fit, scales = (scales[:, 0] ** 2).mean(axis=0) ** 0.5, laplace_fit, None
    several = len(members) > 1
    spacing = model.manifest["grid"]["spacing_mm"]
    return Found(
        a.to_numpy(),
        b.to_numpy(),
        field,
        _inside(a.grid, fixed.grid) & _inside(b.grid, moving.grid),
        values,
        None if labels is None else _stack(one.memberships for one in members),
        scales,
        spacing * np.sqrt(variance.sum(axis=0)) if several else None,
        noise,
        fit,
        maps.get("correspondence_score"),
    )


def unmoved(
    model: TrainedModel, fixed: Image, moving: Image, labels: Image | None, passes: int
) -> Found:
    """The images as they lie, centre on centre, prepared as for the model."""
    a, b = (image.to_numpy() for image in model.prepare(fixed, moving))
    field = field_from_voxels(np.zeros((*a.grid.shape, 3), np.float32), a.grid, b.grid)
    inside = _inside(a.grid, fixed.grid) & _inside(b.grid, moving.grid)
    if labels is None:
        return Found(a, b, field, inside)
    values = (0, *(int(v) for v in labels_in(labels.array) if v))
    soft = np.stack([warp_one_hot(labels, field, value) for value in values])
    return Found(a, b, field, inside, values, soft[None])


def _inside(grid: Grid, image: Grid) -> np.ndarray:
    return inside_index(image.shape, image.to_index(grid.points()))


def _stack(tensors) -> np.ndarray:
    return np.stack([to_numpy(one[0]) for one in tensors])


def _gap(found: Found) -> np.ndarray:
    """A∘phi − B of the prepared images."""
    return warp(found.moving, found.field, outside=None).array - found.fixed.array


def _of_field(found: Found) -> dict:
    jacobian = jacobian_determinant(found.field)
    row = {
        "folds": 100 * folding_fraction(jacobian, found.inside),
        "sd_log_jacobian": sd_log_jacobian(jacobian, found.inside),
    }
    if found.spread_mm is not None:
        row["flow_mm"] = float(found.spread_mm[found.inside].mean())
    return row


def _of_images(found: Found) -> dict:
    """Likeness of the images (Gong et al., 4.2.1), and what ranks or fits their differences."""
    inside, gap = found.inside, _gap(found)
    moved, fixed = gap + found.fixed.array, found.fixed.array
    row = {
        "residual": float(np.abs(gap[inside]).mean()),
        "mse": mean_squared_error(moved, fixed, inside),
        "mi": mutual_information(moved, fixed, inside),
        "nlcc": 100 * local_ncc(moved, fixed, inside),
    }
    ranking = found.noise if found.score is None else 1 - found.score
    if ranking is not None:
        area = HETERO.scores(ranking[inside], gap[inside] ** 2)["ause"]
        row["ause_intensity"] = area
    if found.noise is not None:
        row |= found.fit(gap, found.noise, inside)._asdict()
    return row


def _of_labels(found: Found, truth: np.ndarray) -> dict:
    """Overlap, and whether the uncertainty finds the wrong labels."""
    several = len(found.memberships) > 1
    soft, u = combine(found.memberships, found.scales)
    predicted = np.array(found.values)[soft.argmax(axis=0)]
    row = _overlap(predicted, truth, found.fixed.grid)
    classes = [c for c in found.values[1:] if (truth == c).any()]
    inside, residual = found.inside, np.abs(_gap(found))
    if not classes:
        return row

    def areas(ranking: np.ndarray) -> dict[str, float]:
        cut = [array[..., inside] for array in (ranking, predicted, truth)]
        return class_ause(*cut, classes, GONG)

    row |= {f"residual_{name}": value for name, value in areas(residual).items()}
    own = None
    if several or found.scales is not None:
        place = [found.values.index(c) for c in classes]
        row |= areas(u[place])
        own = u[1:].max(axis=0)
    elif found.noise is not None:
        own = found.noise
    elif found.score is not None:
        own = 1 - found.score
    if found.spread_mm is not None:
        row["flow_err"] = areas(found.spread_mm)["err"]
    ring = SIR.mask(truth) & inside
    if not ring.any():
        return row
    wrong = (predicted != truth).astype(float)
    smoothed = image_residual(found.fixed, found.moving, found.field)
    row["residual_naurc"] = risk(smoothed, wrong, ring).normalised
    if own is not None:
        row["naurc"] = risk(own, wrong, ring).normalised
    if found.scales is not None:
        error = np.stack([soft[p] - (truth == found.values[p]) for p in place])
        row |= laplace_fit(error, u[place], np.broadcast_to(ring, error.shape))._asdict()
    return row


def _overlap(predicted: np.ndarray, truth: np.ndarray, grid: Grid) -> dict:
    """Means over the true labels; distances over those that are left in both."""
    labels = [int(v) for v in labels_in(truth) if v]
    if not labels:
        return {}
    dice = dice_per_label(predicted, truth, labels)
    there = [label for label in labels if (predicted == label).any()]
    row = {
        "dice": 100 * float(np.mean(list(dice.values()))),
        "lost_labels": len(labels) - len(there),
    }
    if there:
        spacing = tuple(grid.spacing)
        found = [surface_distance(predicted == v, truth == v, spacing) for v in there]
        row |= {
            "hd_mm": float(np.mean([one.hausdorff for one in found])),
            "hd95_mm": float(np.mean([one.hausdorff95 for one in found])),
            "asd_mm": float(np.mean([one.one_sided for one in found])),
            "assd_mm": float(np.mean([one.average for one in found])),
        }
    return row


def _nothing(value) -> bool:
    return value == "" or not np.isfinite(value)
