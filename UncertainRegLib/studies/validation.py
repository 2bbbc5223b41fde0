"""Validation of a result folder against the fixed segmentation or landmarks that it names.

Writes the numbers into ``result.json`` ("validation") and the curves as CSV beside it. Samples
are read as they were kept, on the animation grid.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..geometry import read_field, read_image
from ..geometry.files import InputError, unsaid
from ..jobs import Job
from ..jobs.inputs import read_structures
from ..jobs.job import LISTS, PATHS
from ..metrics.calibration import reliability
from ..metrics.correlation import spearman
from ..metrics.protocols import SIR
from ..metrics.sparsification import Risk, risk, sparsification_curve
from ..posterior.label_map import LabelMap, broadened, label_map
from ..posterior.labels import LabelProbabilities
from ..posterior.region import region_level
from ..results.calibration import Calibration
from ..results.expectation import with_bounds
from ..results.record import Record
from ..results.validation import Validation
from .labels import baselines, judge, mean_dice, pooled, ring_of, stacked

CURVES = "validation"
ENTROPY = "label entropy"
BROADENED = "label entropy, broadened"  # by the error that a calibration found missing


def validate(folder: str | Path, record: Record) -> dict:
    """The "validation" entry of a result, with its curves written to ``folder``/validation.

    Args:
        folder: the result folder.
        record: what its ``result.json`` says.

    Returns:
        - "labels" (None without a fixed segmentation): mean dice, and for every map (label
          entropy, u, one-hot, blurs; after a calibration also that of the samples broadened by the
          error it found missing, `label_map.broadened`) ring auroc, ause, ece, mce (`labels.judge`)
        - "landmarks" (None without true points), in the fixed space: count, mean, median and 95 %
          quantile of the TRE, share inside the 95 % ellipsoids of the samples (None with too few
          samples for any), spearman of u and TRE, aurc, naurc, and the share within the stated
          bound where there is one; of those that have a TRE and a disagreement
        - "curves": files, relative to the folder.

    Raises:
        InputError: the result has neither, failed, has no map of disagreement yet, or no landmark
            that can be judged.
    """
    folder = Path(folder)
    if record.status == "failed" or "uncertainty_mm" not in record.maps:
        why = f" ({record.error})" if record.error else ""
        raise InputError(
            f"{folder}: is a {record.status} result{why} without a map of "
            "disagreement to judge; run it again."
        )
    labels = landmarks = None
    curves: list[str] = []
    if "fixed_labels" in record.inputs:
        labels = _labels(folder, record, curves)
    if "fixed_points" in record.inputs:
        landmarks = _landmarks(folder, record, curves)
    if labels is None and landmarks is None:
        raise InputError(
            f"{folder}: was made without a fixed segmentation or true landmarks; run "
            "again with --fixed-labels or --fixed-points."
        )
    return _plain({"labels": labels, "landmarks": landmarks, "curves": curves})


def _labels(folder: Path, record: Record, curves: list[str]) -> dict:
    inputs, samples = record.inputs, record.samples
    moving, fixed = read_structures(
        inputs["moving_labels"].file, inputs["fixed_labels"].file, names_of(record), unsaid
    )
    u = read_image(folder / record.maps["uncertainty_mm"].file)
    grid = u.grid
    warped = moving.warp(read_field(folder / record.transform).resample(grid))
    fixed = fixed.resample(grid)
    layers = [LabelProbabilities(layer, grid) for layer in moving.layers]
    for file, log_weight in zip(samples.files, samples.log_weights):
        sample = read_field(folder / file)
        for layer in layers:
            layer.add(sample, log_weight)
    missing = record.calibration.missing_mm if record.calibration else None
    maps = []
    for layer, labels in zip(layers, warped.layers):
        maps.append(
            {
                ENTROPY: label_map(layer, labels.array),
                "u": LabelMap(u.array),
                **baselines(labels.array, grid),
            }
        )
        if missing:
            maps[-1][BROADENED] = broadened(layer, missing)
    maps = pooled(maps)
    found, truth, ring = stacked(warped), stacked(fixed), ring_of(fixed)
    wrong, entropy = (found != truth).astype(float), maps[ENTROPY]
    _risk_curves(folder, "labels", entropy.score, wrong, ring, curves)
    diagram = reliability(entropy.confidence, entropy.top == truth, ring, SIR.ece_bins)
    bins = np.stack(
        [diagram.edges[:-1], diagram.edges[1:], diagram.count, diagram.confidence, diagram.accuracy]
    )
    _write(
        folder,
        "reliability",
        ("low", "high", "voxels", "confidence", "accuracy"),
        bins[:, diagram.count > 0],
        curves,
    )
    return {
        "dice": mean_dice(found, truth),
        "mislabelled": float(wrong[ring].mean()),
        "maps": judge(maps, found, truth, ring),
    }


def names_of(record: Record) -> dict[str, str]:
    """Label -> name of the structures of a result, where they have one."""
    return {
        str(row["label"]): row["name"] for row in record.labels if row["name"] != str(row["label"])
    }


def _landmarks(folder: Path, record: Record, curves: list[str]) -> dict:
    rows = [row for row in record.landmarks if None not in (row["tre_mm"], row["u_mm"])]
    if not rows:
        raise InputError(
            f"{folder}: no true landmark has an error and a disagreement (its warnings say why); "
            "run again with others, or with another registration method."
        )
    tre, u = (np.array([row[name] for row in rows]) for name in ("tre_mm", "u_mm"))
    judged = [row for row in rows if row["inside95"] is not None]
    areas: Risk = risk(u, tre)
    _risk_curves(folder, "landmarks", u, tre, None, curves)
    if judged:
        _write(folder, "ellipsoids", ("nominal", "observed"), _held(judged, record), curves)
    return {
        "count": len(rows),
        "tre_mean_mm": float(tre.mean()),
        "tre_median_mm": float(np.median(tre)),
        "tre_p95_mm": float(np.percentile(tre, 95)),
        "inside95": float(np.mean([row["inside95"] for row in judged])) if judged else None,
        "spearman": spearman(u, tre),
        "aurc_mm": areas.aurc,
        "naurc": areas.normalised,
        "bound_coverage": landmarks_within(record, record.calibration),
    }


def _held(rows: list[dict], record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Of each nominal level, and how many true points its ellipsoids hold."""
    samples, levels = record.samples, np.linspace(0.01, 0.99, 99)
    kept = 1.0 - np.array([row.get("lost", 0) for row in rows]) / samples.finished
    squared = np.square([row["mahalanobis"] for row in rows])
    reached = np.sort(region_level(squared, samples.effective * kept))
    return levels, np.searchsorted(reached, levels, side="right") / len(rows)


