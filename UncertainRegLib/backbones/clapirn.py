"""Conditional LapIRN (light), trained on OASIS brains; its smoothness can be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ..contracts import Backbone
from ..geometry import DisplacementField, Image
from .brain_network import BrainNetwork, ready, stacked
from .facts import Facts, Weights
from .weights import checked_path
from .working_grid import field_from_voxels

FILE = "LDR_OASIS_NCC_unit_disp_add_fea4_reg01_10_lite_stagelvl3_60000.pth"


@dataclass
class ConditionalLapIRN(BrainNetwork):
    """Mok and Chung, MICCAI 2021.

    Attributes:
        smoothness: lambda in [0, 1]: 0 follows the images, 1 is smoothest.
        affine: estimate an affine map first.
        coarse_samples: perturbed images are registered by the two coarser of its three levels, for
            a quarter of the time, and what the finest one adds for the pair is added to each
            sample. The map of disagreement is that of the whole network; structures differ more
            between the samples, by a fifth in their volume (speed_results.md).
        weights: file of weights, instead of the store's.
        device: "cpu" or a torch device.
    """

    smoothness: float = 0.1
    affine: bool = True
    coarse_samples: bool = False
    weights: str = ""
    device: str = "cpu"

    place = 6
    _last = None  # fixed and moving image that were registered last, and their registration
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
        """Displacement in voxels, (B, 3, Z, Y, X), channel c along array axis c."""
        return _voxels(self.network(moving, fixed, self.smoothness), fixed.shape[2:])

    def register_many(self, fixed: Image, moving: Sequence[Image]) -> list[DisplacementField]:
        """`register` in one pass."""
        fields = super().register_many(fixed, moving)
        if self.coarse_samples:
            self._last = fixed, moving[-1], fields[-1]
        return fields

    def for_samples(self, fixed: Image, moving: Image) -> Backbone:
        """The two coarser levels, unless told otherwise."""
        if not self.coarse_samples:
            return self
        known = self._last is not None and self._last[0] is fixed and self._last[1] is moving
        return _Coarse(
            self, fixed, moving, self._last[2] if known else self.register(fixed, moving)
        )


class _Coarse(Backbone):
    """The network without its finest level: fields on half the grid of the prepared images."""

    learned = True

    def __init__(
        self, whole: ConditionalLapIRN, fixed: Image, moving: Image, field: DisplacementField
    ) -> None:
        """
        Args:
            field: the registration of the two by the whole network.
        """
        self.whole, self.facts = whole, whole.facts
        coarse = self.register(fixed, moving)
        finest = field.resample(coarse.grid).vectors - coarse.vectors
        self.refinement = DisplacementField(finest, coarse.grid)

    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """Displacement field (mm LPS) on a grid of half the size."""
        return self.register_many(fixed, [moving])[0]

    def register_many(self, fixed: Image, moving: Sequence[Image]) -> list[DisplacementField]:
        """`register` in one pass."""
        import torch

        whole, sizes = self.whole, fixed.array.shape
        with torch.inference_mode():
            unit = whole.network(*stacked(moving, fixed), whole.smoothness, levels=2)
        half = [size // 2 for size in sizes]
        return [
            field_from_voxels(
                one.permute(1, 2, 3, 0) / 2, fixed.grid.resized(half), image.grid.resized(half)
            )
            for one, image in zip(_voxels(unit, sizes), moving, strict=True)
        ]


def _voxels(unit, sizes):
    """(B, 3, ...) in voxels of a grid of ``sizes``, channel c along array axis c, from unit
    coordinates."""
    import torch

    return torch.stack([unit[:, 2 - c] * ((size - 1) / 2) for c, size in enumerate(sizes)], 1)
