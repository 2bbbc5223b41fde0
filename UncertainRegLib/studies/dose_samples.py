"""A dose seen through samples: what each structure receives, and maps.

A dose of the moving image goes with the tissue: sample k gives the point x of the fixed image the
dose at phi_k(x), and the structures are those of the fixed image. A dose of the fixed image stays
where it is, and the structures of the moving image are carried into it, by phi_k. Its maps show the
tissue that the registration phi puts at x; sample k has that at phi_k⁻¹(phi(x)).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ..geometry import (
    DisplacementField,
    Grid,
    Image,
    Segmentation,
    inside_index,
    interpolate,
    invert_at,
)
from ..metrics.rings import boxes_of
from ..posterior.dose import Received, band_of, dose_maps, received, row_of, steps_to
from ..results.maps import OF_DOSE

STRUCTURE_VOXELS = 250_000
TISSUE_VOXELS = 100_000  # where samples are compared with the registration: both are smooth
TISSUE_ITERATIONS = 6  # to find its tissue in a sample, from where the registration has it
SLAB_VALUES = 30_000_000  # doses held at a time: the samples' in some slices
FACE_STEPS = 7  # points along an edge of the box around a structure, to follow it with
MARGIN_MM = 5.0  # about that box


@dataclass
class Seen:
    """What a dose is seen through.

    Attributes:
        registration, fields: mm LPS, fixed to moving; weights: of the fields, of sum 1.
        structures: of the image that the dose is not of.
    """

    dose: Image
    side: str
    registration: DisplacementField
    fields: list[DisplacementField]
    weights: np.ndarray
    structures: Segmentation
    limit_gy: float
    notes: list[str] = field(default_factory=list)


def rows_of(seen: Seen, advance: Callable[[str], None]) -> Iterator[tuple[dict, list[dict]]]:
    """The row of each structure, and its dose-volume histogram."""
    doses = steps_to(float(seen.dose.array.max()))
    members = dict(_members(seen.structures))
    for (name, member), grid in zip(members.items(), _grids(seen, list(members.values()))):
        advance(f"Dose of {name}")
        see = partial(_received, seen, member, grid, doses)
        registered, outside = see(seen.registration)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = [one for one, _ in pool.map(see, seen.fields)]
        there = np.array([one is not None for one in found])
        if registered is None or not there.any():
            seen.notes.append(f"{name}: lies outside the fixed image and receives nothing.")
            continue
        beyond = _beyond(seen, member)
        if beyond > 0.01:
            seen.notes.append(
                f"{100 * beyond:.0f} % of {name} lie outside the fixed image, where the vectors of "
                "its border are used."
                if seen.side == "moving"
                else f"{100 * beyond:.0f} % of {name} lie outside the fixed image; the numbers are "
                "those of the rest."
            )
        if outside > 0.01:
            seen.notes.append(
                f"{100 * outside:.0f} % of {name} lie outside the dose, and count as 0 Gy."
            )
        samples = [one for one in found if one is not None]
        weights = seen.weights[there] / seen.weights[there].sum()
        row = {"name": name, "limit_gy": seen.limit_gy, **row_of(registered, samples, weights)}
        yield row, _histogram(name, doses, registered.curve, *band_of(samples, weights))


def _histogram(name: str, doses: np.ndarray, *curves: np.ndarray) -> list[dict]:
    """Rows of the file of curves: by the registration, and 5 and 95 % of the samples."""
    columns = ("registered_percent", "low_percent", "high_percent")
    return [
        {
            "structure": name,
            "dose_gy": round(float(dose), 4),
            **{c: round(100.0 * float(curve[n]), 3) for c, curve in zip(columns, curves)},
        }
        for n, dose in enumerate(doses)
    ]


def _members(structures: Segmentation) -> Iterator[tuple[str, Image]]:
    """Each structure by name, and where it is (0 or 1), with a border of zeros."""
    for layer in structures.layers:
        for label, box in boxes_of(layer.array).items():
            array = np.pad((layer.array[box] == label).astype(np.float32), 1)
            first = np.array([one.start - 1 for one in box][::-1])
            yield structures.name(label), Image(array, layer.grid.part(first, array.shape))


def _grids(seen: Seen, members: list[Image]) -> list[Grid]:
    """For each structure a grid of the fixed space that holds it as every sample places it."""
    if seen.side == "moving":  # the structures lie still
        return [member.grid.at_most(STRUCTURE_VOXELS) for member in members]
    faces = np.stack([_faces(member.grid) for member in members])
    everyone = (seen.registration, *seen.fields)
    places = np.stack([invert_at(one, faces)[0] for one in everyone], axis=1)
    return [_around(seen.registration.grid, *one) for one in zip(places, members)]


def _faces(grid: Grid) -> np.ndarray:
    """(F, 3) LPS mm, points all over the faces of the field of view."""
    edges = [np.linspace(-0.5, n - 0.5, FACE_STEPS) for n in grid.size]
    cube = np.stack(np.meshgrid(*edges, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid.to_world(cube[((cube == -0.5) | (cube == grid.size - 0.5)).any(axis=1)])


def _around(like: Grid, places: np.ndarray, member: Image) -> Grid:
    """The part of a grid around points (..., 3) LPS mm, as fine as the finer of two images."""
    index, margin = like.to_index(places).reshape(-1, 3), MARGIN_MM / like.spacing
    low = np.floor(np.maximum(index.min(axis=0) - margin, -0.5) + 0.5)
    high = np.ceil(np.minimum(index.max(axis=0) + margin, like.size - 0.5) + 0.5)
    part = like.part(low, tuple(np.maximum(high - low, 1).astype(int)[::-1]))
    finest = min(member.grid.spacing.min(), part.spacing.min())
    return part.at_spacing(finest).at_most(STRUCTURE_VOXELS)


def _beyond(seen: Seen, member: Image) -> float:
    """The share of a structure outside the grid of the registration."""
    index = np.argwhere(member.array > 0)[:, ::-1]
    places = member.grid.to_world(index[:: 1 + len(index) // TISSUE_VOXELS].astype(float))
    if seen.side == "fixed":
        places, _ = invert_at(seen.registration, places)
    grid = seen.registration.grid
    return 1.0 - float(inside_index(grid.shape, grid.to_index(places)).mean())


def _received(
    seen: Seen, structure: Image, grid: Grid, doses: np.ndarray, displacement: DisplacementField
) -> tuple[Received | None, float]:
    """What a structure receives by one sample, and the share of it outside the dose.

    A voxel of ``grid`` counts by the part of it that is in the structure: whole voxels alone would
    move it by steps.
    """
    moved = displacement.resample(grid)
    if seen.side == "moving":
        index = moved.mapped_index(seen.dose.grid)
        volumes = structure.resample(grid).array
    else:
        volumes = interpolate(structure.array, moved.mapped_index(structure.grid))
        index = grid.affine_points(np.linalg.inv(seen.dose.grid.affine) @ grid.affine)
    here = volumes > 0
    index, volumes = index[here], volumes[here]
    total = float(volumes.sum())
    inside = inside_index(seen.dose.grid.shape, index)
    outside = float(volumes[~inside].sum()) / total if total else 0.0
    found = interpolate(seen.dose.array, index, outside=0.0)
    return received(found, volumes, seen.limit_gy, doses), outside


def maps_of(seen: Seen, grid: Grid, advance: Callable[[str], None]) -> dict[str, Image]:
    """The four maps on a grid of the fixed space, a few slices at a time."""
    fields = seen.fields
    if seen.side == "fixed":
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            fields = list(pool.map(partial(_to_same_tissue, seen.registration), fields))
    found = np.zeros((len(OF_DOSE), *grid.shape), np.float32)
    thick = max(1, SLAB_VALUES // (len(fields) * grid.shape[1] * grid.shape[2]))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, grid.shape[0], thick):
            advance("Maps of the dose")
            slab = grid.part([0, 0, start], (min(thick, grid.shape[0] - start), *grid.shape[1:]))
            doses = np.stack(list(pool.map(partial(_doses, seen.dose, slab), fields)))
            maps = dose_maps(doses, seen.weights)
            found[:, start : start + slab.shape[0]] = maps.expected, maps.sd, maps.low, maps.high
    return {name: Image(values, grid) for name, values in zip(OF_DOSE, found)}


def _doses(dose: Image, grid: Grid, displacement: DisplacementField) -> np.ndarray:
    """The dose (Gy) at the points that a field gives to a grid; 0 outside the dose."""
    index = displacement.resample(grid).mapped_index(dose.grid)
    return interpolate(dose.array, index, outside=0.0)


def _to_same_tissue(
    registration: DisplacementField, sample: DisplacementField
) -> DisplacementField:
    """x -> phi_k⁻¹(phi(x)): where a sample has the tissue that the registration puts at x."""
    grid = sample.grid.at_most(TISSUE_VOXELS)
    points = grid.points()
    places, _ = invert_at(sample, registration.map(points), TISSUE_ITERATIONS, start=points)
    return DisplacementField((places - points).astype(np.float32), grid)