def _risk_curves(folder: Path, name: str, score, error, mask, curves: list[str]) -> None:
    """Sparsification of a map and of its oracle; risk-coverage is the same, read backwards."""
    removed, remaining = sparsification_curve(score, error, mask)
    _, oracle = sparsification_curve(error, error, mask)
    _write(
        folder,
        f"{name}_sparsification",
        ("removed", "remaining_error", "oracle"),
        (removed, remaining, oracle),
        curves,
    )
    _write(
        folder,
        f"{name}_risk_coverage",
        ("coverage", "risk", "oracle"),
        (1 - removed[::-1], remaining[::-1], oracle[::-1]),
        curves,
    )


def _write(folder: Path, name: str, head: tuple[str, ...], columns, curves: list[str]) -> None:
    (folder / CURVES).mkdir(exist_ok=True)
    curves.append(f"{CURVES}/{name}.csv")
    with open(folder / curves[-1], "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(head)
        writer.writerows([f"{value:.6g}" for value in line] for line in zip(*columns))


def in_words(entry: Validation) -> str:
    """The numbers of a validation, for a person."""
    lines, labels, landmarks = [], entry.labels, entry.landmarks
    if labels:
        lines += [
            f"Mean Dice {labels.dice:.3f}; {100 * labels.mislabelled:.1f} % of the ring "
            "voxels mislabelled",
            f"{'map':16} {'ring AUROC':>10} {'ring AUSE':>10} {'ring ECE':>9}",
        ]
        for name, one in labels.maps.items():
            auroc, ause, ece = (
                "" if value is None else f"{value:.3f}" for value in (one.auroc, one.ause, one.ece)
            )
            lines.append(f"{name:16} {auroc:>10} {ause:>10} {ece:>9}")
    if landmarks:
        lines.append(
            f"{landmarks.count} landmarks: TRE in the fixed space, mean {landmarks.tre_mean_mm:.2f}, "
            f"median {landmarks.tre_median_mm:.2f}, 95th percentile {landmarks.tre_p95_mm:.2f} mm"
        )
        if landmarks.inside95 is not None:
            lines.append(
                f"{100 * landmarks.inside95:.0f} % inside the ellipsoid that would hold a further "
                "sample in 95 % of cases"
            )
        if landmarks.bound_coverage is not None:
            lines.append(f"{100 * landmarks.bound_coverage:.0f} % within the stated 95 % bound")
    return "\n".join([*lines, *entry.curves])


def _plain(value):
    """The same without NaN and infinity, which JSON does not know: None."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value


def job_of(folder: str | Path, record: Record) -> Job:
    """The job that made a result, from its ``result.json``.

    Raises:
        InputError: the result is not complete.
    """
    if record.status != "complete":
        raise InputError(f"{folder}: is a {record.status} result; run it to the end first.")
    return Job(
        out=str(folder),
        backbone=record.backbone.name,
        method=record.method,
        perturbation=record.parameters["perturbation"] or Job.perturbation,
        seed=record.seed,
        samples=record.samples.asked,
        device=record.device,
        parameters=record.parameters["settings"],
        label_names=names_of(record),
        names={name: one.name for name, one in record.inputs.items() if one.name and name in PATHS},
        **{
            name: one.file
            for name, one in record.inputs.items()
            if not name.startswith(tuple(f"{several}_" for several in LISTS))
        },
        **{
            several: [
                one.file for name, one in record.inputs.items() if name.startswith(f"{several}_")
            ]
            for several in LISTS
        },
    )


def check_unchanged(folder: str | Path, record: Record, inputs: dict) -> None:
    """Refuse inputs that are no longer what a result was made of.

    Args:
        inputs: the "inputs" entry of a fresh reading.

    Raises:
        InputError: a checksum differs.
    """
    for name, one in record.inputs.items():
        if inputs[name]["sha256"] != one.sha256:
            raise InputError(f"{one.file}: has changed since the registration.")


def of_calibration(record: Record, entry: dict) -> dict:
    """The entries of a result that a calibration (`calibration.calibrate`) makes or changes.

    Its own gets "landmarks_within"; a validation made before learns its bound's coverage.
    """
    within = landmarks_within(record, Calibration.from_dict(entry))
    entries = {"calibration": {**entry, "landmarks_within": within}}
    validation = record.validation
    if validation and validation.landmarks:
        entries["validation"] = replace(
            validation, landmarks=replace(validation.landmarks, bound_coverage=within)
        )
    return entries


def landmarks_within(record: Record, calibration: Calibration | None) -> float | None:
    """Fraction of true landmarks whose TRE is within the 95 % bound; None where unknown."""
    rows = with_bounds(record.landmarks, record.expected_error, calibration)
    known = [
        row["tre_mm"] <= row["bound_mm"]
        for row in rows
        if row.get("bound_mm") is not None and row["tre_mm"] is not None
    ]
    return float(np.mean(known)) if known else None
