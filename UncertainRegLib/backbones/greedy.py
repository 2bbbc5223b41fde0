"""Greedy diffeomorphic registration (Yushkevich et al.), through the picsl-greedy package."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..contracts import Backbone
from ..geometry import DisplacementField, Image
from ..geometry.image import to_sitk
from .facts import Facts
from .linear import affine_alignment, after, seen_through
from .prepare import prepared

# Steps from the coarsest to the finest level. Brain A from C, 13 structures, with the affine start:
# Dice 0.720 in 13 CPU-s, 0.783 in 18, 0.785 in 33 (demons: 0.750 in 18).
PRESETS = {"fast": "100x100x0", "balanced": "100x50x20", "accurate": "100x100x50"}


@dataclass(frozen=True)
class Greedy(Backbone):
    """Greedy's deformable stage by local correlation, after our own affine start.

    Two calls agree to the last digit, on one thread as on four. What else it offers was tried and
    left out (`Testing/benchmarks/engines_results.md`): weighted correlation is no nearer, masks
    make a lung worse, and mutual information gains nothing on two contrasts.

    Attributes:
        affine: estimate an affine map first.
        preset: "fast", "balanced" or "accurate": steps of the three levels, see `PRESETS`.
        voxels: size of the working grid, about.
    """

    affine: bool = True
    preset: str = "balanced"
    voxels: int = 1_000_000

    place = 3
    facts = Facts(
        name="greedy",
        title="Greedy",
        modality="same in both images",
        any_brightness=True,
        packages={"picsl_greedy": "picsl-greedy"},
        working_grid="the fixed field of view, about a million voxels",
        advice="On brains and a lung it came nearer than demons in as much time, and a gamma or a "
        "bias field hardly move it; 95 % bounds are stated with demons only.",
    )

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"The preset of greedy is {', '.join(PRESETS)}, not {self.preset!r}.")

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Both images on their working grids, intensities normalised to [0, 1]."""
        return prepared(fixed, moving, self.voxels, self.affine)

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on the grid of the prepared fixed image."""
        from picsl_greedy import Greedy3D

        start = affine_alignment(fixed, moving) if self.affine else np.eye(4)
        aligned = seen_through(moving, start).resample(fixed.grid, outside=0.0)
        greedy = Greedy3D()
        # It adds noise before it correlates: without a seed no two calls agree. And it would write
        # on the standard output, and round its field to tenths of a voxel.
        greedy.execute(
            f"-i fixed moving -m NCC 2x2x2 -n {PRESETS[self.preset]} -s 2vox 0.5vox "
            "-seed 1 -wp 0 -V 0 -o warp",
            fixed=to_sitk(fixed),
            moving=to_sitk(aligned),
            warp=None,
        )
        vectors = sitk.GetArrayFromImage(greedy["warp"]).astype(np.float32)
        return after(start, DisplacementField(vectors, fixed.grid))
