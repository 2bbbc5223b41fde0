"""Small images with known truth, shared by the tests."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from UncertainRegLib.geometry import DisplacementField, Grid, Image
from UncertainRegLib.sample_pair import smooth_field as smooth_field
from UncertainRegLib.sample_pair import textured as textured

OBLIQUE = Rotation.from_euler("xyz", (17, 8, -5), degrees=True).as_matrix()
LEFT_HANDED = np.diag([1.0, 1.0, -1.0]) @ OBLIQUE
AXIAL_FLIPPED = np.diag([-1.0, -1.0, 1.0])

# name -> (fixed grid, moving grid), about the same place in space
GRID_PAIRS = {
    "identity": (Grid.from_spacing((40, 44, 48)), Grid.from_spacing((40, 44, 48))),
    "anisotropic": (
        Grid.from_spacing((16, 44, 48), (1, 1, 2.5)),
        Grid.from_spacing((16, 44, 48), (1, 1, 2.5)),
    ),
    "oblique": (
        Grid.from_spacing((40, 44, 48), (1, 1, 1), (-20, 5, 7), OBLIQUE),
        Grid.from_spacing((40, 44, 48), (1, 1, 1), (-18, 4, 7), OBLIQUE),
    ),
    "left-handed": (
        Grid.from_spacing((40, 44, 48), (1, 0.9, 1.1), (3, -9, 40), LEFT_HANDED),
        Grid.from_spacing((44, 40, 48), (1, 1, 1), (3, -9, 40), LEFT_HANDED),
    ),
    "different field of view": (
        Grid.from_spacing((30, 44, 40), (1.2, 1, 1.3), (0, 0, 0), AXIAL_FLIPPED),
        Grid.from_spacing((48, 60, 64), (1, 1, 1), (8, 9, -6), AXIAL_FLIPPED),
    ),
}


def blob(grid: Grid, center, width: float = 5.0) -> Image:
    """A Gaussian blob of ``width`` mm around an LPS mm point."""
    distance2 = ((grid.points(np.zeros(0)) - np.asarray(center)) ** 2).sum(-1)
    return Image(np.exp(-0.5 * distance2 / width**2).astype(np.float32), grid)


def centroid(image: Image) -> np.ndarray:
    """Intensity-weighted mean position, LPS mm."""
    weight = np.asarray(image.array, np.float64)
    return (image.grid.points(np.zeros(0)) * weight[..., None]).sum((0, 1, 2)) / weight.sum()


def whirl(grid: Grid, center, degrees: float = 170.0, width: float = 5.0) -> DisplacementField:
    """Turned about an axis along z through ``center`` (LPS mm), less and less away from it; steps
    along the gap find no inverse there."""
    x = grid.points(np.zeros(0)) - np.asarray(center)
    angle = np.radians(degrees) * np.exp(-0.5 * (x[..., :2] ** 2).sum(-1) / width**2)
    c, s = np.cos(angle), np.sin(angle)
    moved = np.stack([c * x[..., 0] - s * x[..., 1], s * x[..., 0] + c * x[..., 1], x[..., 2]], -1)
    return DisplacementField((moved - x).astype(np.float32), grid)
