"""Validation of a result folder against the fixed segmentation or landmarks that it names.

Writes the numbers into ``result.json`` ("validation") and the curves as CSV beside it. Samples
are read as they were kept, on the animation grid.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..geometry import DisplacementField, Image, Segmentation, read_field
from ..geometry.files import InputError, unsaid
from ..geometry.volume import read_volume
from ..jobs import Job
from ..jobs.inputs import read_structures
from ..jobs.job import LISTS, PATHS
from ..metrics.calibration import reliability
from ..metrics.correlation import spearman
from ..metrics.protocols import SIR, label_ece
from ..metrics.sparsification import Risk, risk, sparsification_curve
from ..posterior.label_map import LabelMap, broadened, label_map
from ..posterior.labels import LabelProbabilities
from ..posterior.region import region_level
from ..results.calibration import Calibration
from ..results.expectation import with_bounds
from ..results.maps import DISAGREEMENT, HIGH_IS_SURE, PREDICTED
from ..results.record import Record, Samples
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
        - "labels" (None without a fixed segmentation): mean dice, and for every map (label entropy
          and u where samples differ, what a network predicts, one-hot, blurs; after a calibration
          also that of the samples broadened by the error it found missing, `label_map.broadened`)
          ring auroc, ause, ece, mce (`labels.judge`); ece_per_label with its standard deviation
          (`protocols.label_ece`)
        - "landmarks" (None without true points), in the fixed space: count, mean, median and 95 %
          quantile of the TRE, share inside the 95 % ellipsoids of the samples (None with too few
          samples for any), spearman of u and TRE, aurc, naurc (None where no samples differ), and
          the share within the stated bound where there is one; of those that have a TRE, and a
          disagreement where there is any
        - "curves": files, relative to the folder.

    Raises:
        InputError: the result has neither, failed, has no map to judge yet, or no landmark that
            can be judged; it is of a version that did not keep the weights by voxel.
    """
    folder = Path(folder)
    if record.status == "failed" or not {DISAGREEMENT, *PREDICTED} & set(record.maps):
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
    scores = _scores(folder, record)
    grid = next(iter(scores.values())).grid
    if record.labels_refined:  # no warp alone gives them
        shown = read_volume(folder / record.warped_labels)
        warped = replace(moving, layers=(shown,)).resample(grid)
    else:
        warped = moving.warp(read_field(folder / record.transform).resample(grid))
    fixed = fixed.resample(grid)
    layers = [LabelProbabilities(layer, grid) for layer in moving.layers]
    for sample, log_weight, by_voxel in _weighed(folder, samples):
        for layer in layers:
            layer.add(sample, log_weight, by_voxel)
    missing = record.calibration.missing_mm if record.calibration else None
    maps = []
    for layer, labels in zip(layers, warped.layers):
        of_layer = {ENTROPY: label_map(layer, labels.array)} if samples.finished > 1 else {}
        of_layer |= {name: LabelMap(image.array) for name, image in scores.items()}
        maps.append(of_layer | baselines(labels.array, grid))
        if missing:
            maps[-1][BROADENED] = broadened(layer, missing)
    maps = pooled(maps)
    found, truth, ring = stacked(warped), stacked(fixed), ring_of(fixed)
    wrong = (found != truth).astype(float)
    _risk_curves(folder, "labels", next(iter(maps.values())).score, wrong, ring, curves)
    if ENTROPY in maps:
        _reliability_curve(folder, maps[ENTROPY], truth, ring, curves)
    return {
        "dice": mean_dice(found, truth),
        "mislabelled": float(wrong[ring].mean()),
        "maps": judge(maps, found, truth, ring),
        **_ece_per_label(layers, fixed),
    }


def _ece_per_label(layers: list[LabelProbabilities], fixed: Segmentation) -> dict:
    """Mean and standard deviation over the labels; None of a single sample, which is sure."""
    found = []
    for layer, true in zip(layers, fixed.layers):
        met = np.array(layer.labels)[layer.volumes_ml.any(axis=0)].tolist()
        for label in met if len(layer.log_weights) > 1 else []:
            p = layer.probability(label).resample(layer.grid, "nearest", 0).array
            found.append(label_ece(p.clip(0, 1), true.array, label))
    known = [value for value in found if value is not None]
    if not known:
        return dict.fromkeys(("ece_per_label", "ece_per_label_sd"))
    return {"ece_per_label": float(np.mean(known)), "ece_per_label_sd": float(np.std(known))}


