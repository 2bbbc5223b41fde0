"""The two real pairs whose given transforms are judged: a lung with landmarks, a brain with 13
structures."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from UncertainRegLib.geometry import Image, read_image, read_labels, write_image
from UncertainRegLib.geometry.image import mask_of, to_sitk

from .files import VOXELS

COARSE = 500_000  # voxels of the images that are judged


@dataclass(frozen=True)
class Pair:
    """Files of a pair, by entry of a job.

    Attributes:
        outside: intensity beside the mask, for programs that get no mask.
    """

    name: str
    inputs: dict[str, str]
    outside: float = 0.0
    label_names: dict[str, str] = field(default_factory=dict)

    def simple(self) -> tuple[sitk.Image, sitk.Image, np.ndarray]:
        """Fixed and moving image on coarse grids, air beside the masks; and the shift (LPS mm) that
        brings the centres of the masks together, zero without."""
        images, centres = [], []
        for role in ("fixed", "moving"):
            image = read_image(self.inputs[role])
            if f"{role}_mask" in self.inputs:
                mask = read_labels(self.inputs[f"{role}_mask"])
                image = Image(np.where(mask.array > 0, image.array, self.outside), image.grid)
                image = Image(image.array.astype(np.float32), image.grid, mask.array)
                centres.append(image.grid.to_world(np.argwhere(mask_of(image))[:, ::-1].mean(0)))
            images.append(to_sitk(image.resample(image.grid.at_most(VOXELS))))
        start = centres[1] - centres[0] if centres else np.zeros(3)
        return images[0], images[1], start


def lung(data: Path, out: Path) -> Pair:
    """Right lung, baseline from follow-up; its mask is the one structure."""
    folder = data / "lung_ct_followup"
    inputs = {}
    for role, name in (("fixed", "baseline"), ("moving", "followup")):
        inputs |= _coarse(role, folder / f"{name}.mha", folder / f"{name}_mask.mha", out / "lung")
        inputs[f"{role}_mask"] = inputs[f"{role}_labels"]
        file = out / "lung" / f"{role}_points.csv"
        with open(folder / "landmarks_lps.csv", encoding="utf-8") as stream:
            rows = [
                [row["elastix_index"], *(row[f"{name}_{axis}"] for axis in "xyz")]
                for row in csv.DictReader(stream)
            ]
        with open(file, "w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([["label", "x", "y", "z"], *rows])
        inputs[f"{role}_points"] = str(file)
    return Pair("lung", inputs, -1000.0, {"1": "Right lung"})


def brain(data: Path, out: Path) -> Pair:
    """Brain A from brain C in its native pose; 13 structures."""
    folder = data / "brain_t1_inter"
    inputs = {}
    for role, name in (("fixed", "subA"), ("moving", "subC")):
        files = (folder / f"{name}_{what}.nii.gz" for what in ("t1", "seg13"))
        inputs |= _coarse(role, *files, out / "brain")
    text = (folder / "structures13.json").read_text(encoding="utf-8")
    names = {label: one["name"] for label, one in json.loads(text).items()}
    return Pair("brain", inputs, 0.0, names)


def _coarse(role: str, image_file: Path, labels_file: Path, out: Path) -> dict[str, str]:
    """Image and labels of one side with about half a million voxels: verdicts take minutes else."""
    out.mkdir(parents=True, exist_ok=True)
    image, labels = read_image(image_file), read_labels(labels_file)
    grid = image.grid.at_most(COARSE)
    found = {role: str(out / f"{role}.nrrd"), f"{role}_labels": str(out / f"{role}_labels.nrrd")}
    write_image(image.resample(grid), found[role])
    write_image(labels.resample(grid, "nearest", 0), found[f"{role}_labels"])
    return found


PAIRS = {"lung": lung, "brain": brain}
