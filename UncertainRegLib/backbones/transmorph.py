"""TransMorph and TransMorph-Bayes, trained on IXI brains (atlas to patient)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from ..randomness import torch_seeded
from .brain_network import BrainNetwork, ready
from .facts import Facts, Weights
from .weights import checked_path

PAGE = (
    "https://github.com/junyuchen245/TransMorph_Transformer_for_Medical_Image_Registration/"
    "blob/main/IXI/TransMorph_on_IXI.md"
)


@dataclass
class TransMorph(BrainNetwork):
    """Chen et al., MedIA 2022.

    Attributes:
        affine: estimate an affine map first.
        weights: file of weights, instead of the store's.
        device: "cpu" or a torch device.
    """

    affine: bool = True
    weights: str = ""
    device: str = "cpu"

    place = 8
    facts = Facts(
        name="transmorph",
        title="TransMorph (brain MRI)",
        anatomy="brain, skull-stripped",
        modality="T1 MRI",
        needs_affine=True,
        code_licence="MIT",
        packages={"torch": "torch"},
        weights=Weights("transmorph/TransMorph.pth.tar", "", 800_000_000, "", "MIT", PAGE),
        outside=0.0,
        working_grid="160 x 192 x 224 voxels of 1 mm",
    )

    @cached_property
    def network(self):
        """The loaded torch module."""
        from ..networks.checkpoint import naming, read_state
        from ..networks.transmorph import TransMorph as Network

        network = Network()
        path = self.weights or checked_path(self.facts.weights)
        state = read_state(path)
        with naming(path):
            network.load_published(state)
        return ready(network, self.device)

    def displacement_voxels(self, moving, fixed):
        """Displacement in voxels, (B, 3, Z, Y, X), channel c along array axis c."""
        return self.network(moving, fixed)


@dataclass
class TransMorphBayes(TransMorph):
    """TransMorph with dropout at inference: each call is a draw ("total" of Tian et al.).

    Attributes:
        rate: dropout; 0 switches it off and makes the backbone deterministic ("static").
        seed: of the dropout; calls in the same order give the same fields.
    """

    rate: float = 0.15
    seed: int = 1

    place = 9
    facts = Facts(
        name="transmorph-bayes",
        title="TransMorph-Bayes (brain MRI)",
        anatomy="brain, skull-stripped",
        modality="T1 MRI",
        needs_affine=True,
        stochastic=True,
        code_licence="MIT",
        packages={"torch": "torch"},
        weights=Weights("transmorph/TransMorphBayes.pth.tar", "", 900_000_000, "", "MIT", PAGE),
        outside=0.0,
        working_grid="160 x 192 x 224 voxels of 1 mm",
    )

    def __post_init__(self) -> None:
        if self.rate == 0:  # asked again it would only repeat itself
            self.facts = replace(self.facts, stochastic=False)

    def displacement_voxels(self, moving, fixed):
        """One draw of the displacement in voxels, (B, 3, Z, Y, X)."""
        self.calls += 1
        with torch_seeded(self.seed, "dropout", self.stream, self.calls):
            return self.network(moving, fixed, self.rate)
