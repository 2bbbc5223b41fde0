"""One pair, registered and sampled, and the errors of it that are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace as with_changes
from pathlib import Path

import numpy as np

from .. import backbones
from ..expected_error.cues import anatomy_of, cues_of_images, cues_of_samples, logs, means
from ..expected_error.fit import KnownErrors
from ..geometry import DisplacementField, interpolate
from ..jobs import Job
from ..jobs.inputs import Inputs, read_inputs
from ..jobs.products import warped_labels
from ..jobs.summary import Summary
from ..metrics.boundaries import BoundaryErrors, boundary_errors, surface_mm2
from ..metrics.landmarks import distances
from ..posterior.points import map_to_fixed
from ..randomness import numpy_generator
from ..results.atomic import replace
from ..samplers import create_sampler
from .twin import twin

POINTS = 400  # of each structure's boundary at most
FEWEST_VOXELS = 60  # of a structure in both images
FLATTEST = 1e-6
PLAIN = ("across_mm", "length_mm", "volumes_ml", "areas_ml", "centroids_mm", "is_simulated")


def known_errors(
    job: Job, subjects: tuple[str, str], simulated: bool, advance: Callable[[], None] = lambda: None
) -> list[KnownErrors]:
    """Register and sample a pair as a run does, and compare with its truth.

    Args:
        job: with segmentations or landmarks of both images.
        subjects: whom the images are of.
        simulated: the same for a simulated twin of the pair as well, whose truth is known
            everywhere (`twin`); only with segmentations.
        advance: called after every registration.

    Raises:
        ValueError: a file cannot be used, or neither segmentations nor landmarks are there.
    """
    inputs = read_inputs(job)
    if inputs.fixed_labels is None and inputs.fixed_points is None:
        raise ValueError(f"{job.fixed}: the pair has neither segmentations nor landmarks of both.")
    generator = numpy_generator(job.seed, "truth", *subjects)
    found = [_registered(job, inputs, subjects, generator, None, advance)]
    if simulated and inputs.moving_labels is not None:
        registration = found[0][1]
        fixed, truth = twin(inputs.fixed, inputs.moving, registration, generator)
        inputs = with_changes(inputs, fixed=fixed, fixed_labels=inputs.moving_labels.warp(truth))
        found.append(_registered(job, inputs, subjects, generator, truth, advance))
    return [errors for errors, _ in found]


def _registered(
    job: Job, inputs: Inputs, subjects: tuple[str, str], generator, truth, advance
) -> tuple[KnownErrors, DisplacementField]:
    backbone = backbones.create(job.backbone, job.device, **job.parameters.get("backbone", {}))
    sampler = create_sampler(job.method, backbone, job.perturbation, job.parameters, job.device)
    fixed, moving = backbone.prepare(inputs.fixed, inputs.moving)
    registration = backbone.register(fixed, moving).to_numpy()
    advance()
    summary = Summary(inputs, registration)
    for sample in sampler.sample(fixed, moving, job.samples, generator):
        summary.add(sample)
        advance()
    back = backbone.register(*backbone.prepare(inputs.moving, inputs.fixed)).to_numpy()
    advance()
    stream = summary.stream
    fixed = fixed.to_numpy()
    found = cues_of_images(fixed, moving.to_numpy(), registration)
    found |= cues_of_samples(stream.uncertainty_mm(), registration.grid.voxel_mm)
    others = _others(found, registration, back)
    anatomy = anatomy_of(fixed, registration.grid)
    return _against_truth(summary, logs(found), anatomy, others, subjects, truth), registration


def _against_truth(
    summary: Summary,
    cue_maps: dict[str, np.ndarray],
    anatomy: np.ndarray,
    other_maps: dict[str, np.ndarray],
    subjects: tuple[str, str],
    truth: DisplacementField | None,
) -> KnownErrors:
    """The known errors of a registration, with cues and other maps at the same points.

    Args:
        truth: of a simulated pair.
    """
    inputs, registration = summary.inputs, summary.registration
    points, across, length, whole, boundaries = [], [], [], [], []
    count = 0
    if inputs.fixed_labels is not None:
        of_whole = _whole(summary)
        for label, there in _boundaries(inputs, registration):
            boundaries.append(np.arange(count, count + len(there.points)))
            count += len(there.points)
            points.append(there.points)
            across.append(there.errors_mm)
            length.append(_length(registration, truth, there.points))
            whole.append(of_whole[label])
    elif inputs.fixed_points is not None:
        known = inputs.known_points
        true = inputs.fixed_points[known]
        points.append(true)
        across.append(np.full(len(true), np.nan))
        length.append(distances(map_to_fixed(registration, inputs.moving_points[known]), true))
    where = registration.grid.to_index(np.concatenate(points))
    table = np.array(whole).reshape(-1, 4)
    return KnownErrors(
        frozenset(subjects),
        np.array(registration.grid.voxel_mm),
        {name: interpolate(values, where) for name, values in cue_maps.items()},
        means(cue_maps, anatomy),
        np.concatenate(across),
        np.concatenate(length),
        table[:, :2],
        table[:, 2],
        table[:, 3],
        np.array(truth is not None),
        boundaries,
        {name: interpolate(values, where) for name, values in other_maps.items()},
    )


def _length(
    registration: DisplacementField, truth: DisplacementField | None, points: np.ndarray
) -> np.ndarray:
    """Length of the error in mm at points of the fixed space, as of landmarks: how far from each
    the registration puts its true counterpart; NaN if not known, or where it folds."""
    if truth is None:
        return np.full(len(points), np.nan)
    counterparts = points + interpolate(truth.vectors, truth.grid.to_index(points))
    return distances(map_to_fixed(registration, counterparts), points)


def _boundaries(
    inputs: Inputs, registration: DisplacementField
) -> Iterator[tuple[int, BoundaryErrors]]:
    """Label and errors of every structure that both images show."""
    fixed, moving = inputs.fixed_labels, inputs.moving_labels
    generator = numpy_generator(0, "boundary points")
    for true, other, labels in zip(fixed.layers, moving.layers, moving.labels_of_layers):
        for label in labels:
            here, there = true.array == label, other.array == label
            if min(here.sum(), there.sum()) >= FEWEST_VOXELS:
                errors = boundary_errors(
                    registration, here, true.grid, there, other.grid, POINTS, generator
                )
                yield label, errors


def _whole(summary: Summary) -> dict[int, tuple[float, float, float, float]]:
    """Of each structure: its volume in mL as the table of a run has it, the true one, the surface
    of the registered structure times 1 mm in mL, and the distance of the centroids in mm."""
    inputs, found = summary.inputs, {}
    warped = warped_labels(summary, summary.label_grid)
    for layer, registered, true in zip(
        summary.stream.labels, warped.layers, inputs.fixed_labels.layers
    ):
        for place, label in enumerate(layer.labels):
            here = np.argwhere(true.array == label)
            if len(here):
                apart = layer.weights @ layer.centroids[:, place] - true.grid.to_world(
                    here.mean(axis=0)[::-1]
                )
                found[label] = (
                    float(layer.weights @ layer.volumes_ml[:, place]),
                    len(here) * true.grid.voxel_volume_ml,
                    surface_mm2(registered.array == label, registered.grid) / 1000.0,
                    float(np.linalg.norm(apart)),
                )
    return found


def _others(
    found: dict[str, np.ndarray], registration: DisplacementField, back: DisplacementField
) -> dict[str, np.ndarray]:
    """Maps to compare with: each cue that others use alone, and the inverse consistency; the
    disagreement in mm."""
    returned = interpolate(back.vectors, registration.mapped_index(back.grid))
    return {
        "disagreement": found["disagreement"] * registration.grid.voxel_mm,
        "image residual": found["residual"],
        "1 - local correlation": found["unlike"],
        "flatness": found["gap"] / np.maximum(found["residual"], FLATTEST),
        "inverse consistency": np.linalg.norm(registration.vectors + returned, axis=-1),
    }


def write_known(errors: KnownErrors, path: Path) -> None:
    """Write them as one file of arrays (.npz), in one step."""
    arrays = {
        "subjects": np.array(sorted(errors.subjects)),
        "voxel_mm": errors.voxel_mm,
        "structure": _structure(errors),
        **{name: getattr(errors, name) for name in PLAIN},
        **{f"cue:{name}": values for name, values in errors.cues.items()},
        **{f"mean:{name}": np.array(value) for name, value in errors.means.items()},
        **{f"map:{name}": values for name, values in errors.maps.items()},
    }

    def write(draft: Path) -> None:
        with open(draft, "wb") as stream:
            np.savez_compressed(stream, **arrays)

    replace(path, write)


def read_known(path: Path) -> KnownErrors:
    """Read what `write_known` wrote."""
    with np.load(path) as found:
        structure = found["structure"]
        return KnownErrors(
            frozenset(found["subjects"].tolist()),
            found["voxel_mm"],
            {name[4:]: found[name] for name in found.files if name.startswith("cue:")},
            {name[5:]: float(found[name]) for name in found.files if name.startswith("mean:")},
            *(found[name] for name in PLAIN),
            [np.flatnonzero(structure == number) for number in range(structure.max() + 1)],
            {name[4:]: found[name] for name in found.files if name.startswith("map:")},
        )


def _structure(errors: KnownErrors) -> np.ndarray:
    """(P,) number of the structure that a point is of; -1 for landmarks."""
    structure = np.full(len(errors.across_mm), -1)
    for number, chosen in enumerate(errors.boundaries):
        structure[chosen] = number
    return structure
