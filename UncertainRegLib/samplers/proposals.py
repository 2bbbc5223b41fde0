"""Where the proposals of importance resampling come from: a Gaussian over displacements of a pair.

Each has a ``name``, a ``backbone`` (which prepares the images), ``expected_seconds(register_s)``
from the time of one registration, and ``propose(fixed, moving, generator, on_progress) ->
Proposal``. Two need no trained network.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..geometry import DisplacementField, Grid, Image, compose, identity, warp
from ..geometry.arrays import as_like
from ..perturbations import family as perturbation_family
from ..randomness import torch_generator
from .equivariance import Equivariance
from .sample import OnProgress, ignore, reseed

STARTS = ("backbone", "affine", "none")
DRAW_S = 0.04  # a draw with gradient of 30,000 voxels, one CPU thread
SHIPPED = Path(__file__).resolve().parent.parent / "models" / "sir" / "weights.pt"


@dataclass(frozen=True)
class Proposal:
    """q(Z), with what turns Z into a registration.

    Attributes:
        gaussian: a ``StructuredGaussian`` over Z, B = 1, in voxels of ``grid``; channel c is the
            displacement along array axis c.
        grid: where Z lives, in the fixed space.
        start: a registration that Z is added to: phi(x) = start(x + Z(x)); None: phi(x) = x + Z(x).
            Its grid and ``grid`` have one field of view.
        of_all: facts of how it was made, for the record of its samples.
    """

    gaussian: object
    grid: Grid
    start: DisplacementField | None = None
    of_all: dict = field(default_factory=dict)

    def field(self, voxels) -> DisplacementField:
        """The registration (mm LPS) of Z, (3, Z, Y, X) in voxels; on the grid of ``start`` and
        an array of its kind.

        Cubic interpolation brings Z to that grid, as in the paper: linear interpolation would draw
        a pattern into the disagreement, which is smaller between the voxels of Z.
        """
        from ..networks.upsample import upsample_cubic

        if self.start is not None:
            voxels = upsample_cubic(voxels, self.start.grid.shape)
        moved = np.moveaxis(voxels.cpu().numpy(), 0, -1)[..., ::-1]
        vectors = (moved @ self.grid.affine[:3, :3].T).astype(np.float32)
        if self.start is None:
            return DisplacementField(vectors, self.grid)
        z = DisplacementField(as_like(vectors, self.start.vectors), self.start.grid)
        return compose(self.start, z)

    def seen(self, moving: Image) -> Image:
        """The moving image that Z deforms: after ``start``; numpy."""
        moving = moving.to_numpy()
        return moving if self.start is None else warp(moving, self.start.to_numpy(), outside=None)


def in_voxels(registration: DisplacementField, grid: Grid, device: str = "cpu"):
    """A displacement field as a tensor (3, Z, Y, X) in voxels of ``grid``."""
    import torch

    vectors = registration.to_numpy().resample(grid).vectors
    index = vectors @ np.linalg.inv(grid.affine[:3, :3]).T.astype(np.float32)
    return torch.as_tensor(np.moveaxis(index[..., ::-1], -1, 0).copy(), device=device)


@dataclass(frozen=True)
class EquivarianceSeeded:
    """R from equivariance samples, L of smooth noise: for any backbone, untrained.

    The centred samples, divided by sqrt(n - 1), are the columns of R, so that R R^T is their
    covariance; L adds smooth noise (that of a diffusion prior, ``gaussian.smooth``), so that
    proposals leave their span. The mean is theirs.

    Attributes:
        backbone: any registration.
        family: perturbation family, or its name.
        seeds: equivariance samples drawn.
        local_sd_mm, length_voxels: standard deviation of a component of the smooth noise, and its
            correlation length in voxels of the grid.
        voxels: size of the grid of Z, about.
        device: "cpu" or "cuda".
    """

    backbone: object
    family: object = "deform"
    seeds: int = 16
    local_sd_mm: float = 0.5
    length_voxels: float = 4.0
    voxels: int = 120_000
    device: str = "cpu"
    name = "seeded"

    def expected_seconds(self, register_s: float) -> float:
        """Time to propose."""
        return self.seeds * register_s

    def propose(self, fixed: Image, moving: Image, generator: np.random.Generator,
                on_progress: OnProgress = ignore) -> Proposal:
        """The proposal of two prepared images.

        Raises:
            ValueError: fewer than two seeds.
        """
        import torch

        from ..gaussian import LowRank, StructuredGaussian, smooth_factor

        if self.seeds < 2:
            raise ValueError("Equivariance-seeded proposals need at least 2 seeds.")
        family = self.family
        if isinstance(family, str):
            family = perturbation_family(family)
        grid = fixed.grid.at_most(self.voxels)
        fields = []
        for sample in Equivariance(self.backbone, family).sample(fixed, moving, self.seeds,
                                                                 generator):
            fields.append(in_voxels(sample.field, grid, self.device))
            on_progress("Registering seeds", len(fields), self.seeds)
        fields = torch.stack(fields)
        mean = fields.mean(0, keepdim=True)
        columns = (fields - mean)[None] / (self.seeds - 1) ** 0.5
        sd = self.local_sd_mm / grid.spacing[::-1]
        factor = smooth_factor(grid.shape, sd.copy(), self.length_voxels, self.device)
        return Proposal(StructuredGaussian(mean, factor, LowRank(columns)), grid,
                        of_all=sample.of_all)


@dataclass(frozen=True)
class Optimised:
    """Mean, L and R optimised for the pair (variational inference), from a backbone's registration.

    Maximises E_q[log p(fixed | moving o Z) + log p(Z)] + H(q), Eq. 1 of Simpson & Campbell, by
    Adam on the numbers themselves instead of a network's.

    Attributes:
        backbone: gives the start.
        steps: of the optimiser; draws: samples a step.
        rank: columns of R.
        learning_rate: voxels a step for the mean, in proportion for the rest.
        sigma, smoothness: of the target; use those of the sampler.
        voxels, device: as for `EquivarianceSeeded`.
    """

    backbone: object
    steps: int = 80
    draws: int = 2
    rank: int = 8
    learning_rate: float = 0.02
    sigma: float = 0.5
    smoothness: float = 4.0
    voxels: int = 30_000
    device: str = "cpu"
    name = "optimised"

    def expected_seconds(self, register_s: float) -> float:
        """Time to propose, on a CPU."""
        return register_s + self.steps * self.draws * DRAW_S

    def propose(self, fixed: Image, moving: Image, generator: np.random.Generator,
                on_progress: OnProgress = ignore) -> Proposal:
        """The proposal of two prepared images."""
        import torch

        from ..gaussian import LowRank, SparseFactor, StructuredGaussian, smooth_factor
        from ..networks.sir_unet import bounded
        from .sir import target_of

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
        target = target_of(fixed, moving, Proposal(None, grid), self.device,
                           sigma=self.sigma, smoothness=self.smoothness)

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
        return Proposal(gaussian(), grid)


@dataclass(frozen=True)
class Trained:
    """The proposal network, in one pass, around a registration; then its mean is refined.

    A small network is inexact; a few gradient steps on log p(fixed | moving o Z) + log p(Z) mend
    that, as in semi-amortised variational inference (Kim et al., ICML 2018), here for the mean
    alone.

    Attributes:
        backbone: prepares the images (intensities in [0, 1]) and registers them.
        weights: file written by ``training.sir``; empty for the model that comes with the library,
            trained on synthetic images (``models/sir/manifest.json`` says how, and where it fails).
        start: what Z is added to: "backbone", its registration, so that the network proposes what
            it may have got wrong; "affine", a linear alignment, as in the paper; "none".
        refine: gradient steps on the mean.
        voxels: size of the network's images, about; Z has an eighth of it.
        spacing_mm: their voxel size instead, for a network that knows but one.
        device: "cpu" or "cuda".
    """

    backbone: object
    weights: str = ""
    start: str = "backbone"
    refine: int = 20
    voxels: int = 1_000_000
    spacing_mm: float | None = None
    device: str = "cpu"
    name = "trained"

    def __post_init__(self) -> None:
        if self.start not in STARTS:
            raise ValueError(f"Start {self.start!r} is not one of {', '.join(STARTS)}.")
        if not self._file.is_file():
            raise ValueError(f"There are no weights of a proposal network at '{self._file}'; "
                             "give a file as 'weights' (train one with: train sir), or use the "
                             "source 'seeded'.")

    @property
    def _file(self) -> Path:
        return Path(self.weights) if self.weights else SHIPPED

    def expected_seconds(self, register_s: float) -> float:
        """Time to propose: a registration, one pass of a small network, and the steps."""
        return register_s + 5.0 + 0.2 * self.refine

    def propose(self, fixed: Image, moving: Image, generator: np.random.Generator,
                on_progress: OnProgress = ignore) -> Proposal:
        """The proposal of two prepared images."""
        import torch

        from ..gaussian import StructuredGaussian
        from ..networks.sir_unet import MULTIPLE, load, stable
        from ..networks.target import RegistrationTarget, climb

        reseed(self.backbone, generator)
        grid = (fixed.grid.at_most(self.voxels) if self.spacing_mm is None
                else fixed.grid.at_spacing(self.spacing_mm))
        grid = grid.resized([-(-n // MULTIPLE) * MULTIPLE for n in grid.shape])
        half = grid.resized([n // 2 for n in grid.shape])
        proposal = Proposal(None, half, self._start(fixed, moving))
        moved, seen = (torch.as_tensor(image.resample(grid).array, dtype=torch.float32,
                                       device=self.device)[None, None]
                       for image in (proposal.seen(moving), fixed.to_numpy()))
        with torch.no_grad():
            q = load(self._file).to(self.device).eval()(moved, seen)
        mean = climb(RegistrationTarget(seen, moved), q.mean, self.refine,
                     lambda step: on_progress("Refining the mean", step, self.refine))
        return replace(proposal, gaussian=StructuredGaussian(mean, stable(q.factor), q.low_rank))

    def _start(self, fixed: Image, moving: Image) -> DisplacementField | None:
        from ..backbones.linear import affine_alignment, after

        if self.start == "backbone":
            return self.backbone.register(fixed, moving).resample(fixed.grid)
        if self.start == "none":
            return None
        return after(affine_alignment(fixed.to_numpy(), moving.to_numpy()), identity(fixed.grid))
