"""SynthMorph: contrast-invariant networks, by FreeSurfer's command or as converted weights."""

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
from ..geometry.image import grid_from_sitk, to_sitk
from .facts import Facts, Weights
from .voxelmorph import FTP, VoxelMorph

COMMAND = "mri_synthmorph"
DISPLACEMENT_INTENT = "1006"  # NIFTI_INTENT_DISPVECT


@dataclass
class SynthMorphCommand(Backbone):
    """Hoffmann et al., Imaging Neuroscience 2024, through ``mri_synthmorph`` of FreeSurfer.

    Attributes:
        model: "joint" (affine and deformable) or "deform" (for affinely aligned images).
        device: "cpu" or "cuda".
    """

    model: str = "joint"
    device: str = "cpu"

    place = 10
    facts = Facts(
        name="synthmorph",
        title="SynthMorph (FreeSurfer's mri_synthmorph)",
        anatomy="brain",
        modality="any, also different ones",
        code_licence="FreeSurfer Software License",
        commands={COMMAND: "FreeSurfer"},
        outside=0.0,
        working_grid="256 mm of 1 mm, its own",
    )

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """The images as they are: the command conforms and normalises them itself."""
        return tuple(
            Image(image.array.astype(np.float32), image.grid, image.mask)
            for image in (fixed, moving)
        )

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on the grid of the fixed image."""
        with tempfile.TemporaryDirectory() as folder:
            names = {
                part: str(Path(folder) / f"{part}.nii.gz") for part in ("fixed", "moving", "warp")
            }
            for part, image in (("fixed", fixed), ("moving", moving)):
                sitk.WriteImage(to_sitk(image), names[part])
            options = ["-m", self.model, "-t", names["warp"], names["moving"], names["fixed"]]
            options = ["-g", *options] if self.device.startswith("cuda") else options
            _run(options)
            return read_ras_warp(names["warp"]).resample(fixed.grid)


def _run(options: list[str]) -> None:
    """Call the command as its older versions are called, then with the newer sub-command."""
    command = shutil.which(COMMAND) or COMMAND
    for start in ([command], [command, "register"]):
        done = subprocess.run(
            [*start, *options], capture_output=True, encoding="utf-8", errors="replace", check=False
        )
        if done.returncode == 0:
            return
    last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
    raise ValueError(f"{COMMAND} failed: {last[0]}")


def read_ras_warp(path: str | Path) -> DisplacementField:
    """Field in mm LPS from a NIfTI displacement field in mm RAS (FreeSurfer's ``disp_ras``)."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    intent = reader.GetMetaData("intent_code") if reader.HasMetaDataKey("intent_code") else ""
    image = reader.Execute()
    vectors = sitk.GetArrayFromImage(image)
    if image.GetDimension() == 4:  # the components are the volumes of a series
        vectors = np.moveaxis(vectors, 0, -1)
        image = sitk.Extract(image, [*image.GetSize()[:3], 0], [0, 0, 0, 0])
    if vectors.shape[-1] != 3:
        raise ValueError(f"{path} holds no displacement field.")
    vectors = vectors.astype(np.float32)
    if intent != DISPLACEMENT_INTENT:  # ITK turns those to LPS when it reads them
        vectors = vectors * np.array([-1, -1, 1], np.float32)
    return DisplacementField(vectors, grid_from_sitk(image))


@dataclass
class SynthMorphBrains(VoxelMorph):
    """Hoffmann et al., TMI 2022, "brains" variant: a wide VoxelMorph network."""

    place = 11
    facts = Facts(
        name="synthmorph-brains",
        title="SynthMorph 2022, brains variant",
        anatomy="brain, skull-stripped",
        modality="any MRI contrast, also different ones",
        needs_affine=True,
        code_licence="Apache-2.0",
        packages={"torch": "torch", "h5py": "h5py"},
        weights=Weights(
            "synthmorph/brains-dice-vel-0.5-res-16-256f.h5",
            f"{FTP}/synthmorph/brains-dice-vel-0.5-res-16-256f.h5",
            0,
            "",
            "Apache-2.0 (as its repository)",
        ),
        outside=0.0,
        working_grid="160 x 192 x 224 voxels of 1 mm",
    )


@dataclass
class SynthMorphShapes(VoxelMorph):
    """Hoffmann et al., TMI 2022, "shapes" variant: trained on random shapes only."""

    place = 12
    facts = Facts(
        name="synthmorph-shapes",
        title="SynthMorph 2022, shapes variant",
        modality="any, also different ones",
        needs_affine=True,
        code_licence="Apache-2.0",
        packages={"torch": "torch", "h5py": "h5py"},
        weights=Weights(
            "synthmorph/shapes-dice-vel-3-res-8-16-32-256f.h5",
            f"{FTP}/synthmorph/shapes-dice-vel-3-res-8-16-32-256f.h5",
            0,
            "",
            "Apache-2.0 (as its repository)",
        ),
        outside=0.0,
        working_grid="160 x 192 x 224 voxels of 1 mm",
    )
