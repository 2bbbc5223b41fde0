"""Proposals fitted to the pair, without a network."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...contracts import Backbone, OnProgress, ProposalSource
from ...geometry import Image
from ...randomness import torch_generator
from ..sample import ignore, reseed
from .proposal import Proposal, check_target, in_voxels

DRAW_S = 0.04  # a draw with gradient of 30,000 voxels, one CPU thread


@dataclass(frozen=True)
class Optimised(ProposalSource):
    """Mean, L and R optimised for the pair (variational inference), from a backbone's registration.

    Maximises E_q[log p(fixed | moving o Z) + log p(Z)] + H(q), Eq. 1 of Simpson & Campbell, by
    Adam on the numbers themselves instead of a network's.

    Attributes:
        backbone: gives the start.
        steps: of the optimiser; draws: samples a step.
        rank: columns of R.
        learning_rate: voxels a step for the mean, in proportion for the rest.
        sigma, smoothness: likelihood scale and lambda of the prior: it is fitted to, and its
            draws are weighed with, the same density.
        voxels, device: as for `EquivarianceSeeded`.
    """

    backbone: Backbone
    steps: int = 80
    draws: int = 2
    rank: int = 8
    learning_rate: float = 0.02
    sigma: float = 0.5
    smoothness: float = 4.0
    voxels: int = 30_000
    device: str = "cpu"
    name, place = "optimised", 3
    title, tip = "A fit to this pair", "Fitted to the two images, no training"

    def __post_init__(self) -> None:
        check_target(self.sigma, self.smoothness)

    def expected_seconds(self, register_s: float) -> float:
        """Time to propose, on a CPU."""
        return register_s + self.steps * self.draws * DRAW_S

    def propose(
        self,
        fixed: Image,
        moving: Image,
        generator: np.random.Generator,
        on_progress: OnProgress = ignore,
    ) -> Proposal:
        """The proposal of two prepared images."""
        import torch

        from ...gaussian import LowRank, SparseFactor, StructuredGaussian, smooth_factor
        from ...networks.sir_unet import bounded

        reseed(self.backbone, generator)
        grid = fixed.grid.at_most(self.voxels)
        seeds = iter(generator.integers(2**63, size=1 + self.steps * self.draws).tolist())
        start = smooth_factor(grid.shape, (0.25, 0.25, 0.25), 0.8, self.device)
        source = torch_generator(next(seeds), "start of the columns")
        columns = torch.randn(1, self.rank, 3, *grid.shape, generator=source).to(self.device)
        with torch.no_grad():
            columns = 0.1 * start.transpose_solve(columns)
        mean = in_voxels(self.backbone.register(fixed, moving), grid, self.device)[None]
        numbers = [mean, start.diag.log(), start.off / start.diag[:, :, None], start.cross, columns]
        numbers = [value.detach().clone().requires_grad_() for value in numbers]
        optimiser = torch.optim.Adam(numbers, lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.steps)
        proposal = Proposal(None, grid, sigma=self.sigma, smoothness=self.smoothness)
        target = proposal.target(fixed, moving, self.device)

        def gaussian():
            mean, log_diag, off, cross, columns = numbers
            diag = log_diag.exp()
            off, cross = bounded(diag, off * diag[:, :, None], cross, 2.0)
            return StructuredGaussian(mean, SparseFactor(diag, off, cross), LowRank(columns))

        with torch.enable_grad():
            for step in range(self.steps):
                q = gaussian()
                fields = q.sample(q.noise([next(seeds) for _ in range(self.draws)]))
                loss = -(target.log_prob(fields).mean() + q.entropy().sum()) / q.dimension
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                on_progress("Optimising the proposal", step + 1, self.steps)
        numbers = [value.detach() for value in numbers]  # what gaussian() reads
        return replace(proposal, gaussian=gaussian())
