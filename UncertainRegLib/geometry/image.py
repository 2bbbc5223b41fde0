"""An image: a scalar array on a grid, with an optional mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from .arrays import Array, is_torch, namespace, to_numpy
from .grid import Grid
from .interpolate import regrid


@dataclass(frozen=True)
class Image:
    """Intensities (or labels) on a grid.

    Attributes:
        array: (Z, Y, X) numpy array or torch tensor.
        grid: where the voxels are, LPS mm.
        mask: (Z, Y, X) of the same library, 1 where the image may be used, or None for everywhere.
    """

    array: Array
    grid: Grid
    mask: Array | None = None

    def __post_init__(self) -> None:
        for name, values in (("array", self.array), ("mask", self.mask)):
            if values is not None and tuple(values.shape) != self.grid.shape:
                raise ValueError(
                    f"Image {name} has shape {tuple(values.shape)}, its grid {self.grid.shape}."
                )

    def resample(self, grid: Grid, mode: str = "linear", outside: float | None = None) -> Image:
        """This image on another grid; coarser grids are smoothed first when ``mode`` is linear."""
        if grid == self.grid:
            return self
        array = self.array
        if mode == "linear" and not is_torch(array):
            array = _antialias(array, self.grid, grid)
        mask = None if self.mask is None else regrid(self.mask, self.grid, grid, "nearest", 0)
        return Image(regrid(array, self.grid, grid, mode, outside), grid, mask)

    def to_torch(self, device: str = "cpu") -> Image:
        """The same image as a float32 torch tensor on ``device``."""
        import torch

        mask = None if self.mask is None else torch.as_tensor(to_numpy(self.mask), device=device)
        array = np.ascontiguousarray(to_numpy(self.array), dtype=np.float32)
        return Image(torch.as_tensor(array, device=device), self.grid, mask)

    def to_numpy(self) -> Image:
        """The same image as a numpy array."""
        mask = None if self.mask is None else to_numpy(self.mask)
        return Image(to_numpy(self.array), self.grid, mask)


def _antialias(array: np.ndarray, old: Grid, new: Grid) -> np.ndarray:
    """Gaussian smoothing for axes that the new grid samples more coarsely (sigma 0.5 x factor)."""
    from scipy import ndimage

    index_per_new_voxel = np.abs(np.linalg.inv(old.affine[:3, :3]) @ new.affine[:3, :3])
    factor = index_per_new_voxel.max(axis=1)
    sigma = np.where(factor > 1.2, 0.5 * factor, 0.0)[::-1]
    return ndimage.gaussian_filter(array.astype(np.float32), sigma, mode="nearest", truncate=3.0)


def to_sitk(image: Image) -> sitk.Image:
    """SimpleITK image with the same values and geometry (LPS)."""
    return set_geometry(sitk.GetImageFromArray(to_numpy(image.array)), image.grid)


def from_sitk(image: sitk.Image) -> Image:
    """Our image from a SimpleITK scalar volume (values are copied)."""
    return Image(sitk.GetArrayFromImage(image), grid_from_sitk(image))


def set_geometry(image: sitk.Image, grid: Grid) -> sitk.Image:
    """Give a SimpleITK image the geometry of ``grid`` in place, and return it."""
    image.SetSpacing(grid.spacing.tolist())
    image.SetOrigin(grid.origin.tolist())
    image.SetDirection(grid.direction.ravel().tolist())
    return image


def grid_from_sitk(image: sitk.Image) -> Grid:
    """Grid of a SimpleITK volume (LPS mm)."""
    return Grid.from_spacing(
        image.GetSize()[::-1], image.GetSpacing(), image.GetOrigin(), image.GetDirection()
    )


def mask_of(image: Image) -> Array:
    """(Z, Y, X) boolean: the mask, or all ones."""
    if image.mask is not None:
        return image.mask > 0
    xp = namespace(image.array)
    return xp.ones_like(image.array, dtype=xp.bool if is_torch(image.array) else bool)
