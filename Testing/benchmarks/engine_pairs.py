"""The pairs of `engines_table.py`, from the shared data: each is read when it is asked for.

Real pairs have segmentations or landmarks of both images. Simulated ones are an image and its
smooth deformation, with another gain and new noise: their truth is known everywhere. The pairs of
hippocampi are those of the split "test" of `truth_pairs.py`; label maps become images of one
contrast at 2 mm, or of two, which nothing but the anatomy relates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from truth_pairs import COLUMNS, brains, draw, hippocampi, lungs

from UncertainRegLib.geometry import DisplacementField, Grid, Image, read_image
from UncertainRegLib.geometry.segmentation import Segmentation
from UncertainRegLib.jobs import Job
from UncertainRegLib.jobs.inputs import Inputs, read_inputs
from UncertainRegLib.randomness import numpy_generator
from UncertainRegLib.studies.simulate import deformed, draw_truth

HIPPOCAMPI = 10
GAIN, NOISE = 1.1, 0.02  # of a simulated pair's moving image; noise as a share of its range
HEADS = (("subj06", "subj07"), ("subj07", "subj08"), ("subj08", "subj06"))
FILES = [name for name in COLUMNS if name.startswith(("fixed", "moving")) and "subject" not in name]


@dataclass(frozen=True)
class Case:
    """What an engine is tried on.

    Attributes:
        inputs: images (numpy) with masks, segmentations and landmarks, where there are any.
        truth: of a simulated pair, mm LPS on the fixed grid.
    """

    inputs: Inputs
    truth: DisplacementField | None = None


def pairs(data: Path, out: Path) -> dict[str, tuple[str, Callable[[], Case]]]:
    """Name of a pair -> its group and how it is read, the most telling pairs first."""
    found: dict[str, tuple[str, Callable[[], Case]]] = {}
    rows = [*brains(data), *lungs(data, out), *hippocampi(data)]
    for row in rows:
        if row["split"] == "test":
            found[row["pair"]] = (row["group"], partial(_of_files, files_of(row)))
    hippocampal = [name for name, (group, _) in found.items() if group == "hippocampus"]
    for name in hippocampal[HIPPOCAMPI:]:
        del found[name]
    for contrasts in (1, 2):
        for fixed, moving in HEADS:
            group = f"head, {'one contrast' if contrasts == 1 else 'two contrasts'}"
            name = f"{fixed}_from_{moving}_{contrasts}"
            found[name] = (group, partial(_heads, data, out, fixed, moving, contrasts))
    brain, oblique = data / "brain_t1_inter", data / "oblique_aniso_synth"
    found["oblique_from_subC"] = (
        "brain, oblique 1x1x3 mm",
        partial(
            _of_files,
            {
                "fixed": str(oblique / "subA_oblique_1x1x3.nii.gz"),
                "fixed_labels": str(oblique / "subA_oblique_1x1x3_seg13.nii.gz"),
                "moving": str(brain / "subC_t1.nii.gz"),
                "moving_labels": str(brain / "subC_seg13.nii.gz"),
            },
        ),
    )
    for group, file in (
        ("abdomen, simulated", data / "abdomen_ct_ts" / "ct.nii.gz"),
        ("brain 0.8x0.8x6.5 mm, simulated", data / "anisotropic_mr" / "brain1_image.nrrd"),
    ):
        for number in range(2):
            found[f"{file.name.split('.')[0]}_warp{number}"] = (
                group,
                partial(_simulated, file, number),
            )
    for patient in ("case05", "case06", "case07"):
        found[f"{patient}_mr_from_us"] = (
            "prostate, MR and ultrasound",
            partial(_prostate, data / "prostate_mr_us", patient),
        )
    first = ["subA_from_subC", "baseline_from_followup", *hippocampal[:2], "subj06_from_subj07_1"]
    first += ["subj06_from_subj07_2", "oblique_from_subC", "ct_warp0", "brain1_image_warp0"]
    return {name: found[name] for name in [*first, *(n for n in found if n not in first)]}


def files_of(row: dict) -> dict[str, str]:
    """The files of a row of `truth_pairs.py`, by the name of the option."""
    return {name: str(row[name]) for name in FILES if row.get(name)}


def _of_files(files: dict[str, str]) -> Case:
    return Case(read_inputs(Job(**files)))


def _heads(data: Path, out: Path, fixed: str, moving: str, contrasts: int) -> Case:
    files = {}
    for role, subject, contrast in (("fixed", fixed, 0), ("moving", moving, contrasts - 1)):
        image = out / f"{subject}_{contrast}.nrrd"
        if not image.exists():
            labels = data / "brain_labelmaps" / f"{subject}.nii.gz"
            draw(labels, out, subject, image.stem, contrast, step=2)
        files |= {role: str(image), f"{role}_labels": str(out / f"{image.stem}_labels.nrrd")}
    return _of_files(files)


def _simulated(file: Path, number: int) -> Case:
    """The image deformed as a fixed image, and itself in another gain with new noise."""
    image = read_image(str(file))
    image = Image(image.array.astype(np.float32), image.grid)
    generator = numpy_generator(number, "engines", file.name)
    truth = draw_truth("elastic", image.grid, generator)
    fixed = deformed(image, truth)
    low, high = np.percentile(image.array, (0.5, 99.5))
    noise = NOISE * (high - low)
    moved = image.array.min() + GAIN * (image.array - image.array.min())
    arrays = [
        (array + generator.normal(0, noise, array.shape)).astype(np.float32)
        for array in (fixed.array, moved)
    ]
    return Case(Inputs(Image(arrays[0], fixed.grid), Image(arrays[1], image.grid)), truth)


def _prostate(folder: Path, patient: str) -> Case:
    """MR and ultrasound, and the gland in both, which only judges."""
    images, glands = [], []
    for kind in ("mr", "us"):
        image = read_image(str(folder / f"{patient}_{kind}.nii.gz"))
        labels = sitk.GetArrayFromImage(
            sitk.ReadImage(str(folder / f"{patient}_{kind}_labels.nii.gz"))
        )
        gland = (labels.reshape(-1, *image.grid.shape)[0] > 0.5).astype(np.uint8)
        grid = Grid(image.grid.shape, image.grid.affine)
        images.append(image)
        glands.append(Segmentation((Image(gland, grid),), {1: "gland"}))
    return Case(Inputs(*images, moving_labels=glands[1], fixed_labels=glands[0]))
