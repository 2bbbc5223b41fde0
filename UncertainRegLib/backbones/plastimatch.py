"""B-spline registration of plastimatch (Shackleford et al., PMB 2010), through its command."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..contracts import Backbone
from ..geometry import DisplacementField, Image
from ..geometry.arrays import turned
from .facts import Facts
from .linear import affine_alignment, after, seen_through
from .prepare import prepared

COMMAND = "plastimatch"
METRICS = {"squares": "mse", "mutual information": "mi"}
# Coarsening of the images, and control-point spacing in units of the finest one.
LEVELS = ((4, 4), (2, 2), (1, 1))
# Its search ends by an absolute tolerance: with intensities up to 1 it stopped 0.8 mm short.
BRIGHTEST = 1000.0
SMALLEST = 16  # voxels: a level whose grid is shorter than that along an axis is skipped
STAGE = """
[STAGE]
xform=bspline
optim=lbfgsb
impl=plastimatch
threading=single
metric={metric}
max_its={iterations}
grid_spac={spacing} {spacing} {spacing}
res={factor} {factor} {factor}
"""


@dataclass(frozen=True)
class Plastimatch(Backbone):
    """The free-form deformation known from radiotherapy, after our own affine start.

    On one thread, so that two calls agree. Nothing penalises bending: it folds a few percent of the
    anatomy (`Testing/benchmarks/engines_results.md`).

    Attributes:
        affine: estimate an affine map first.
        control_mm: control-point spacing of the finest level.
        metric: "squares" (same contrast) or "mutual information" (any).
        iterations: steps at each of the three levels, at most.
        voxels: size of the working grid, about.
    """

    affine: bool = True
    control_mm: float = 12.0
    metric: str = "squares"
    iterations: int = 30
    voxels: int = 1_000_000

    place = 15
    facts = Facts(
        name="plastimatch",
        title="plastimatch B-spline",
        modality="same in both; or any, by setting",
        code_licence="BSD-style (plastimatch.org)",
        commands={COMMAND: "plastimatch (Debian and Ubuntu: apt install plastimatch)"},
        working_grid="the fixed field of view, about a million voxels",
    )

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(
                f"The metric of plastimatch is {' or '.join(map(repr, METRICS))}, "
                f"not {self.metric!r}."
            )

    @property
    def one_contrast(self) -> bool:
        """Squared differences are for one contrast; mutual information is for any."""
        return self.metric == "squares"

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Both images on their working grids, intensities normalised to [0, 1]."""
        return prepared(fixed, moving, self.voxels, self.affine)

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on the grid of the prepared fixed image.

        The command is given both images on one grid without its direction: on an oblique one it
        comes less far with the same steps.
        """
        start = affine_alignment(fixed, moving) if self.affine else np.eye(4)
        aligned = seen_through(moving, start).resample(fixed.grid, outside=0.0)
        with tempfile.TemporaryDirectory() as folder:
            for name, image in (("fixed", fixed), ("moving", aligned)):
                straight = sitk.GetImageFromArray(BRIGHTEST * np.asarray(image.array, np.float32))
                straight.SetSpacing(fixed.grid.spacing.tolist())
                sitk.WriteImage(straight, str(Path(folder) / f"{name}.nrrd"))
            text = "[GLOBAL]\nfixed=fixed.nrrd\nmoving=moving.nrrd\nvf_out=field.nrrd\n"
            (Path(folder) / "command.txt").write_text(
                text + "".join(self._stages(min(fixed.grid.shape))), encoding="utf-8"
            )
            _run(folder)
            vectors = sitk.GetArrayFromImage(sitk.ReadImage(str(Path(folder) / "field.nrrd")))
        vectors = turned(vectors.astype(np.float32), fixed.grid.direction.T)
        return after(start, DisplacementField(vectors, fixed.grid))

    def _stages(self, shortest: int) -> list[str]:
        """The levels that an image of so many voxels along its shortest axis allows."""
        return [
            STAGE.format(
                metric=METRICS[self.metric],
                iterations=self.iterations,
                spacing=coarser * self.control_mm,
                factor=factor,
            )
            for coarser, factor in LEVELS
            if factor == 1 or shortest // factor >= SMALLEST
        ]


def _run(folder: str) -> None:
    """Run the command file in a folder.

    Raises:
        ValueError: it fails; with its last words.
    """
    done = subprocess.run(
        [shutil.which(COMMAND) or COMMAND, "register", "command.txt"],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode or not (Path(folder) / "field.nrrd").exists():
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise ValueError(f"plastimatch failed: {last[0]}")
