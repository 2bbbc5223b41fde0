"""Proposals of a trained network, around a registration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...backbones.models import folder_of, read_model, read_weights
from ...contracts import Backbone, OnProgress, ProposalSource
from ...geometry import DisplacementField, Image, identity
from ..sample import ignore, reseed
from .proposal import Proposal, check_target

if TYPE_CHECKING:  # torch is imported where it is used
    from ...networks.sir_unet import SirUNet

STARTS = ("backbone", "affine", "none")
TRAINED_WITH = {"sigma": 0.5, "smoothness": 4.0}  # where a model does not say, as the shipped one
SHIPPED = Path(__file__).resolve().parents[2] / "models" / "sir"


@dataclass(frozen=True)
class Trained(ProposalSource):
    """The proposal network, in one pass, around a registration; then its mean is refined.

    A small network is inexact; a few gradient steps on log p(fixed | moving o Z) + log p(Z) mend
    that, as in semi-amortised variational inference (Kim et al., ICML 2018), here for the mean
    alone.

    Attributes:
        backbone: prepares the images (intensities in [0, 1]) and registers them.
        weights: model folder written by ``training.sir``, or its name in the store; empty for the
            model that comes with the library, trained on synthetic images
            (``models/sir/model.json`` says how, and where it fails).
        start: what Z is added to: "backbone", its registration, so that the network proposes what
            it may have got wrong; "affine", a linear alignment, as in the paper; "none".
        refine: gradient steps on the mean.
        sigma, smoothness: likelihood scale and lambda of the prior, that refine the mean and weigh
            the draws; None takes those that the network was trained with.
        voxels: size of the network's images, about, which are also compared; Z has an eighth of it.
        spacing_mm: their voxel size instead, for a network that knows but one.
        device: "cpu" or "cuda".
    """

    backbone: Backbone
    weights: str = ""
    start: str = "backbone"
    refine: int = 20
    sigma: float | None = None
    smoothness: float | None = None
    voxels: int = 1_000_000
    spacing_mm: float | None = None
    device: str = "cpu"
    name, place = "trained", 1
    title = "A trained network"
    tip = (
        "Around the registration, for images of one modality: comes with UncertainReg, trained "
        "on synthetic images; or one of your own"
    )

    def __post_init__(self) -> None:
        if self.start not in STARTS:
            raise ValueError(f"Start {self.start!r} is not one of {', '.join(STARTS)}.")
        check_target(self.sigma, self.smoothness)
        proposal_folder(self.weights)  # one that is missing is noticed before any work

    def expected_seconds(self, register_s: float) -> float:
        """Time to propose: a registration, one pass of a small network, and the steps."""
        return register_s + 5.0 + 0.2 * self.refine

    def propose(
        self,
        fixed: Image,
        moving: Image,
        generator: np.random.Generator,
        on_progress: OnProgress = ignore,
    ) -> Proposal:
        """The proposal of two prepared images."""
        import torch

        from ...gaussian import StructuredGaussian
        from ...networks.sir_unet import MULTIPLE, stable
        from ...networks.target import climb

        reseed(self.backbone, generator)
        grid = (
            fixed.grid.at_most(self.voxels)
            if self.spacing_mm is None
            else fixed.grid.at_spacing(self.spacing_mm)
        )
        grid = grid.resized([-(-n // MULTIPLE) * MULTIPLE for n in grid.shape])
        half = grid.resized([n // 2 for n in grid.shape])
        start, average = self._start(fixed, moving), self._made_of.get("sigma_alpha")
        proposal = Proposal(None, half, start, grid, *self._sigma_and_smoothness(), average)
        moved, seen = (
            torch.as_tensor(image.resample(grid).array, dtype=torch.float32, device=self.device)[
                None, None
            ]
            for image in (proposal.seen(moving), fixed.to_numpy())
        )
        with torch.no_grad():
            q = proposal_network(self.weights).to(self.device).eval()(moved, seen)
        mean = climb(
            proposal.target(fixed, moving, self.device),
            q.mean,
            self.refine,
            lambda step: on_progress("Refining the mean", step, self.refine),
        )
        return replace(proposal, gaussian=StructuredGaussian(mean, stable(q.factor), q.low_rank))

    @cached_property
    def _made_of(self) -> dict:
        """How the network was trained, as its model folder says."""
        return read_model(proposal_folder(self.weights))["provenance"]

    def _sigma_and_smoothness(self) -> tuple[float, float]:
        trained = {**TRAINED_WITH, **self._made_of.get("settings", {})}
        given = {"sigma": self.sigma, "smoothness": self.smoothness}
        return tuple(trained[name] if own is None else own for name, own in given.items())

    def _start(self, fixed: Image, moving: Image) -> DisplacementField | None:
        from ...backbones.linear import affine_alignment, after

        if self.start == "backbone":
            return self.backbone.register(fixed, moving).resample(fixed.grid)
        if self.start == "none":
            return None
        return after(affine_alignment(fixed.to_numpy(), moving.to_numpy()), identity(fixed.grid))


def proposal_folder(weights: str) -> Path:
    """The model folder of a proposal network.

    Args:
        weights: the folder or a file in it, or its name in the store; empty for the shipped model.

    Raises:
        ValueError: there is none, or it is a model of another kind.
    """
    path = Path(weights).expanduser()
    name = str(path.parent) if path.suffix == ".pt" else weights
    folder = folder_of(name) if weights else SHIPPED
    if folder is None and path.is_file():
        raise ValueError(
            f"'{path}' lies in no model folder: there is no model.json beside it. A "
            "file of an earlier version is not read; run its `train sir` again, which "
            "ends at once if its checkpoint.pt is there, and give the folder."
        )
    if folder is None:
        raise ValueError(
            f"There are no weights of a proposal network at '{weights}'; give a model "
            "folder as 'weights' (train one with: train sir), or use the source "
            "'seeded'."
        )
    kind = read_model(folder)["kind"]
    if kind != "sir":
        raise ValueError(
            f"'{folder}' is a model of the kind {kind}, no proposal network; train "
            "one with: train sir."
        )
    return folder


def proposal_network(weights: str) -> SirUNet:
    """The network of a model folder, see `proposal_folder`; on the CPU.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    from ...networks.sir_unet import SirUNet

    folder = proposal_folder(weights)
    manifest = read_model(folder)
    network = SirUNet(**manifest["network"])
    try:
        network.load_state_dict(read_weights(folder, manifest)["proposal"])
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"The weights of {folder} do not fit its network: {error}") from error
    return network
