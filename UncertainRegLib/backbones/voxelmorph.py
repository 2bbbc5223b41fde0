"""VoxelMorph networks: the authors' brain network, or any checkpoint of their package."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from ..randomness import torch_seeded
from .brain_network import AXES, SHAPE, BrainNetwork, ready
from .facts import Facts, Weights
from .weights import checked_path

FTP = "https://surfer.nmr.mgh.harvard.edu/ftp/data/voxelmorph"


@dataclass
class VoxelMorph(BrainNetwork):
    """Balakrishnan et al., TMI 2019; probabilistic checkpoints draw their velocity (MedIA 2019).

    Attributes:
        weights: a checkpoint of voxelmorph 0.1 to 0.3 (.pt, .pth, .h5), or of the classic networks
            of 2018 (.h5, such as miccai2018_10_02_init1 and cvpr2018_vm2_cc), instead of the
            store's.
        int_steps: squarings of the velocity; -1 takes 7, or what the checkpoint records.
        divide_by: of the intensities, 255 for brains as FreeSurfer normalises them, which the
            classic networks were trained on; 0 takes their minimum to 0 and their maximum to 1.
        draw: a probabilistic network draws its velocity; otherwise it returns the mean.
        shape, axes: array shape and orientation of the training images; 1 mm voxels.
        affine: estimate an affine map first.
        seed: of the draws; calls in the same order give the same fields.
        device: "cpu" or a torch device.
    """

    weights: str = ""
    int_steps: int = -1
    divide_by: float = 0.0
    draw: bool = True
    shape: tuple[int, int, int] = SHAPE
    axes: str = AXES
    affine: bool = True
    seed: int = 1
    device: str = "cpu"

    place = 7
    facts = Facts(
        name="voxelmorph",
        title="VoxelMorph (brain MRI)",
        anatomy="brain, skull-stripped",
        modality="T1 MRI",
        needs_affine=True,
        code_licence="MIT",
        packages={"torch": "torch", "h5py": "h5py"},
        weights=Weights(
            "voxelmorph/vxm_dense_brain_T1_3D_mse.h5",
            f"{FTP}/models/vxm_dense_brain_T1_3D_mse.h5",
            0,
            "",
            "Apache-2.0 (as its repository)",
        ),
        outside=0.0,
        working_grid="160 x 192 x 224 voxels of 1 mm",
    )

    @cached_property
    def network(self):
        """The loaded torch module."""
        from ..networks import keras
        from ..networks.checkpoint import naming, read_state
        from ..networks.voxelmorph import from_state

        path = str(self.weights or checked_path(self.facts.weights))
        is_keras = path.endswith((".h5", ".hdf5", ".keras"))
        settings = keras.read_settings(path) if is_keras else {}
        if self.int_steps >= 0:
            settings["int_steps"] = self.int_steps
        if is_keras:
            settings["padding"] = "border"
        state = keras.read_state(path) if is_keras else read_state(path)
        with naming(path):
            network = from_state(state, **settings)
        if getattr(network, "log_sigma", None) is not None and self.draw:
            self.facts = replace(self.facts, stochastic=True)
        return ready(network, self.device)

    def displacement_voxels(self, moving, fixed):
        """Displacement in voxels, (B, 3, Z, Y, X), channel c along array axis c."""
        if not self.facts.stochastic:
            mean = {} if not hasattr(self.network, "log_sigma") else {"draw": False}
            return self.network(moving, fixed, **mean)
        self.calls += 1
        with torch_seeded(self.seed, "velocity", self.stream, self.calls):
            return self.network(moving, fixed)
