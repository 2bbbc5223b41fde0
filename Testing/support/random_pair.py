"""Pairs as noisy as scans can be, turned, shifted and deformed by a known amount."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from UncertainRegLib.geometry import DisplacementField, Grid, Image, warp
from UncertainRegLib.randomness import numpy_generator

from .phantoms import smooth_field, textured

GRID = Grid.from_spacing((28, 32, 32), (3, 3, 3))


def random_pair(seed: int) -> tuple[Image, Image, DisplacementField, np.ndarray]:
    """Fixed image, moving image, the displacement (mm LPS) between them, and where the fixed body
    is (booleans): a turn of up to 20 degrees about any axis, a shift of up to 6 mm, a deformation
    of 1 to 4 mm; noise on both."""
    generator = numpy_generator(seed, "random pair")
    axis = generator.normal(size=3)
    turn = generator.uniform(0, 20) * axis / np.linalg.norm(axis)
    turn = Rotation.from_rotvec(turn, degrees=True).as_matrix()
    axis = generator.normal(size=3)
    shift = generator.uniform(0, 6) * axis / np.linalg.norm(axis)
    deformation = smooth_field(GRID, generator.uniform(1, 4)).vectors
    points = GRID.points(np.zeros(0)) - GRID.center
    vectors = points @ (turn - np.eye(3)).T + shift + deformation
    truth = DisplacementField(vectors.astype(np.float32), GRID)
    moving = textured(GRID, seed=seed, smooth=1.8)
    fixed = warp(moving, truth)
    return _noisy(fixed, generator), _noisy(moving, generator), truth, fixed.array > 30


def _noisy(image: Image, generator: np.random.Generator) -> Image:
    noise = generator.normal(0, generator.uniform(10, 20), image.grid.shape)
    return Image((image.array + noise).astype(np.float32), image.grid)
