"""Pictures of a result through one point: anatomy, disagreement and outlines, as RGB arrays.

Needs neither Slicer nor a plotting library. Pictures are shown as radiologists look at them:
the patient's right is on the left.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid, Image, Segmentation, interpolate
from ..palette import colors

OUTLINE = (90, 200, 255)
CROSS = (0, 255, 255)
# name: (direction of columns, direction of rows, (left, right, top, bottom) letters), LPS
PLANES = {
    "axial": ((1, 0, 0), (0, 1, 0), "RLAP"),
    "coronal": ((1, 0, 0), (0, 0, -1), "RLSI"),
    "sagittal": ((0, 1, 0), (0, 0, -1), "APSI"),
}


def plane_grid(grid: Grid, point, name: str) -> Grid:
    """A one-voxel-thick grid through ``point`` (LPS mm) that covers the view of ``grid``."""
    column, row = (np.array(direction, float) for direction in PLANES[name][:2])
    direction = np.stack([column, row, np.cross(column, row)], axis=1)
    along = (grid.corners() - point) @ direction
    low, high = along.min(0), along.max(0)
    spacing = float(grid.spacing.min())
    width, height = (int(np.ceil((high[a] - low[a]) / spacing)) for a in (0, 1))
    origin = np.asarray(point) + direction[:, :2] @ (low[:2] + spacing / 2)
    return Grid.from_spacing((1, height, width), (spacing,) * 3, origin, direction)


def draw(
    name: str,
    point,
    fixed: Image,
    overlay: Image,
    window: tuple[float, float, float],
    labels: Segmentation | None = None,
    opacity: float = 0.6,
) -> np.ndarray:
    """One plane as (H, W, 3) uint8.

    Args:
        name: a key of PLANES.
        point: LPS mm; marked by a small cross.
        fixed: anatomy in grey.
        overlay: map in colours; NaN is not drawn.
        window: values of the darkest and the brightest colour, and the value below which the
            map is not drawn.
        labels: structures whose outlines are drawn.
        opacity: of the map.
    """
    grid = plane_grid(fixed.grid, point, name)
    grey = _sample(fixed, grid, 0.0)
    bottom, top = np.percentile(fixed.array[fixed.array > fixed.array.min()], (1, 99.5))
    picture = np.repeat(np.clip((grey - bottom) / (top - bottom), 0, 1)[..., None] * 255, 3, -1)
    low, high, hidden = window
    values = _sample(overlay, grid, np.nan)
    shown = np.isfinite(values) & (values >= hidden)
    level = np.clip((np.nan_to_num(values) - low) / max(high - low, 1e-6), 0, 1)
    tint = colors("inferno")[(255 * level).astype(int)]
    picture[shown] = (1 - opacity) * picture[shown] + opacity * tint[shown]
    for layer in labels.layers if labels is not None else ():
        picture[_edges(_sample(layer, grid, 0, "nearest"))] = OUTLINE
    at = np.round(grid.to_index(np.asarray(point, float))).astype(int)[:2]
    for step in range(4, 9):
        for dx, dy in ((step, 0), (-step, 0), (0, step), (0, -step)):
            x, y = at + (dx, dy)
            if 0 <= y < picture.shape[0] and 0 <= x < picture.shape[1]:
                picture[y, x] = CROSS
    return picture.astype(np.uint8)


def png(picture: np.ndarray) -> bytes:
    """An RGB array (H, W, 3) as the bytes of a PNG file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        sitk.WriteImage(sitk.GetImageFromArray(picture, isVector=True), str(path))
        return path.read_bytes()


def _sample(image: Image, grid: Grid, outside: float, mode: str = "linear") -> np.ndarray:
    """(H, W) values of an image on a plane."""
    index = grid.affine_points(np.linalg.inv(image.grid.affine) @ grid.affine)
    return interpolate(image.array, index, mode, outside)[0]


def _edges(member: np.ndarray) -> np.ndarray:
    """Pixels whose right or lower neighbour has another label."""
    edge = np.zeros(member.shape, bool)
    edge[:, :-1] |= member[:, :-1] != member[:, 1:]
    edge[:-1] |= member[:-1] != member[1:]
    return edge
