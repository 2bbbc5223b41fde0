"""Symmetric normalisation (SyN; Avants et al., MedIA 2008), through the antspyx package."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..contracts import Backbone
from ..geometry import DisplacementField, Image
from .facts import Facts
from .linear import affine_alignment, after, seen_through
from .prepare import prepared


@dataclass(frozen=True)
class AntsSyN(Backbone):
    """SyN, after our own affine start: that of ANTs samples at random, so two calls differ.

    Its field is zero on the border of the image and held back for about five voxels beside it:
    in a crop that shows anatomy up to its faces, the error grows there (`surroundings.py`).

    Attributes:
        affine: estimate an affine map first.
        metric: "CC" (local correlation, same modality) or "mattes" (mutual information, any).
        iterations: SyN steps from the coarsest to the finest level.
        voxels: size of the working grid, about.
    """

    affine: bool = True
    metric: str = "CC"
    iterations: tuple[int, ...] = (40, 20, 10)
    voxels: int = 1_000_000

    place = 14
    facts = Facts(
        name="ants",
        title="ANTs SyN",
        modality="same in both; or any, by setting",
        packages={"ants": "antspyx"},
        working_grid="the fixed field of view, about a million voxels",
    )

    @property
    def one_contrast(self) -> bool:
        """Its default metric is for one contrast; mutual information is for any."""
        return self.metric != "mattes" and self.facts.one_contrast

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Both images on their working grids, intensities normalised to [0, 1]."""
        return prepared(fixed, moving, self.voxels, self.affine)

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on the grid of the prepared fixed image."""
        import ants

        start = affine_alignment(fixed, moving) if self.affine else np.eye(4)
        aligned = seen_through(moving, start).resample(fixed.grid, outside=0.0)
        with tempfile.TemporaryDirectory() as folder:
            found = ants.registration(
                _to_ants(fixed),
                _to_ants(aligned),
                outprefix=str(Path(folder) / "syn"),
                type_of_transform="SyNOnly",
                initial_transform="identity",
                syn_metric=self.metric,
                reg_iterations=tuple(self.iterations),
                # antspyx takes this as bins of mattes, but as the radius of CC: 32 never ends
                syn_sampling=32 if self.metric == "mattes" else 4,
            )
            warp = next(path for path in found["fwdtransforms"] if path.endswith(".nii.gz"))
            vectors = sitk.GetArrayFromImage(sitk.ReadImage(warp)).astype(np.float32)
        return after(start, DisplacementField(vectors, fixed.grid))


def _to_ants(image: Image):
    """ants image with the same values and geometry (LPS)."""
    import ants

    grid = image.grid
    array = np.ascontiguousarray(image.array.transpose(2, 1, 0), dtype=np.float32)
    return ants.from_numpy(
        array, origin=grid.origin.tolist(), spacing=grid.spacing.tolist(), direction=grid.direction
    )
