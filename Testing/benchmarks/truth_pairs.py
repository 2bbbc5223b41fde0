"""The list of real pairs for ``evaluate truth``, from the shared data: `truth_results.md` used it.

    python Testing/benchmarks/truth_pairs.py DATA OUT
    python -m UncertainRegLib evaluate truth OUT/pairs.csv --out OUT/study

Development and test never share a subject: every second hippocampus, label maps 02, 03, 04 against
06, 07, 08; the two brains and the lung are tests only. Label maps become images of one contrast:
intensities of structures, texture, blur, bias field and noise are drawn for each image anew.
"""

from __future__ import annotations

import csv
import itertools
import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

from UncertainRegLib.geometry import Grid, Image, read_segmentation, write_image
from UncertainRegLib.randomness import numpy_generator

COLUMNS = (
    "pair", "fixed_subject", "moving_subject", "split", "group", "twin", "fixed", "moving",
    "fixed_mask", "moving_mask", "fixed_labels", "moving_labels", "fixed_points", "moving_points",
)  # fmt: skip
HIPPOCAMPI = 24  # pairs of each split
TWINS = 6
# Structures that registration by intensities can see, of at least 200 voxels.
STRUCTURES = (2, 3, 4, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 26, 28,
              41, 42, 43, 46, 47, 49, 50, 51, 52, 53, 54, 58, 60)  # fmt: skip
MARGIN = 4  # voxels around the head


def hippocampi(data: Path) -> list[dict]:
    """Ordered pairs of the MSD crops."""
    folder = data / "hippocampus_msd"
    names = sorted(path.name for path in (folder / "images").glob("*.nii.gz"))
    rows = []
    for split, first in (("development", 0), ("test", 1)):
        pairs = list(itertools.permutations(names[first::2], 2))
        order = numpy_generator(3, "hippocampus", split).permutation(len(pairs))[:HIPPOCAMPI]
        for number, chosen in enumerate(order):
            files = dict(zip(("fixed", "moving"), pairs[chosen]))
            subjects = {f"{role}_subject": file.split(".")[0] for role, file in files.items()}
            rows.append(
                {
                    "pair": "_from_".join(subjects.values()),
                    **subjects,
                    "split": split,
                    "group": "hippocampus",
                    "twin": int(number < TWINS),
                    **{role: folder / "images" / file for role, file in files.items()},
                    **{f"{role}_labels": folder / "labels" / file for role, file in files.items()},
                }
            )
    return rows


def drawn_brains(data: Path, out: Path) -> list[dict]:
    """Ordered pairs of label maps, each made an image in ``out``."""
    rows = []
    for split, subjects in (
        ("development", ("subj02", "subj03", "subj04")),
        ("test", ("subj06", "subj07", "subj08")),
    ):
        for subject in subjects:
            draw(data / "brain_labelmaps" / f"{subject}.nii.gz", out, subject, subject)
        for number, pair in enumerate(list(itertools.permutations(subjects, 2))[::2]):
            files = dict(zip(("fixed", "moving"), pair))
            rows.append(
                {
                    "pair": "_from_".join(pair),
                    **{f"{role}_subject": subject for role, subject in files.items()},
                    "split": split,
                    "group": "drawn brain",
                    "twin": int(number == 0),
                    **{role: out / f"{subject}.nrrd" for role, subject in files.items()},
                    **{f"{role}_labels": out / f"{s}_labels.nrrd" for role, s in files.items()},
                }
            )
    return rows


def draw(
    file: Path, out: Path, subject: str, name: str, contrast_seed: int = 0, step: int = 1
) -> None:
    """An image of a label map and its structures, cropped to the head: files called ``name``.

    Args:
        contrast_seed: images of one seed have one contrast.
        step: every second voxel along each axis, say.
    """
    layer = read_segmentation(str(file)).layers[0]
    labels = layer.array.astype(np.int32)
    box = tuple(
        slice(max(i.min() - MARGIN, 0), i.max() + MARGIN + 1, step) for i in labels.nonzero()
    )
    affine = layer.grid.affine @ np.diag([step, step, step, 1.0])
    affine[:3, 3] = layer.grid.to_world(np.array([s.start for s in box])[::-1])
    labels, grid = labels[box], Grid(labels[box].shape, affine)
    contrast = numpy_generator(contrast_seed, "contrast").uniform(0.15, 1.0, labels.max() + 1)
    generator = numpy_generator(0, "drawn brain", subject)
    values = contrast * (1 + 0.05 * generator.standard_normal(contrast.size))
    values[0] = 0.0
    texture = ndimage.gaussian_filter(generator.standard_normal(labels.shape), 1.5)
    array = values[labels] + 0.03 * texture / texture.std() * (labels > 0)
    array = ndimage.gaussian_filter(array, 0.6)
    coarse = generator.standard_normal((4, 4, 4))
    bias = ndimage.zoom(coarse, np.array(labels.shape) / 4, order=3)
    array *= np.exp(0.2 * bias / np.abs(bias).max())
    array += 0.03 * generator.standard_normal(labels.shape) * np.where(labels > 0, 1.0, 0.5)
    write_image(Image((1000 * array).astype(np.float32), grid), out / f"{name}.nrrd")
    kept = np.where(np.isin(labels, STRUCTURES), labels, 0).astype(np.int16)
    write_image(Image(kept, grid), out / f"{name}_labels.nrrd")


def brains(data: Path) -> list[dict]:
    """The two T1 brains, both ways."""
    folder = data / "brain_t1_inter"
    return [
        {
            "pair": f"{fixed}_from_{moving}",
            "fixed_subject": fixed,
            "moving_subject": moving,
            "split": "test",
            "group": "brain",
            "twin": 1,
            "fixed": folder / f"{fixed}_t1.nii.gz",
            "moving": folder / f"{moving}_t1.nii.gz",
            "fixed_labels": folder / f"{fixed}_seg13.nii.gz",
            "moving_labels": folder / f"{moving}_seg13.nii.gz",
        }
        for fixed, moving in (("subA", "subC"), ("subC", "subA"))
    ]


def lungs(data: Path, out: Path) -> list[dict]:
    """The lung with its landmarks, both ways."""
    folder, times = data / "lung_ct_followup", ("baseline", "followup")
    with open(folder / "landmarks_lps.csv", newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    for time in times:
        with open(out / f"{time}.csv", "w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(("label", "x", "y", "z"))
            for line in lines:
                writer.writerow([line["elastix_index"], *(line[f"{time}_{a}"] for a in "xyz")])
    return [
        {
            "pair": f"{fixed}_from_{moving}",
            "fixed_subject": "lung",
            "moving_subject": "lung",
            "split": "test",
            "group": "lung",
            "twin": 0,
            "fixed": folder / f"{fixed}.mha",
            "moving": folder / f"{moving}.mha",
            "fixed_mask": folder / f"{fixed}_mask.mha",
            "moving_mask": folder / f"{moving}_mask.mha",
            "fixed_points": out / f"{fixed}.csv",
            "moving_points": out / f"{moving}.csv",
        }
        for fixed, moving in (times, times[::-1])
    ]


def main(data: Path, out: Path) -> None:
    """Write ``out``/pairs.csv."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [*hippocampi(data), *drawn_brains(data, out), *brains(data), *lungs(data, out)]
    with open(out / "pairs.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(
            {k: v.resolve() if isinstance(v, Path) else v for k, v in row.items()} for row in rows
        )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
