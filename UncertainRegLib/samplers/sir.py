"""Sampled importance resampling: many proposals, weighed by image evidence, few of them kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar

import numpy as np

from ..contracts import Backbone, Family, OnProgress, ProposalSource, Sampler
from ..geometry import Image
from ..randomness import torch_generator
from ..settings import check_settings, defaults
from .proposals import SOURCES
from .proposals.proposal import Proposal
from .sample import Sample, ignore

BYTES_PER_VOXEL = 200  # of the images, for one proposal: its noise, field, warped image, windows
LARGEST_BATCH = 32
WEIGH_S, WEIGH_VOXEL_S = 0.01, 0.12e-6  # a proposal, and each voxel of its images; one CPU thread
TEMPERING = ("spread", "trained", "ess", "none")
WEIGHTINGS = ("whole", "voxel")
DEFAULT_SOURCE = "trained"
NOT_SETTINGS = ("backbone", "proposal", "family", "device", "on_progress")


@dataclass(frozen=True)
class SIR(Sampler):
    """Structured SIR (Simpson & Campbell, sections 3.1 and 4.3) with any proposal.

    Draws ``proposals`` fields Z from q, weighs them by log p(fixed | moving o Z) + log p(Z) -
    log q(Z), tempers the weights, and resamples with replacement. Of a proposal only its seed and
    its log-weight are kept; those that are chosen are drawn again. The density that weighs is that
    of the proposal (`Proposal.target`), and so the one that its network was trained with.

    Attributes:
        proposal: source of q, see `proposals`.
        proposals: how many are weighed (the paper: 1,200).
        tempering: "spread" scales the log-weights to the standard deviation ``temperature``;
            "trained" divides them by the spread that the network's training kept (the paper, 4.3)
            instead of their own, for images of the size that it was trained on; "ess" scales them
            to the effective sample size ``ess_fraction * proposals``; "none" leaves them, and one
            proposal then nearly always takes all.
        memory_mb: memory for the proposals in work.
        device: "cpu" or "cuda".
        on_progress: told of the work before the first sample; what it raises ends the sampling.
    """

    proposal: ProposalSource
    weighting: str = "whole"
    voxel_beta: float = 10.0
    proposals: int = 1200
    tempering: str = "ess"
    temperature: float = 3.0
    ess_fraction: float = 0.5
    memory_mb: int = 1500
    device: str = "cpu"
    on_progress: OnProgress = ignore

    name, title, place = "sir", "Structured SIR", 2
    tip = (
        "Draw many alternatives, weigh them by how well they match the images, and keep the "
        "samples the images support."
    )
    packages: ClassVar[dict[str, str]] = {"torch": "torch"}

    def __post_init__(self) -> None:
        if self.weighting not in WEIGHTINGS:
            known = ", ".join(WEIGHTINGS)
            raise ValueError(f"Weighting {self.weighting!r} is not one of {known}.")
        if self.tempering not in TEMPERING:
            raise ValueError(f"Tempering {self.tempering!r} is not one of {', '.join(TEMPERING)}.")
        if self.proposals < 1 or not 0 < self.ess_fraction <= 1:
            raise ValueError("SIR needs at least one proposal and 0 < ess_fraction <= 1.")

    @classmethod
    def perturbs(cls, settings: Mapping) -> bool:
        """Whether the source of its proposals perturbs."""
        return _source(settings).perturbs

    @classmethod
    def create(
        cls,
        backbone: Backbone,
        family: Family,
        settings: dict,
        device: str,
        on_progress: OnProgress,
    ) -> SIR:
        """A sampler from "source" (of proposals, by name) and the fields of it and of this class.

        Raises:
            ValueError: no such source or setting, or a value that does not fit.
        """
        source = _source(settings)
        of_source, of_sir = (defaults(each, NOT_SETTINGS) for each in (source, cls))
        check_settings(
            f"Sampling method 'sir' with source {source.name!r}",
            settings,
            {"source": DEFAULT_SOURCE, **of_source, **of_sir},
        )
        mine = {name: settings[name] for name in of_source if name in settings}
        if source.perturbs:
            mine["family"] = family
        rest = {name: settings[name] for name in of_sir if name in settings}
        return cls(
            source(backbone, device=device, **mine), device=device, on_progress=on_progress, **rest
        )

    @property
    def backbone(self) -> Backbone:
        """The backbone that prepares the images."""
        return self.proposal.backbone

    @property
    def family(self) -> Family | None:
        """The perturbation family of equivariance-seeded proposals, else None."""
        return self.proposal.family

    def expected_seconds(self, n: int, register_s: float) -> float:
        """Rough time on a CPU, from the time of one registration."""
        weighed = n if self.weighting == "voxel" else self.proposals
        each = WEIGH_S + WEIGH_VOXEL_S * self.proposal.voxels
        return self.proposal.expected_seconds(register_s) + weighed * each

    def sample(
        self, fixed: Image, moving: Image, n: int, generator: np.random.Generator
    ) -> Iterator[Sample]:
        """n registrations of two prepared images, of equal weight (as wholes).

        ``facts`` of a resampled one: its proposal's number (``group`` too) and raw log-weight;
        ``of_all``: source and number of the proposals, their effective number, raw and tempered.
        """
        import torch

        from ..memory import keep_freed_memory

        keep_freed_memory()  # a fifth of the time of a proposal
        with torch.no_grad():
            proposal = self.proposal.propose(fixed, moving, generator, self.on_progress)
        one = self._by_voxel if self.weighting == "voxel" else self._resampled
        yield from one(fixed, moving, n, generator, proposal)

    def _by_voxel(self, fixed, moving, n, generator, proposal) -> Iterator[Sample]:
        import torch

        target = proposal.target(fixed, moving, self.device, proposal.voxel_window())
        for index, seed in enumerate(generator.integers(2**63, size=n)):
            started = perf_counter()
            with torch.no_grad():
                z = proposal.gaussian.sample(proposal.gaussian.noise([seed]))
                log_weight = self.voxel_beta * target.squared_ncc(target.warp(z))[0, 0]
            yield Sample(
                proposal.field(z[0, 0]),
                0.0,
                index,
                {"seconds": perf_counter() - started},
                {"source": self.proposal.name, "weighting": "voxel", **proposal.of_all},
                Image(log_weight.cpu().numpy(), proposal.images or proposal.grid),
            )

    def _resampled(self, fixed, moving, n, generator, proposal) -> Iterator[Sample]:
        import torch

        from ..gaussian import resample

        with torch.no_grad():
            seeds = generator.integers(2**63, size=self.proposals)
            log_weights = self._log_weights(fixed, moving, proposal, seeds)
            tempered, of_all = self._temper(log_weights, proposal.sigma_alpha)
            of_all |= {
                "sigma": proposal.sigma,
                "smoothness": proposal.smoothness,
                **proposal.of_all,
            }
            source = torch_generator(generator.integers(2**63), "resampling")
            chosen = resample(tempered, n, source).sort().values.tolist()
        last, field = None, None
        for index in chosen:
            started = perf_counter()
            if index != last:
                q = proposal.gaussian
                with torch.no_grad():
                    voxels = q.sample(q.noise([seeds[index]]))[0, 0]
                last, field = index, proposal.field(voxels)
            yield Sample(
                field,
                0.0,
                index,
                {
                    "proposal": index,
                    "log_weight": float(log_weights[index]),
                    "seconds": perf_counter() - started,
                },
                of_all,
            )

    def _log_weights(self, fixed: Image, moving: Image, proposal: Proposal, seeds):
        """Raw log-weights of all proposals, (N,) float64."""
        import torch

        q = proposal.gaussian
        target = proposal.target(fixed, moving, self.device)
        each = BYTES_PER_VOXEL * target.fixed.numel()
        size = int(min(LARGEST_BATCH, max(1, self.memory_mb * 2**20 / each)))
        parts = []
        for first in range(0, len(seeds), size):
            noise = q.noise(seeds[first : first + size])
            log_q = q.log_prob_of_noise(noise)
            parts.append((target.log_prob(q.sample(noise)) - log_q)[0].cpu())
            self.on_progress("Weighing proposals", min(first + size, len(seeds)), len(seeds))
        return torch.cat(parts)

    def _temper(self, log_weights, sigma_alpha: float | None):
        """The tempered log-weights to resample with, and for the record what that did.

        Raises:
            ValueError: the spread of a training is asked for, and the proposal has none.
        """
        from ..gaussian import effective_sample_size, temper_by_spread, temper_to_ess

        if self.tempering == "spread":
            tempered = temper_by_spread(log_weights, self.temperature)
        elif self.tempering == "trained":
            if sigma_alpha is None:
                raise ValueError(
                    "Tempering 'trained' needs the spread that a training kept; train a network "
                    "with --spread-average, or choose 'spread'."
                )
            tempered = temper_by_spread(log_weights, self.temperature, sigma_alpha)
        elif self.tempering == "ess":
            tempered, _ = temper_to_ess(log_weights, max(1.0, self.ess_fraction * self.proposals))
        else:
            tempered = log_weights
        spread = float(log_weights.std(correction=0))
        return tempered, {
            "source": self.proposal.name,
            "proposals": self.proposals,
            "ess_raw": float(effective_sample_size(log_weights)),
            "ess_tempered": float(effective_sample_size(tempered)),
            "tempering": self.tempering,
            "tempering_exponent": float(tempered.std(correction=0)) / max(spread, 1e-12),
            "log_weight_sd": spread,
        }


def _source(settings: Mapping) -> type[ProposalSource]:
    name = settings.get("source", DEFAULT_SOURCE)
    if name not in SOURCES:
        raise ValueError(
            f"Unknown source {name!r} of proposals; choose one of {', '.join(SOURCES)}."
        )
    return SOURCES[name]
