"""Does the map see anatomy that one image lacks? (Tian et al., 5.3)

Two simulated inconsistencies of a real image A that is deformed mildly into B = A∘phi:

- resection: B has a cavity of fluid with a smooth edge, and the tissue around it has moved in;
- truncation: A ends early, as a scan with a smaller field of view, and is background beyond.

The score is the AUROC of u inside against outside the place without a counterpart. The control
pair has the same phi and the same place, and nothing missing: there the map should not stand out.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..contracts import OnRegistration
from ..geometry import DisplacementField, Grid, Image, compose, warp
from ..geometry.foreground import patient
from ..metrics.correlation import auroc
from ..perturbations import Deform
from .disagreement import image_residual
from .rows import Rows, summary, table
from .simulate import deformed
from .study import GROUP, KEY, RESIDUAL, ImageStudy, Unit

CASES = ("resection", "truncation")
MILD = Deform(10, 0.15)
RADIUS = 0.12  # of the smallest extent of the body
MASS_EFFECT = 0.2  # of the radius: how far the wall of the cavity has moved in
EDGE_VOXELS = 0.5  # scale of the smooth edge: 10 to 90 % over about two voxels
FLUID_PERCENTILE = 5.0  # of the body's intensities
KEPT = 0.75  # of the moving image along its longest axis
COLUMNS = {
    "auroc": "AUROC",
    "control_auroc": "control AUROC",
    "inside_mm": "u inside",
    "outside_mm": "u outside",
    "control_inside_mm": "control u inside",
}


@dataclass
class Anatomy(ImageStudy):
    """The study; its cases are from CASES."""

    command, place = "anatomy", 2
    question = "does disagreement show a resection, or a truncated field of view?"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """The image and its cases."""
        cls.add_image_arguments(parser, "cases", CASES, ", ".join(CASES))
        cls.add_repeats(parser)

    def registrations(self) -> int:
        """Of every pair and its control."""
        return 2 * super().registrations()

    def compute(self, unit: Unit, advance: OnRegistration) -> Iterator[dict]:
        """One inconsistent pair and its control: a map of both for every row.

        Raises:
            ValueError: no such case.
        """
        case, pair, maps = unit
        if case not in CASES:
            raise ValueError(f"Unknown case {case!r}; choose from {', '.join(CASES)}.")
        backbone = self.made_backbone()
        changed, control, where, truth = simulate(self.image, case, self.generator(pair))
        sides = []
        for fixed_image, moving_image in (changed, control):
            registered = self.register(backbone, pair, fixed_image, moving_image)
            if registered is None:
                return
            advance(f"{pair['case']} {pair['number']}")
            sides.append(registered)
        grid = sides[0][2].grid
        region = self.region(control[0], truth.resample(grid))
        inside = Image(where.astype(np.float32), self.image.grid).resample(grid).array > 0.5
        for name in maps:
            found = []
            for fixed, moving, registration in sides:
                if name == RESIDUAL:
                    values = image_residual(fixed, moving, registration)
                else:
                    one = self.disagreement(backbone, pair, name, (fixed, moving), advance)
                    if one is None:
                        break
                    values = one.uncertainty_mm
                # The control may have been registered on a grid that differs by a slice.
                found.append(Image(values, registration.grid).resample(grid).array)
            if len(found) < len(sides):
                continue
            mine, other = found
            yield {
                **{column: {**pair, "map": name}[column] for column in KEY},
                "auroc": auroc(mine, inside, region),
                "control_auroc": auroc(other, inside, region),
                "inside_mm": float(np.median(mine[region & inside])),
                "outside_mm": float(np.median(mine[region & ~inside])),
                "control_inside_mm": float(np.median(other[region & inside])),
                "inside_voxels": int((region & inside).sum()),
            }

    @staticmethod
    def table(rows: Rows) -> str:
        """The summary table."""
        return "\n".join(
            [
                table(summary(rows.all, GROUP, tuple(COLUMNS)), GROUP, COLUMNS),
                "",
                "AUROC of the map inside against outside what has no counterpart; u in mm (the image "
                "residual in intensities), medians; intervals: 95 % bootstrap over pairs.",
            ]
        )


Pair = tuple[Image, Image]


def simulate(
    image: Image, case: str, generator: np.random.Generator
) -> tuple[Pair, Pair, np.ndarray, DisplacementField]:
    """An inconsistent pair and its control.

    Args:
        image: a real image.
        case: "resection" or "truncation".
        generator: source of the deformation and the place.

    Returns:
        (fixed, moving) of the inconsistent pair and of the control; booleans (Z, Y, X) on the
        grid of ``image``, fixed space: where the counterpart is missing; and the true
        deformation, fixed to moving.
    """
    truth = MILD.draw(image.grid, generator).field(image.grid)
    if case == "truncation":
        control = (deformed(image, truth), image)
        gone = _beyond(image.grid)
        array = np.where(gone, image.array.min(), image.array)
        where = warp(Image(gone.astype(np.float32), image.grid), truth, None).array > 0.5
        return (control[0], Image(array, image.grid, image.mask)), control, where, truth
    center, radius = _place(image, generator)
    truth = compose(truth, _collapse(image.grid, center, radius))
    control = (deformed(image, truth), image)
    fluid = float(np.percentile(image.array[patient(image)], FLUID_PERCENTILE))
    # Signed distance in mm to the wall, negative inside, over a smooth edge of a voxel or so.
    depth = np.linalg.norm(image.grid.points() - center.astype(np.float32), axis=-1) - radius
    share = 1 / (1 + np.exp(depth / (EDGE_VOXELS * image.grid.spacing.mean())))
    fixed = control[0].array * (1 - share) + fluid * share
    return (
        (Image(fixed.astype(np.float32), image.grid, control[0].mask), image),
        control,
        depth < 0,
        truth,
    )


def _place(image: Image, generator: np.random.Generator) -> tuple[np.ndarray, float]:
    """Centre (LPS mm) and radius (mm) of a cavity inside the body, away from its surface."""
    from scipy import ndimage

    inside = patient(image)
    filled = np.argwhere(inside)
    extent = (np.ptp(filled, axis=0) + 1) * image.grid.spacing[::-1]
    radius = RADIUS * float(extent.min())
    padded = np.pad(inside, 1)  # the edge of the image is a surface too
    depth = ndimage.distance_transform_edt(padded, image.grid.spacing[::-1])[1:-1, 1:-1, 1:-1]
    possible = np.argwhere(depth > min(1.5 * radius, 0.9 * depth.max()))
    return image.grid.to_world(possible[generator.integers(len(possible))][::-1]), radius


def _collapse(grid: Grid, center: np.ndarray, radius: float) -> DisplacementField:
    """Tissue moved towards ``center`` from outside: largest at the wall, gone at twice the radius.

    As a map from fixed to moving, points near the cavity come from farther out.
    """
    away = grid.points() - center.astype(np.float32)
    distance = np.linalg.norm(away, axis=-1)
    size = MASS_EFFECT * radius * np.exp(-0.5 * ((distance - radius) / (0.5 * radius)) ** 2)
    return DisplacementField(
        (away * (size / np.maximum(distance, 1e-3))[..., None]).astype(np.float32), grid
    )


def _beyond(grid: Grid) -> np.ndarray:
    """Booleans (Z, Y, X): the end of the longest axis that a smaller field of view lacks."""
    axis = int(np.argmax(grid.extent_mm[::-1]))
    gone = np.zeros(grid.shape, bool)
    gone[(slice(None),) * axis + (slice(round(KEPT * grid.shape[axis]), None),)] = True
    return gone
