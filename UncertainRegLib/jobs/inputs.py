"""Reading and checking everything a job names, before any folder is made or work is done."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from ..backbones.suited import READ_VOXELS
from ..checksum import sha256_of
from ..geometry import (
    Grid,
    Image,
    Segmentation,
    inside_index,
    read_image,
    read_landmarks,
    read_segmentation,
)
from ..geometry.files import InputError, Say, check_overlap
from ..geometry.transform_file import GivenTransform, read_transform
from ..json_text import each_once
from .given import Given, on_fixed
from .job import Job
from .pairs import pair_points, pair_structures, some_of

ON_VOXEL = 0.1  # voxels: what lies so near to a voxel is on it
FEWEST_MASKED = 64  # voxels, those of the smallest image: fewer say nothing of where an organ lies


@dataclass
class Inputs:
    """What a run works on.

    Attributes:
        fixed, moving: images (numpy), with their masks where given.
        moving_labels, fixed_labels: segmentations on grids of their own, or None; the same
            structures have the same labels, and lie in the same layers.
        point_names, moving_points, fixed_points: landmarks, (P, 3) LPS mm, or None; a fixed one
            that is not known is NaN.
        given: the registration that is judged, None where it is the backbone's own; inverse: what
            was given as its inverse, or None.
        record: the "inputs" entry of result.json.
        notes: what the readers of the files had to decide, a sentence each.
    """

    fixed: Image
    moving: Image
    moving_labels: Segmentation | None = None
    fixed_labels: Segmentation | None = None
    point_names: list[str] = field(default_factory=list)
    moving_points: np.ndarray | None = None
    fixed_points: np.ndarray | None = None
    given: Given | None = None
    inverse: GivenTransform | None = None
    record: dict = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @cached_property
    def small(self) -> tuple[Image, Image]:
        """Both images on grids of at most about `READ_VOXELS`, to compare their intensities on."""
        return tuple(
            one.resample(one.grid.at_most(READ_VOXELS)) for one in (self.fixed, self.moving)
        )

    @property
    def known_points(self) -> np.ndarray:
        """(P,) booleans: the landmarks whose true position in the fixed image is known."""
        return np.isfinite(self.fixed_points).all(axis=1)


def read_inputs(job: Job) -> Inputs:
    """Read and check all files of a job.

    Raises:
        InputError: a file cannot be used; the message names it and says what to do.
    """
    notes: list[str] = []
    say = notes.append
    _say_twice(job, say)
    fixed, moving = read_image(job.fixed, say), read_image(job.moving, say)
    check_overlap(fixed.grid, moving.grid, job.fixed, job.moving)
    inputs = Inputs(
        _masked(fixed, job.fixed_mask, job.fixed, say),
        _masked(moving, job.moving_mask, job.moving, say),
        notes=notes,
    )
    if job.moving_labels:
        inputs.moving_labels, inputs.fixed_labels = read_structures(
            job.moving_labels, job.fixed_labels, job.label_names, say
        )
        check_overlap(moving.grid, inputs.moving_labels.grid, job.moving, job.moving_labels)
        _say_cut_off(inputs.moving_labels, moving.grid, job.moving_labels, job.moving, say)
    if job.fixed_labels:
        check_overlap(fixed.grid, inputs.fixed_labels.grid, job.fixed, job.fixed_labels)
        _say_cut_off(inputs.fixed_labels, fixed.grid, job.fixed_labels, job.fixed, say)
    if job.moving_points:
        _read_points(inputs, job, say)
    if job.transform:
        transform = read_transform(job.transform, say)
        inputs.given = on_fixed(transform, fixed.grid, job.fixed, say)
    if job.inverse:
        inputs.inverse = read_transform(job.inverse, say)
    inputs.record = {
        name: _file_record(file, job.names.get(name.rstrip("_0123456789")))
        for name, file in job.files().items()
    }
    inputs.record["fixed"]["shape"] = list(fixed.grid.shape)
    inputs.record["moving"]["shape"] = list(moving.grid.shape)
    return inputs


def _say_twice(job: Job, say: Say) -> None:
    """Say where the fixed and the moving one are the same file."""
    for what, one, other in (
        ("segmentations", job.fixed_labels, job.moving_labels),
        ("landmarks", job.fixed_points, job.moving_points),
    ):
        if one and Path(one) == Path(other):
            say(
                f"{one}: is given as both {what}, so that overlaps and distances by it mean nothing; "
                "give those of each image."
            )


def _masked(image: Image, mask_file: str, image_file: str, say: Say) -> Image:
    if not mask_file:
        return image
    mask = read_segmentation(mask_file, say).foreground()
    check_overlap(image.grid, mask.grid, image_file, mask_file)
    if not _on_voxels(mask.grid, image.grid):
        say(
            f"{mask_file}: has other voxels than {image_file}, and was brought to them where its "
            "header places it; is it the mask of this image?"
        )
    mask = mask.resample(image.grid, "nearest", 0).array > 0
    marked = int(mask.sum())
    if marked < FEWEST_MASKED:
        raise InputError(
            f"{mask_file}: does not mark any voxel of {image_file}."
            if not marked
            else f"{mask_file}: marks only {marked} voxels of {image_file}, too few to register "
            f"anything by; mark {FEWEST_MASKED} or more."
        )
    return Image(image.array, image.grid, mask.astype(np.uint8))


def _on_voxels(one: Grid, other: Grid) -> bool:
    """Are the voxels of one grid some of those of another, or of its continuation?"""
    between = np.linalg.inv(other.affine) @ one.affine
    whole = np.rint(between)
    axes = np.abs(whole[:3, :3])
    drift = np.abs(between - whole)[:3] @ np.array([*one.size, 1.0])
    return bool((axes.sum(0) == 1).all() and (axes.sum(1) == 1).all() and drift.max() < ON_VOXEL)


def _say_cut_off(
    labels: Segmentation, image: Grid, labels_file: str, image_file: str, say: Say
) -> None:
    """Say which structures end where their file ends, although the image goes on.

    A file that structures touch on all six sides was cropped to them, and cuts nothing off.
    """
    cut, touched = set(), set()
    for layer in labels.layers:
        for axis, n in enumerate(layer.grid.size):
            for face, step in ((0, -1.0), (n - 1, 1.0)):
                values = np.take(layer.array, face, 2 - axis)
                touched |= {(axis, step)} if values.any() else set()
                found = np.argwhere(values > 0)[:, ::-1]
                beyond = np.insert(found.astype(float), axis, face + step, axis=1)
                index = image.to_index(layer.grid.to_world(beyond))
                cut |= set(values[values > 0][inside_index(image.shape, index)].tolist())
    if cut and len(touched) < 6:
        say(
            f"{labels_file}: ends within {image_file}, and cuts these structures off: "
            f"{some_of([labels.name(label) for label in sorted(cut)])}. Their volumes, overlaps "
            "and distances are those of the part that is left."
        )


def _read_points(inputs: Inputs, job: Job, say: Say) -> None:
    """The landmarks that have a position on the moving image, and where they truly are."""
    names, points = read_landmarks(job.moving_points, say)
    placed = np.isfinite(points).all(axis=1)
    inputs.point_names = [name for name, here in zip(names, placed) if here]
    inputs.moving_points = points[placed]
    if job.fixed_points:
        titles = (job.moving_points, job.fixed_points)
        inputs.fixed_points = pair_points(
            (names, points), read_landmarks(job.fixed_points, say), titles, say
        )[placed]
    _say_outside(inputs, say)


def _say_outside(inputs: Inputs, say: Say) -> None:
    """Say which landmarks lie outside their image; no error is counted of them."""
    without = np.zeros(len(inputs.point_names), bool)
    for points, image, name in (
        (inputs.moving_points, inputs.moving, "moving"),
        (inputs.fixed_points, inputs.fixed, "fixed"),
    ):
        if points is None:
            continue
        known = np.isfinite(points).all(axis=1)
        outside = known & ~inside_index(image.grid.shape, image.grid.to_index(points))
        if outside.any():
            labels = [label for label, there in zip(inputs.point_names, outside) if there]
            say(
                f"These landmarks lie outside the {name} image, so their numbers mean nothing: "
                f"{some_of(labels)}."
            )
            without |= outside
    if inputs.fixed_points is not None:
        inputs.fixed_points[without] = np.nan


def read_structures(
    moving_file: str, fixed_file: str, label_names: dict, say: Say
) -> tuple[Segmentation, Segmentation | None]:
    """The moving segmentation, and the true one (None without a file) with the same labels.

    Args:
        label_names: names of label values, as in a job. They count more than those of the moving
            file; for the fixed one they count where it has none.

    Raises:
        InputError: a file cannot be used, or they have no structure in common.
    """
    given = {int(label): str(name) for label, name in label_names.items()}
    moving = read_segmentation(moving_file, say)
    other = [
        f"{given[label]} ({name} in the file)"
        for label, name in moving.names.items()
        if given.get(label, name) != name
    ]
    if other:
        say(
            f"The label names that were given are not those of {Path(moving_file).name}: "
            f"{some_of(other)}."
        )
    moving = moving.named(given)
    double = [name for label, name in moving.names.items() if given.get(label, name) != name]
    if double:
        say(
            "The label names that were given occur more than once; the later ones are called "
            f"{some_of(double)}."
        )
    if not fixed_file:
        return moving, None
    fixed = read_segmentation(fixed_file, say)
    if not fixed.names:
        fixed = fixed.named(given)
    return pair_structures(moving, fixed, (moving_file, fixed_file), say)


def _file_record(path: str, called: str | None) -> dict:
    """Where an input is, what it is called, if not like its file, and the hash of its content; of a
    DICOM folder that of all its files."""
    entry = {"file": str(Path(path).resolve()), "sha256": checksum(path)}
    return entry | ({"name": str(called)} if called else {})


def checksum(path: str | Path) -> str:
    """SHA-256 of an input; of a DICOM folder that of all its files."""
    where = Path(path)
    files = sorted(where.iterdir()) if where.is_dir() else [where]
    return sha256_of(*filter(Path.is_file, files))


def read_label_names(path: str) -> dict[str, str]:
    """Label names from a JSON file: {"10": "Thalamus"} or {"10": {"name": "Thalamus"}}.

    Raises:
        InputError: unreadable.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        content = json.loads(text, object_pairs_hook=each_once)
        names = each_once(
            [
                (str(int(value)), entry["name"] if isinstance(entry, dict) else entry)
                for value, entry in content.items()
            ]
        )
        for label, name in names.items():
            if not isinstance(name, str) or not name.strip():
                raise ValueError(f"the name of label {label} is {name!r}")
        return names
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise InputError(
            f'{path}: cannot be read as label names ({error}); give JSON like {{"10": "Thalamus"}}.'
        ) from None
