"""What a run leaves of its samples: maps, tables, and the warped images beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..geometry import (
    DisplacementField,
    Grid,
    Image,
    Segmentation,
    inside_index,
    interpolate,
    invert,
    jacobian_determinant,
    warp,
)
from ..geometry.arrays import as_like, to_numpy
from ..geometry.foreground import above_mean
from ..posterior.label_map import label_map
from ..posterior.label_table import label_table, most_uncertain_first
from ..posterior.maps import axis_sd, displacement_entropy, largest_axis, uncertainty
from ..posterior.points import LEAST_EXACT_MM
from ..posterior.stream import INSIDE
from ..results.maps import DISAGREEMENT, EXPECTED
from .given import stands
from .summary import Summary

MOVING_VOXELS = 300_000  # of the disagreement in the moving space


def maps(summary: Summary, all_of_them: bool = True) -> dict[str, np.ndarray]:
    """Scalar maps (Z, Y, X) float32 on the fixed grid, by name (`results.maps`).

    Args:
        all_of_them: False leaves those alone that are looked at while samples arrive: expected
            error, disagreement, where they hold, how a given transform stands, and what a network
            predicts.
    """
    found = _first_maps(summary)
    return found | _further_maps(summary) if all_of_them else found


def _first_maps(summary: Summary) -> dict[str, np.ndarray]:
    stream, fixed = summary.stream, summary.inputs.fixed.grid
    found = {"validity": _on(fixed, stream.validity.share, stream.grid)}
    found["validity"][~computed(fixed, stream.grid)] = 0.0
    if stream.has_spread:
        found[DISAGREEMENT] = _on(fixed, uncertainty(stream.moments.covariance), stream.grid)
    if summary.given is not None:
        found["validity"][~summary.given.covered] = 0.0
        if stream.has_spread:
            among, _ = stands(summary.given, stream, summary.inputs.fixed)
            found |= {name: _on(fixed, values, stream.grid) for name, values in among.items()}
    if summary.expected_error is not None:
        expected = summary.expected_error
        found[EXPECTED] = _on(fixed, expected.length_mm, expected.grid)
    for name, predicted in summary.predicted.items():
        found[name] = _on(fixed, predicted.image.array, predicted.image.grid)
    return found


def _further_maps(summary: Summary) -> dict[str, np.ndarray]:
    stream, registration = summary.stream, summary.registration
    of_samples = {}
    if stream.has_spread:
        covariance = stream.moments.covariance
        axes = axis_sd(covariance)
        of_samples |= {
            "largest_axis_mm": largest_axis(covariance),
            "axis_rl_mm": axes[..., 0],
            "axis_ap_mm": axes[..., 1],
            "axis_si_mm": axes[..., 2],
            "displacement_entropy": displacement_entropy(covariance),
        }
    if stream.nested is not None:
        (within, between), parts = summary.parts, stream.nested.summary()
        of_samples |= {within: uncertainty(parts.spread), between: uncertainty(parts.jitter)}
    fixed = summary.inputs.fixed.grid
    found = {name: _on(fixed, values, stream.grid) for name, values in of_samples.items()}
    if summary.consistency is not None:
        found["inverse_consistency_mm"] = summary.consistency
    found["displacement_mm"] = _on(
        fixed, np.linalg.norm(registration.to_numpy().vectors, axis=-1), registration.grid
    )
    jacobian = jacobian_determinant(registration)
    for name, values in (("jacobian", jacobian), ("folding", as_like(jacobian <= 0, jacobian))):
        found[name] = _on(fixed, values, registration.grid)
    if stream.labels and stream.has_spread:
        grid = stream.labels[0].grid
        entropy = [
            label_map(layer, warped.array).score
            for layer, warped in zip(stream.labels, warped_labels(summary, grid).layers)
        ]
        information = [layer.information() for layer in stream.labels]
        found["label_entropy"] = _on(fixed, np.max(entropy, axis=0), grid)
        found["label_information"] = _on(fixed, np.max(information, axis=0), grid)
    return found


def computed(fixed: Grid, working: Grid) -> np.ndarray:
    """(Z, Y, X) booleans: voxels of the fixed image on the working grid, to half a voxel beyond its
    centres. Outside, fields and maps only repeat what is on its border."""
    index = fixed.affine_points(np.linalg.inv(working.affine) @ fixed.affine)
    return inside_index(working.shape, index)


def not_computed(fixed: Image, working: Grid) -> float:
    """Share of the anatomy in the fixed image, or of its mask, that is not on the working grid."""
    anatomy = above_mean(fixed)
    return float((~computed(fixed.grid, working)[anatomy]).mean()) if anatomy.any() else 0.0


def not_seen(summary: Summary) -> float:
    """Share of the anatomy in the fixed image, or of its mask, that lies outside the moving image in
    most samples."""
    stream = summary.stream
    anatomy = above_mean(summary.inputs.fixed.resample(stream.grid))
    return float((~stream.validity.inside)[anatomy].mean()) if anatomy.any() else 0.0


def over_anatomy(summary: Summary, maps: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Expected error and disagreement in two numbers each, "mean" and "p95", by the map's name.

    Args:
        maps: of the summary, see `maps`.
    """
    here = above_mean(summary.inputs.fixed) & (maps["validity"] >= INSIDE)
    if not here.any():
        return {}
    found = {name: maps[name][here] for name in (EXPECTED, DISAGREEMENT) if name in maps}
    return {
        name: {"mean": float(values.mean()), "p95": float(np.percentile(values, 95))}
        for name, values in found.items()
    }