def _scores(folder: Path, record: Record) -> dict[str, Image]:
    """Maps of a result on its fixed grid, larger where it is less sure: the disagreement, the
    displacement entropy (its AUSE is Structured SIR's AUSE_disp), and what a network predicts."""
    found = {}
    for name in (DISAGREEMENT, "displacement_entropy", *PREDICTED):
        if name not in record.maps:
            continue
        image = read_volume(folder / record.maps[name].file)
        if name in HIGH_IS_SURE:
            found[f"1 - {name}"] = Image(1.0 - image.array, image.grid)
        else:
            found["u" if name == DISAGREEMENT else name] = image
    return found


def _weighed(
    folder: Path, samples: Samples
) -> Iterator[tuple[DisplacementField, float, Image | None]]:
    """The samples of a result with their weights, as `LabelProbabilities.add` takes them."""
    by_voxel = [read_volume(folder / file) for file in samples.voxel_log_weights]
    if samples.weighting == "voxel" and len(by_voxel) != len(samples.files):
        raise InputError(
            f"{folder}: does not hold the weights by voxel of its samples, as a result of an "
            "earlier version; run it again."
        )
    for number, (file, log_weight) in enumerate(zip(samples.files, samples.log_weights)):
        yield read_field(folder / file), log_weight, by_voxel[number] if by_voxel else None


def _reliability_curve(
    folder: Path, entropy: LabelMap, truth: np.ndarray, ring: np.ndarray, curves: list[str]
) -> None:
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


def names_of(record: Record) -> dict[str, str]:
    """Label -> name of the structures of a result, where they have one."""
    return {
        str(row["label"]): row["name"] for row in record.labels if row["name"] != str(row["label"])
    }


def _landmarks(folder: Path, record: Record, curves: list[str]) -> dict:
    differ = DISAGREEMENT in record.maps
    asked = ("tre_mm", "u_mm") if differ else ("tre_mm",)
    rows = [row for row in record.landmarks if None not in [row[name] for name in asked]]
    if not rows:
        raise InputError(
            f"{folder}: no true landmark has an error and a disagreement (its warnings say why); "
            "run again with others, or with another registration method."
        )
    tre = np.array([row["tre_mm"] for row in rows])
    judged = [row for row in rows if row["inside95"] is not None]
    of_u = dict.fromkeys(("spearman", "aurc_mm", "naurc"))
    if differ:
        u = np.array([row["u_mm"] for row in rows])
        areas: Risk = risk(u, tre)
        of_u = {"spearman": spearman(u, tre), "aurc_mm": areas.aurc, "naurc": areas.normalised}
        _risk_curves(folder, "landmarks", u, tre, None, curves)
    if judged:
        _write(folder, "ellipsoids", ("nominal", "observed"), _held(judged, record), curves)
    return {
        "count": len(rows),
        "tre_mean_mm": float(tre.mean()),
        "tre_median_mm": float(np.median(tre)),
        "tre_p95_mm": float(np.percentile(tre, 95)),
        "inside95": float(np.mean([row["inside95"] for row in judged])) if judged else None,
        **of_u,
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
            *(
                []
                if labels.ece_per_label is None
                else [
                    f"ECE of the probability of each label {labels.ece_per_label:.3f} "
                    f"(standard deviation over the labels {labels.ece_per_label_sd:.3f})"
                ]
            ),
            f"{'map':26} {'ring AUROC':>10} {'ring AUSE':>10} {'ring ECE':>9}",
        ]
        for name, one in labels.maps.items():
            auroc, ause, ece = (
                "" if value is None else f"{value:.3f}" for value in (one.auroc, one.ause, one.ece)
            )
            lines.append(f"{name:26} {auroc:>10} {ause:>10} {ece:>9}")
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
