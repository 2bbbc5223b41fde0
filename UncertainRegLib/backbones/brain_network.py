"""What the networks trained on brains of 160 x 192 x 224 mm have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..contracts import Backbone
from ..geometry import DisplacementField, Grid, Image
from ..geometry.image import mask_of
from .linear import affine_alignment
from .working_grid import field_from_voxels, trained_grid

SHAPE = (160, 192, 224)
AXES = "LIA"  # FreeSurfer's order, in which the OASIS and IXI training brains are stored


class BrainNetwork(Backbone):
    """Base of backbones whose network was trained on affinely aligned, skull-stripped brains.

    A subclass has ``affine``, ``device``, a ``network`` (a loaded torch module) and
    ``displacement_voxels(moving, fixed)``, which calls it: (B, 1, Z, Y, X) tensors to the
    displacement (B, 3, Z, Y, X) in voxels, channel c along array axis c.
    """

    learned = True
    shape = SHAPE
    axes = AXES
    divide_by = 0.0  # of the intensities; 0: their minimum becomes 0, their maximum 1

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Both images on the network's grid, 1 mm, scaled to [0, 1] or divided by
        ``divide_by``, on the device.

        With ``affine`` the moving image's grid is the fixed one's seen through an estimated
        affine map: the network gets aligned images, and its field becomes the whole map.
        """
        self.network  # noqa: B018  missing weights are reported before any work
        grid = trained_grid(fixed, self.shape, 1.0, self.axes)
        there = grid
        if self.affine:
            there = Grid(grid.shape, affine_alignment(fixed, moving) @ grid.affine)
        return tuple(
            _unit(image.resample(where, outside=float(image.array.min())), self.divide_by).to_torch(
                self.device
            )
            for image, where in ((fixed, grid), (moving, there))
        )

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on the grid of the prepared fixed image."""
        return self.register_many(fixed, [moving])[0]

    def register_many(self, fixed: Image, moving: Sequence[Image]) -> list[DisplacementField]:
        """`register` in one pass; of a stochastic network they are one draw."""
        import torch

        with torch.inference_mode():
            voxels = self.displacement_voxels(*stacked(moving, fixed))
        return fields_of(voxels, fixed, moving)


def stacked(moving: Sequence[Image], fixed: Image):
    """Moving images, and the fixed one for each of them: (B, 1, Z, Y, X) tensors."""
    import torch

    images = torch.stack([one.array for one in moving])[:, None]
    return images, fixed.array[None, None].expand_as(images)


def fields_of(voxels, fixed: Image, moving: Sequence[Image]) -> list[DisplacementField]:
    """Fields (mm LPS) on the grid of the fixed image, of displacements (B, 3, Z, Y, X) in voxels,
    channel c along array axis c."""
    return [
        field_from_voxels(one.permute(1, 2, 3, 0), fixed.grid, image.grid)
        for one, image in zip(voxels, moving, strict=True)
    ]


def ready(network, device: str):
    """A loaded network for inference, in the layout that is fastest on its device."""
    import torch

    from ..memory import keep_freed_memory

    keep_freed_memory()
    return network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last_3d)


def _unit(image: Image, divide_by: float = 0.0) -> Image:
    """Minimum to 0 and maximum to 1, or divided; voxels outside the mask become 0."""
    low, high = float(image.array.min()), float(image.array.max())
    if divide_by:
        low, high = 0.0, divide_by
    scaled = (image.array.astype(np.float32) - low) / max(high - low, 1e-6)
    return Image(scaled * mask_of(image), image.grid, image.mask)