def covariance(summary: Summary) -> tuple[np.ndarray, Grid]:
    """(Z, Y, X, 6) covariance in mm² and its grid, the animation grid."""
    grid = summary.animation_grid
    to_index = np.linalg.inv(summary.stream.grid.affine) @ grid.affine
    like = summary.stream.moments.covariance
    index = grid.affine_points(to_index, like)
    return to_numpy(interpolate(like, index)).astype(np.float32), grid


def uncertainty_moving(summary: Summary) -> Image:
    """The disagreement in mm on a coarser grid of the moving image: where the inverse of the
    samples' mean brings a point (Tian et al., "Uncertainty (Inv)").

    NaN where that has no inverse, or one from outside the grid where it was computed.
    """
    stream = summary.stream
    grid = summary.inputs.moving.grid.at_most(MOVING_VOXELS)
    inverse, residual = invert(stream.mean(), grid)
    index = inverse.mapped_index(stream.grid)
    values = interpolate(stream.uncertainty_mm(), index)
    known = (residual <= LEAST_EXACT_MM) & inside_index(stream.grid.shape, index)
    return Image(np.where(known, values, np.nan).astype(np.float32), grid)


def label_rows(
    summary: Summary, uncertainty_mm: np.ndarray | None, validity: np.ndarray, judged: bool = True
) -> list[dict]:
    """The per-label table; places that mostly leave the moving image are not judged.

    Args:
        uncertainty_mm: disagreement, None of a single sample; validity: both on the fixed grid.
        judged: False leaves out what compares the structures with the true ones.
    """
    layers, inputs = summary.stream.labels, summary.inputs
    if not layers:
        return []
    grid = layers[0].grid
    if uncertainty_mm is None:
        uncertainty_mm = np.full(validity.shape, np.nan, np.float32)
    uncertainty_mm, validity = (
        Image(values, inputs.fixed.grid).resample(grid).array
        for values in (uncertainty_mm, validity)
    )
    uncertainty_mm = np.where(validity >= INSIDE, uncertainty_mm, np.nan)
    expected = summary.expected_error
    across = None
    if expected is not None:
        across = Image(expected.across_mm, expected.grid).resample(grid).array
        across = np.where(validity >= INSIDE, across, np.nan)
    warped, moving = warped_labels(summary, grid), inputs.moving_labels
    true = [None] * len(layers)
    if judged and inputs.fixed_labels is not None:
        true = [layer.array for layer in inputs.fixed_labels.resample(grid).layers]
    structures = summary.before_after["structures"]
    rows = [
        {**row, "dice_before": structures.get(row["label"], {}).get("before")}
        for layer, found, truth in zip(layers, warped.layers, true)
        for row in label_table(
            layer, uncertainty_mm, found.array, truth, moving.names, moving.colors, across
        )
    ]
    return most_uncertain_first(rows)


def warped_moving(summary: Summary, field: DisplacementField) -> Image:
    """The moving image on the grid of ``field``, the unperturbed registration in mm LPS."""
    moving = summary.inputs.moving
    return warp(Image(moving.array, moving.grid), field, outside=float(moving.array.min()))


def warped_labels(summary: Summary, grid: Grid) -> Segmentation:
    """The moving segmentation on ``grid``, by the unperturbed registration; where the backbone
    corrects it, corrected."""
    warped, refined = summary.warped_on(grid), summary.refined
    if refined is None:
        return warped
    corrected = np.where(
        computed(grid, refined.grid),
        refined.resample(grid, "nearest", 0).array,
        warped.layers[0].array,
    )
    return replace(warped, layers=(Image(corrected, grid),))


def _on(fixed: Grid, values, grid: Grid) -> np.ndarray:
    return Image(to_numpy(values).astype(np.float32), grid).resample(fixed).array
