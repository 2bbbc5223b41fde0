"""A small result folder with known numbers, as the worker would write it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from UncertainRegLib.backbones.demons import Demons
from UncertainRegLib.jobs.summary import FEWEST
from UncertainRegLib.results.maps import kind_of
from UncertainRegLib.results.schema import FILE, new_record

SAMPLES = 6
SHAPE = (20, 28, 24)  # Z, Y, X
EXPECTED = {  # the entry "expected_error"
    "boundary_factor": 2.5,
    "point_factor": 2.0,
    "volume_factor": 0.8,
    "centroid_factor": 1.5,
    "mean_mm": 1.6,
    "fitted_on": "Three pairs of balls.",
    "refused": None,
    "longer": 2.0,
}


def oblique_direction(left_handed: bool = False) -> np.ndarray:
    """A proper rotation about an odd axis; optionally with k reversed."""
    axis = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)
    angle = np.radians(25.0)
    cross = np.cross(np.eye(3), axis)
    rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return rotation @ np.diag([1.0, 1.0, -1.0]) if left_handed else rotation


def write_fake_result(
    folder: Path,
    left_handed: bool = False,
    samples: int = SAMPLES,
    status: str = "complete",
    seed: int = 1,
    expected: bool = True,
) -> Path:
    """Write a result folder; returns it. Two balls in a fixed and a displaced moving image.

    Without ``expected`` it is one without an expected error: older, or of two contrasts. As in a
    run, fewer than four samples have none either.
    """
    expected &= samples >= FEWEST
    folder = Path(folder)
    (folder / "maps").mkdir(parents=True, exist_ok=True)
    (folder / "samples").mkdir(exist_ok=True)
    direction = oblique_direction(left_handed)
    spacing, origin = (1.5, 2.0, 3.0), (-20.0, 30.0, 10.0)
    generator = np.random.default_rng(seed)

    def image(array, is_vector=False):
        result = sitk.GetImageFromArray(array, isVector=is_vector)
        result.SetSpacing(spacing)
        result.SetOrigin(origin)
        result.SetDirection(direction.ravel().tolist())
        return result

    k, j, i = np.meshgrid(*(np.arange(n, dtype=float) for n in SHAPE), indexing="ij")
    index = np.stack([i, j, k], -1)
    points = origin + (index * spacing) @ direction.T
    size = np.array(SHAPE[::-1])
    center = origin + ((size - 1) / 2 * spacing) @ direction.T
    shift = np.array([3.0, -2.0, 4.0])
    bump = np.exp(-(((points - center) / 14.0) ** 2).sum(-1))[..., None]
    field = (shift * bump).astype(np.float32)

    def ball(at, radius):
        return np.linalg.norm(at - center, axis=-1) < radius

    body = 60.0 * ball(points, 24.0) + 40.0 * ball(points, 9.0)
    texture = 8.0 * np.sin(points @ np.array([0.9, 0.5, 0.4]))
    fixed = (body + texture * (body > 0)).astype(np.float32)
    back = points - field  # good to a fraction of a voxel
    moving = (60.0 * ball(back, 24.0) + 40.0 * ball(back, 9.0)).astype(np.float32)
    labels = (1 * ball(back, 14.0) + 1 * ball(back, 9.0)).astype(np.int16)
    distance = np.linalg.norm(points - center, axis=-1)
    uncertainty = (4.0 * np.exp(-(((distance - 12.0) / 6.0) ** 2))).astype(np.float32)
    maps = {
        **({"expected_error_mm": 1.0 + 0.5 * uncertainty} if expected else {}),
        "uncertainty_mm": uncertainty,
        "axis_rl_mm": 0.5 * uncertainty,
        "label_entropy": 0.3 * uncertainty / 4.0,
        "jacobian": 1.0 + 0.1 * np.sin(points[..., 0] / 5.0),
    }
    for name, array in (("fixed", fixed), ("moving", moving), ("labels", labels)):
        sitk.WriteImage(image(array), str(folder / f"{name}.nrrd"))
    for name, array in (("transform", field), ("mean_transform", 0.9 * field)):
        sitk.WriteImage(image(array.astype(np.float32), True), str(folder / f"{name}.nrrd"))
    for name, array in maps.items():
        sitk.WriteImage(image(array.astype(np.float32)), str(folder / f"maps/{name}.nrrd"))
    files = []
    for number in range(samples):
        files.append(f"samples/sample-{number:04d}.nrrd")
        noise = (generator.normal(0.0, 1.5, 3) * bump).astype(np.float32)
        sitk.WriteImage(image(field + noise, True), str(folder / files[-1]))
    worst = np.unravel_index(uncertainty.argmax(), uncertainty.shape)
    mean = center + [2.0, 1.0, 0.0]
    record = new_record(
        inputs={
            "fixed": {"file": str(folder / "fixed.nrrd"), "sha256": "0" * 64, "shape": list(SHAPE)},
            "moving": {
                "file": str(folder / "moving.nrrd"),
                "sha256": "0" * 64,
                "shape": list(SHAPE),
            },
            "moving_labels": {"file": str(folder / "labels.nrrd"), "sha256": "0" * 64},
        },
        backbone={"name": "demons", "title": Demons.facts.title, "facts": Demons.facts.as_dict()},
        method="equivariance",
        parameters={"perturbation": "deform", "settings": {}},
        seed=seed,
        asked=SAMPLES,
        device="cpu",
        versions={"numpy": "2"},
    )
    record["samples"].update(
        finished=samples,
        effective=float(samples),
        files=files,
        log_weights=[-0.1 * n for n in range(samples)],
        status=[{"index": n, "seconds": 1.0} for n in range(samples)],
    )
    record |= {
        "status": status,
        "peak_memory_mb": 1.0,
        "transform": "transform.nrrd",
        "mean_transform": "mean_transform.nrrd",
        "maps": {
            name: {
                "file": f"maps/{name}.nrrd",
                "unit": kind_of(name).unit,
                "meaning": kind_of(name).meaning,
            }
            for name in maps
        },
        "labels": [
            {
                "label": 1,
                "name": "Shell",
                "color": None,
                "voxels": 900,
                "mean_entropy": 0.21,
                "u_p50_mm": 1.5,
                "u_p95_mm": 3.5,
                "volume_ml": 8.0,
                "volume_sd_ml": 0.4,
                "volume_low_ml": 7.2,
                "volume_high_ml": 8.8,
                "centroid_sd_mm": 0.7,
                "pairwise_dice": 0.93,
                "worst_voxel_lps": points[worst].tolist(),
                "worst_u_mm": float(uncertainty.max()),
                "dice_before": None,
                "dice": None,
                "ece": None,
                "ause": None,
            },
            {
                "label": 2,
                "name": "Core",
                "color": [0.2, 0.8, 0.2],
                "voxels": 320,
                "mean_entropy": 0.11,
                "u_p50_mm": 2.5,
                "u_p95_mm": 3.1,
                "volume_ml": 3.0,
                "volume_sd_ml": 0.2,
                "volume_low_ml": 2.6,
                "volume_high_ml": 3.4,
                "centroid_sd_mm": 0.5,
                "pairwise_dice": 0.95,
                "worst_voxel_lps": center.tolist(),
                "worst_u_mm": 2.0,
                "dice_before": None,
                "dice": None,
                "ece": None,
                "ause": None,
            },
        ],
        "landmarks": [
            {
                "label": "apex",
                "fixed_lps": None,
                "moving_lps": (mean + shift).tolist(),
                "mean_lps": mean.tolist(),
                "covariance_mm2": [4.0, 0.0, 0.0, 1.0, 0.0, 0.25],
                "axes_mm": [5.6, 2.8, 1.4],
                "directions": np.eye(3).tolist(),
                "u_mm": 2.29,
                "tre_mm": 1.2,
                "tre_before_mm": 5.4,
                "mahalanobis": 0.8,
                "inside95": True,
            },
            {
                "label": "base",
                "fixed_lps": None,
                "moving_lps": (center + shift).tolist(),
                "mean_lps": (center - [6.0, 0.0, 3.0]).tolist(),
                "covariance_mm2": [1.0, 0.0, 0.0, 1.0, 0.0, 1.0],
                "axes_mm": [3.0, 2.8, 2.6],
                "directions": direction.T.tolist(),
                "u_mm": 1.73,
                "tre_mm": None,
                "tre_before_mm": None,
                "mahalanobis": None,
                "inside95": None,
            },
        ],
    }
    if expected:
        record["expected_error"] = EXPECTED
        for row, size in zip(record["labels"], (1.8, 1.2)):
            row |= {"expected_mm": size, "surface_cm2": 16.0}
        for row, size in zip(record["landmarks"], (1.5, 1.1)):
            row["expected_mm"] = size
    (folder / FILE).write_text(json.dumps(record, indent=2), encoding="utf-8")
    return folder


def write_fake_strays(folder: Path, stray: int = 1) -> None:
    """Extend a fake result by what the worker writes where one sample is stray: half of u."""
    path = Path(folder) / FILE
    record = json.loads(path.read_text(encoding="utf-8"))
    record["samples"]["status"][stray].update(stray=True, from_median_mm=8.9)
    maps = {name: dict(record["maps"][name]) for name in ("uncertainty_mm", "label_entropy")}
    for one in maps.values():
        image = sitk.ReadImage(str(path.parent / one["file"]))
        one["file"] = one["file"].replace(".nrrd", "-without-strays.nrrd")
        sitk.WriteImage(0.5 * image, str(path.parent / one["file"]))
    record["without_strays"] = {
        "left_out": [stray],
        "maps": maps,
        "mean_transform": record["mean_transform"],
        "covariance": None,
        "modes": [],
        "best_sample": 0,
        "oracle_sample": None,
        "landmarks": [{**row, "u_mm": 0.5 * row["u_mm"]} for row in record["landmarks"]],
        "labels": [{**row, "u_p95_mm": 0.5 * row["u_p95_mm"]} for row in record["labels"]],
    }
    path.write_text(json.dumps(record, indent=2), encoding="utf-8")
