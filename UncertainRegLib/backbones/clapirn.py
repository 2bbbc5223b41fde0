"""Conditional LapIRN (light), trained on OASIS brains; its smoothness can be chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .brain_network import BrainNetwork, ready
from .facts import Facts, Weights
from .weights import checked_path

FILE = "LDR_OASIS_NCC_unit_disp_add_fea4_reg01_10_lite_stagelvl3_60000.pth"


@dataclass
class ConditionalLapIRN(BrainNetwork):
    """Mok and Chung, MICCAI 2021.

    Attributes:
        smoothness: lambda in [0, 1]: 0 follows the images, 1 is smoothest.
        affine: estimate an affine map first.
        weights: file of weights, instead of the store's.
        device: "cpu" or a torch device.
    """

    smoothness: float = 0.1
    affine: bool = True
    weights: str = ""
    device: str = "cpu"

    place = 6
    facts = Facts(
        name="clapirn",
        title="Conditional LapIRN (brain MRI)",
        anatomy="brain, skull-stripped",
        modality="T1 MRI",
        needs_affine=True,
        code_licence="MIT",
        packages={"torch": "torch"},
        weights=Weights(
            file=f"clapirn/{FILE}",
            url="https://github.com/cwmok/Conditional_LapIRN/raw/"
            f"609b89a922864a4cf1d8ae8a61ce5d56a800c9f1/Model/{FILE}",
            size_bytes=2_115_225,
            sha256="c67ac1c8535a45f856d79c89686fb49a7eb9b349b7d7b9f704010d7a5c3d9089",
            licence="MIT",
        ),
        outside=0.0,
        working_grid="160 x 192 x 224 voxels of 1 mm",
    )

    @cached_property
    def network(self):
        """The loaded torch module."""
        from ..networks.checkpoint import naming, read_state
        from ..networks.clapirn import ConditionalLapIRN as Network

        network = Network()
        path = self.weights or checked_path(self.facts.weights)
        state = read_state(path)
        with naming(path):
            network.load_published(state)
        return ready(network, self.device)

    def displacement_voxels(self, moving, fixed):
        """Displacement in voxels, (1, 3, Z, Y, X), channel c along array axis c."""
        import torch

        unit = self.network(moving, fixed, self.smoothness)
        return torch.stack(
            [unit[:, 2 - axis] * ((size - 1) / 2) for axis, size in enumerate(unit.shape[2:])], 1
        )
