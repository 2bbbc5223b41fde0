"""A pair of images made by code, whose true registration is known: to try things out.

An organ with texture, in it a lesion and a cyst of one grey value where nothing holds a
registration. The fixed image is the moving one, deformed by up to 7 mm and made noisy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .geometry import DisplacementField, Grid, Image, warp

GRID = Grid.from_spacing((64, 72, 64), (2.5, 2.5, 2.5), (-80.0, -90.0, -80.0))
AMPLITUDE_MM, NOISE = 5.0, 1.5  # of each component of the displacement; grey values
# name: (centre from that of the image, radius) in mm, colour
STRUCTURES = {
    "Organ": (None, None, (0.87, 0.6, 0.45)),
    "Lesion": ((-22.0, 8.0, 10.0), 11.0, (0.3, 0.72, 1.0)),
    "Cyst": ((22.0, -6.0, -8.0), 17.0, (0.35, 0.85, 0.5)),
}
LANDMARKS = {
    "lesion tip": (-22.0, 8.0, 21.0),
    "cyst wall": (22.0, -23.0, -8.0),
    "hilum": (0.0, 20.0, 0.0),
    "apex": (0.0, 0.0, 45.0),
    "lateral edge": (-52.0, 0.0, 0.0),
    "middle of the cyst": (22.0, -6.0, -8.0),
}


@dataclass(frozen=True)
class SamplePair:
    """The images (int16), the structures of the moving one, numbered from 1 in the order of
    STRUCTURES, and the points of LANDMARKS in both, LPS mm."""

    fixed: Image
    moving: Image
    labels: Image
    fixed_points: np.ndarray
    moving_points: np.ndarray


def sample_pair() -> SamplePair:
    """Made anew each time, always the same."""
    moving, labels = _phantom()
    truth = smooth_field(GRID, AMPLITUDE_MM)
    noise = np.random.default_rng(12).normal(0.0, NOISE, (2, *GRID.shape))
    images = [
        Image(np.rint(image.array + grain).astype(np.int16), GRID)
        for image, grain in zip((warp(moving, truth), moving), noise)
    ]
    points = GRID.center + np.array(list(LANDMARKS.values()))
    return SamplePair(*images, labels, points, truth.map(points))


def _phantom() -> tuple[Image, Image]:
    """The moving image, grey values 0 to 130, and its labels in the order of STRUCTURES."""
    moving = textured(GRID, seed=11)
    place = GRID.points(np.zeros(0)) - GRID.center
    labels = (((place / (0.4 * GRID.extent_mm)) ** 2).sum(-1) < 1.0).astype(np.uint8)
    for number, (center, radius, _) in enumerate(STRUCTURES.values(), 1):
        if center is not None:
            inside = np.linalg.norm(place - center, axis=-1) < radius
            labels[inside] = number
            moving.array[inside] = 105.0 if number == 2 else 45.0
    return moving, Image(labels, GRID)


def smooth_field(grid: Grid, amplitude_mm: float = 3.0) -> DisplacementField:
    """A smooth, fold-free displacement with different components, LPS mm."""
    x = grid.points(np.zeros(0)) - grid.center
    scale = 2 * np.pi / (1.7 * grid.extent_mm.max())
    waves = np.stack(
        [
            np.sin(scale * x[..., 1]),
            np.cos(scale * x[..., 2]),
            np.sin(scale * (x[..., 0] + x[..., 1])),
        ],
        -1,
    )
    return DisplacementField((amplitude_mm * waves).astype(np.float32), grid)


def textured(grid: Grid, seed: int = 0, smooth: float = 2.5) -> Image:
    """An ellipsoid with smooth random texture inside, 0 outside; intensities about 0 to 100."""
    from scipy import ndimage

    noise = np.random.default_rng(seed).normal(size=grid.shape)
    noise = ndimage.gaussian_filter(noise, smooth)
    noise = 60 + 20 * noise / noise.std()
    radius = ((grid.points(np.zeros(0)) - grid.center) ** 2 / (0.4 * grid.extent_mm) ** 2).sum(-1)
    edge = 1 / (1 + np.exp(12 * (np.sqrt(radius) - 1)))
    return Image((noise * edge).astype(np.float32), grid)
