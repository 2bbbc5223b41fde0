"""Proposals around the scatter of equivariance samples."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...contracts import Backbone, Family, OnProgress, ProposalSource
from ...geometry import Image
from ...perturbations import Deform
from ..equivariance import Equivariance
from ..sample import ignore
from .proposal import Proposal, check_target, in_voxels


@dataclass(frozen=True)
class EquivarianceSeeded(ProposalSource):
    """R from equivariance samples, L of smooth noise: for any backbone, untrained.

    The centred samples, divided by sqrt(n - 1), are the columns of R, so that R R^T is their
    covariance; L adds smooth noise (that of a diffusion prior, ``gaussian.smooth``), so that
    proposals leave their span. The mean is theirs.

    Attributes:
        backbone: any registration.
        family: of the perturbations.
        seeds: equivariance samples drawn.
        local_sd_mm, length_voxels: standard deviation of a component of the smooth noise, and its
            correlation length in voxels of the grid.
        sigma, smoothness: likelihood scale and lambda of the prior, that weigh its draws.
        voxels: size of the grid of Z, about.
        device: "cpu" or "cuda".
    """

    backbone: Backbone
    family: Family = field(default_factory=Deform)
    seeds: int = 16
    local_sd_mm: float = 0.5
    length_voxels: float = 4.0
    sigma: float = 0.5
    smoothness: float = 4.0
    voxels: int = 120_000
    device: str = "cpu"
    name, place, perturbs = "seeded", 2, True
    title = "Disturbed registrations"
    tip = (
        "Around the scatter of registrations of the disturbed moving image: slower, for images "
        "of any modality"
    )

    def __post_init__(self) -> None:
        check_target(self.sigma, self.smoothness)

    def expected_seconds(self, register_s: float) -> float:
        """Time to propose."""
        return self.seeds * register_s

    def propose(
        self,
        fixed: Image,
        moving: Image,
        generator: np.random.Generator,
        on_progress: OnProgress = ignore,
    ) -> Proposal:
        """The proposal of two prepared images.

        Raises:
            ValueError: fewer than two seeds.
        """
        import torch

        from ...gaussian import LowRank, StructuredGaussian, smooth_factor

        if self.seeds < 2:
            raise ValueError("Equivariance-seeded proposals need at least 2 seeds.")
        grid = fixed.grid.at_most(self.voxels)
        fields = []
        sampler = Equivariance(self.backbone, self.family)
        for sample in sampler.sample(fixed, moving, self.seeds, generator):
            fields.append(in_voxels(sample.field, grid, self.device))
            on_progress("Registering seeds", len(fields), self.seeds)
        fields = torch.stack(fields)
        mean = fields.mean(0, keepdim=True)
        columns = (fields - mean)[None] / (self.seeds - 1) ** 0.5
        sd = self.local_sd_mm / grid.spacing[::-1]
        factor = smooth_factor(grid.shape, sd.copy(), self.length_voxels, self.device)
        return Proposal(
            StructuredGaussian(mean, factor, LowRank(columns)),
            grid,
            sigma=self.sigma,
            smoothness=self.smoothness,
            of_all=sample.of_all,
        )
