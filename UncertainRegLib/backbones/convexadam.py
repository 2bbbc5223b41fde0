"""ConvexAdam (Siebert et al.): discrete search on MIND features, then Adam refinement.

Runs through the ``convexAdam`` package (Apache-2.0), on the GPU when there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contracts import Backbone
from ..geometry import DisplacementField, Grid, Image
from ..geometry.arrays import as_like
from .facts import Facts
from .prepare import prepared

RIM_VOXELS = 6  # over which the package averages its field, with zeros beyond the image
SHOWN_VOXELS = 1  # of the rim: what the moving image has there; the others repeat its edge
CELL_VOXELS = 2  # of the package's finest grid; a voxel that fills no cell is left out


@dataclass(frozen=True)
class ConvexAdam(Backbone):
    """ConvexAdam with the package's default settings on a near-isotropic grid of the fixed image.

    Attributes:
        voxels: size of the working grid, about.
        iterations: Adam steps after the discrete search.
        device: "cpu" or a torch device.
    """

    voxels: int = 1_000_000
    iterations: int = 80
    device: str = "cpu"

    place = 3
    facts = Facts(
        name="convexadam",
        title="ConvexAdam (MIND features)",
        modality="any, also different ones",
        compares_structure=True,
        advice="For different contrasts: five heads of two contrasts ended 2.4 to 4.9 mm off (4 to "
        "18 mm as they lay), three prostates in MR and ultrasound 1.6 to 2.4 mm (3 to 6 mm).",
        packages={"torch": "torch", "convexAdam": "convexAdam"},
        working_grid="the fixed field of view, about a million voxels; displacements up to "
        "24 voxels",
    )

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Both images as torch tensors on the working grid of the fixed one, in [0, 1].

        With masks the moving image is first shifted so that the mask centres meet.
        """
        images = prepared(fixed, moving, self.voxels, affine=False)
        return tuple(image.to_torch(self.device) for image in images)

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on the grid of the prepared fixed image.

        Both images get a rim, which the field loses again: with zeros so near, a crop that shows
        anatomy up to its faces would be held back there.
        """
        import torch
        from convexAdam.convex_adam_MIND import convex_adam_pt

        start = _mask_shift(fixed, moving)
        wider = fixed.grid.part(
            [-SHOWN_VOXELS] * 3, [n + 2 * SHOWN_VOXELS for n in fixed.grid.shape]
        )
        moved = _shifted(moving, start).resample(wider, outside=None)
        rim = [(RIM_VOXELS, RIM_VOXELS + n % CELL_VOXELS) for n in fixed.grid.shape]
        rest = [(before - SHOWN_VOXELS, after - SHOWN_VOXELS) for before, after in rim]
        images = _with_rim(fixed.array, rim), _with_rim(moved.array, rest)
        with torch.random.fork_rng():  # the package seeds torch; keep that from the caller
            voxels = convex_adam_pt(
                *images,
                selected_niter=self.iterations,
                dtype=torch.float32,
                device=torch.device(self.device),
                verbose=False,
            )
        # The package counts one cell too few along each axis when it moves features by a field.
        cells = np.array(images[0].shape) // CELL_VOXELS
        voxels = voxels[tuple(slice(before, -after) for before, after in rim)] * cells / (cells - 1)
        # (Z, Y, X, 3) in voxels along the array axes (k, j, i) -> mm along x, y, z
        voxels = torch.as_tensor(
            np.ascontiguousarray(voxels[..., ::-1]), dtype=torch.float32, device=fixed.array.device
        )
        vectors = voxels @ as_like(fixed.grid.affine[:3, :3].T, voxels) + as_like(start, voxels)
        return DisplacementField(vectors, fixed.grid)


def _with_rim(array, rim):
    """A torch image (Z, Y, X) whose edge values go on: so many voxels before and after it along
    each array axis."""
    from torch.nn.functional import pad

    sides = [side for ends in reversed(rim) for side in ends]
    return pad(array[None, None], sides, mode="replicate")[0, 0]


def _mask_shift(fixed: Image, moving: Image) -> np.ndarray:
    """Shift in mm that brings the centre of the fixed mask to that of the moving mask."""
    if fixed.mask is None or moving.mask is None:
        return np.zeros(3)
    centers = [
        image.grid.to_world(np.argwhere(image.to_numpy().mask > 0)[:, ::-1].mean(axis=0))
        for image in (fixed, moving)
    ]
    return centers[1] - centers[0]


def _shifted(image: Image, shift: np.ndarray) -> Image:
    """The image moved by −shift in space, so that it can be read at unshifted positions."""
    affine = image.grid.affine.copy()
    affine[:3, 3] -= shift
    return Image(image.array, Grid(image.grid.shape, affine), image.mask)
