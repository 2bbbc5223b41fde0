"""What a registration improved: overlap, landmark error and similarity, before it and after it."""

from __future__ import annotations

import numpy as np

from ..geometry import DisplacementField, Grid, Image, Segmentation, identity, inside_index, warp
from ..geometry.arrays import labels_in
from ..geometry.image import mask_of
from ..metrics.landmarks import distances
from ..metrics.overlap import dice_per_label
from ..metrics.similarity import local_ncc
from ..posterior.points import map_to_fixed
from .inputs import Inputs

BEFORE = "the images as they lie"
CENTRED = "the centres of the two masks brought together"
MEASURE = "mean squared local correlation of intensities, 0 to 1"
WINDOW = 5  # voxels, edge of the cube that a correlation is taken in
FEWEST_VOXELS = 1000  # seen before and after; of fewer no similarity is stated
PERCENTILES = (0.5, 99.5)  # of intensities, to scale them


def before_after(
    inputs: Inputs,
    registration: DisplacementField,
    label_grid: Grid,
    warped: Segmentation | None = None,
) -> dict:
    """The "before_after" entry of ``result.json``.

    Before is the identity: the images as they lie. A registration of two masked images may start
    with the centres of the masks together; what that alone would give is told beside it.

    Args:
        inputs: the pair, with its segmentations and landmarks where given.
        registration: mm LPS.
        label_grid: where segmentations are compared, that of the table of structures.
        warped: the moving segmentation after the registration, on that grid, if it is there already.

    Returns:
        - before, centred: what the two words mean; centred is None without two masks
        - similarity: {"measure", "before", "after", "centred"}, over the voxels of the fixed image
          (of its mask) that lie inside the moving image every time. The local correlation is
          squared, so that it also holds between modalities. None where fewer than a thousand
          voxels are left.
        - dice: {"before", "after", "centred"}, mean over the structures; None without a truth
        - structures: {label: {"before", "after"}}
        - tre_mm: {"before", "after", "centred"}, mean over the landmarks, in the fixed space; None
          without a truth
    """
    registration = registration.to_numpy()
    maps = {"before": identity(registration.grid), "after": registration}
    shift = _between_masks(inputs)
    if shift is not None:
        vectors = np.broadcast_to(shift.astype(np.float32), registration.vectors.shape)
        maps["centred"] = DisplacementField(vectors.copy(), registration.grid)
    labels = inputs.fixed_labels
    true = None if labels is None else labels.resample(label_grid)
    overlaps = {name: {} for name in maps}
    if true is not None:
        moving = inputs.moving_labels
        moved = {"before": moving.resample(label_grid), "after": warped}
        for name, field in maps.items():
            seen = moved.get(name) or moving.warp(field.resample(label_grid))
            overlaps[name] = dice_of_structures(seen, true, moving)
    structures = {
        label: {name: overlaps[name][label] for name in ("before", "after")}
        for label in overlaps["before"]
    }
    return {
        "before": BEFORE,
        "centred": None if shift is None else CENTRED,
        "similarity": _similarity(inputs, maps),
        "dice": _of_each({name: _mean(found.values()) for name, found in overlaps.items()}),
        "structures": structures,
        "tre_mm": _of_each(_tre(inputs, maps)),
    }


def _of_each(values: dict[str, float | None]) -> dict | None:
    return None if values["before"] is None else {"centred": None, **values}


def _between_masks(inputs: Inputs) -> np.ndarray | None:
    """From the centre of the fixed mask to that of the moving one, mm LPS; None without both."""
    if inputs.fixed.mask is None or inputs.moving.mask is None:
        return None
    fixed, moving = (
        image.grid.to_world(np.argwhere(mask_of(image))[:, ::-1].mean(axis=0))
        for image in (inputs.fixed, inputs.moving)
    )
    return moving - fixed


def _similarity(inputs: Inputs, maps: dict[str, DisplacementField]) -> dict | None:
    fixed, moving = inputs.small
    grid, here, warped = fixed.grid, mask_of(fixed), {}
    for name, field in maps.items():
        field = field.resample(grid)
        here = here & inside_index(moving.grid.shape, field.mapped_index(moving.grid))
        warped[name] = warp(Image(moving.array, moving.grid), field, outside=None).array
    if here.sum() < FEWEST_VOXELS:
        return None
    reference, window = scaled(fixed.array), np.percentile(moving.array, PERCENTILES)
    return {
        "measure": MEASURE,
        "centred": None,
        **{
            name: local_ncc(reference, scaled(array, window), here, WINDOW)
            for name, array in warped.items()
        },
    }


def scaled(array: np.ndarray, window=None) -> np.ndarray:
    """Intensities from 0 to 1, by percentiles of the image or a ``window`` (low, high)."""
    low, high = np.percentile(array, PERCENTILES) if window is None else window
    return np.clip((array - low) / max(high - low, 1e-30), 0.0, 1.0)


def dice_of_structures(
    warped: Segmentation, true: Segmentation, moving: Segmentation
) -> dict[int, float]:
    """Dice of every structure that both segmentations have, 0 of one that warping lost.

    Args:
        warped, true: on one grid, with the same structures in the same layers, see ``Inputs``.
        moving: what was warped.
    """
    found = {}
    for ours, theirs, possible in zip(warped.layers, true.layers, moving.labels_of_layers):
        labels = sorted({*possible} & {*labels_in(theirs.array).tolist()})
        found |= dice_per_label(ours.array, theirs.array, labels)
    return found


def _tre(inputs: Inputs, maps: dict[str, DisplacementField]) -> dict[str, float | None]:
    """Mean distance in mm, in the fixed space, of the moving landmarks from the true ones; over
    those that every map carries there, None without any."""
    if inputs.fixed_points is None or not inputs.known_points.any():
        return dict.fromkeys(maps)
    known = inputs.known_points
    errors = {
        name: distances(
            map_to_fixed(field, inputs.moving_points[known]), inputs.fixed_points[known]
        )
        for name, field in maps.items()
    }
    carried = np.isfinite(list(errors.values())).all(axis=0)
    return {name: _mean(error[carried]) for name, error in errors.items()}


def _mean(values) -> float | None:
    values = list(values)
    return float(np.mean(values)) if values else None
