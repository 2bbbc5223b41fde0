"""Training of registration with predictive and empirical uncertainty.

Gong et al., "Uncertainty Learning towards Unsupervised Deformable Medical Image Registration",
WACV 2022.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..memory import keep_freed_memory
from ..networks.displacement import DisplacementNet, Prediction
from ..randomness import numpy_generator, seed_of, torch_seeded
from .loop import descend, fixed_threads, mixed_precision, run_steps
from .losses import check_norm, laplace_nll, nlcc, one_hot, smoothness, soft_dice
from .model_folder import provenance, save_model
from .synthetic import Pair
from .validation import validate

ENSEMBLES = ("", "bootstrap", "dropout", "snapshot")
LOST = 0.75  # of the overlap of the images as they lie: no training that works ends below
# between a checkpoint and going on
MAY_CHANGE = (
    "steps",
    "members",
    "first_cycle",
    "save_every",
    "validate_every",
    "stop_after",
    "device",
)


@dataclass(frozen=True)
class GongTraining:
    """How to train (defaults: the paper, section 4.1).

    Attributes:
        predictive: with the uncertainty head u and the refinement R ("Ours" of the paper).
        ensemble: "" for one network, "bootstrap", "dropout" or "snapshot".
        network: settings of `DisplacementNet`, such as {"backbone": "transmorph"}.
        steps: of each network; the paper's 200 epochs of 208 images.
        batch: pairs a step; on a CPU two cost little more than one.
        learning_rate: of Adam; window: of NLCC, voxels.
        smoothness, uncertainty_weight: weights of ||grad φ||² and of Eq. 6.
        norm: of which ||grad φ||², see `losses.smoothness`.
        dropout: probability, after the encoder's last convolution.
        members: networks of an ensemble; share: of the images that a bootstrap member sees.
        cycles, snapshot_rate: of the snapshot ensemble's learning rate (Eq. 8), by SGD.
        first_cycle: no snapshot of an earlier cycle is chosen; for short trainings, whose first
            cycles have not learnt to register.
        save_every, validate_every: steps between checkpoints, and between looks at the pairs for
            validation.
        stop_after: steps of a network after which to pause, see `run_steps`.
    """

    predictive: bool = False
    ensemble: str = ""
    network: dict = field(default_factory=dict)
    steps: int = 41_600
    batch: int = 1
    learning_rate: float = 1e-4
    window: int = 5
    smoothness: float = 0.01
    norm: str = "mean"
    uncertainty_weight: float = 0.1
    dropout: float = 0.1
    members: int = 8
    share: float = 0.9
    cycles: int = 20
    snapshot_rate: float = 0.1
    first_cycle: int = 0
    save_every: int = 500
    validate_every: int = 500
    stop_after: int | None = None
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_norm(self.norm)
        if self.ensemble not in ENSEMBLES:
            raise ValueError(
                f"Ensemble {self.ensemble!r} is not one of {', '.join(ENSEMBLES[1:])}."
            )
        left = math.ceil(self.steps / max(math.ceil(self.steps / self.cycles), 1))
        if self.ensemble == "snapshot" and self.members > left - self.first_cycle:
            raise ValueError(
                f"{self.members} snapshots need as many cycles; {self.steps} steps in "
                f"{self.cycles} cycles leave {left - self.first_cycle}."
            )

    @property
    def kind(self) -> str:
        """Of the model folder."""
        return self.ensemble or ("predictive" if self.predictive else "voxelmorph")


def gong_loss(
    config: GongTraining,
    found: Prediction,
    fixed: Tensor,
    truth: Tensor | None,
    inside: Tensor | None = None,
) -> tuple[Tensor, dict[str, float]]:
    """L_reg + 0.1 L_uncert (Eq. 4 and 6), and its parts for the log.

    Without segmentations (``truth`` None) Eq. 6 learns the image residual |A∘φ - B| instead of the
    label error. Padding is disregarded (section 4.1): only voxels ``inside`` count, (B, 1, Z, Y, X).
    """
    parts = {
        "nlcc": nlcc(found.image, fixed, config.window, inside),
        "smoothness": smoothness(found.displacement, config.norm),
    }
    loss = config.smoothness * parts["smoothness"] - parts["nlcc"]
    error = found.image - fixed
    if truth is not None:
        seen = 1.0 if inside is None else inside.to(truth)
        parts["dice"] = soft_dice(found.memberships * seen, truth * seen)
        loss = loss - parts["dice"]
        error = found.memberships - truth
    if found.log_scale is not None:
        parts["uncertainty"] = laplace_nll(error, found.log_scale, inside)
        loss = loss + config.uncertainty_weight * parts["uncertainty"]
    return loss, {name: float(value.detach()) for name, value in parts.items()}


def cyclic_rate(step: int, steps: int, cycles: int, rate: float) -> float:
    """Eq. 8: a cosine from ``rate`` towards 0 in each cycle; step from 0, so t = step + 1."""
    length = math.ceil(steps / cycles)
    return 0.5 * rate * (math.cos(math.pi * (step % length) / length) + 1)


class Snapshots:
    """The weights at the end of each cycle; part of a checkpoint."""

    def __init__(self) -> None:
        self.taken: list[dict] = []

    def take(self, network: torch.nn.Module) -> None:
        """Keep a copy of the weights."""
        self.taken.append({k: v.detach().clone() for k, v in network.state_dict().items()})

    def state_dict(self) -> dict:
        """For a checkpoint."""
        return {str(index): weights for index, weights in enumerate(self.taken)}

    def load_state_dict(self, state: dict) -> None:
        """From a checkpoint."""
        self.taken = [state[str(index)] for index in range(len(state))]


def train_gong(
    config: GongTraining,
    pairs,
    out: str | Path,
    progress: bool = True,
    on_step: Callable[[dict], None] | None = None,
    licence: str = "not stated",
    validation=None,
) -> Path:
    """Train one network or an ensemble, or resume where it stopped; returns its ``model.json``.

    A bootstrap ensemble has a folder for each member inside ``out``, others train in ``out``.

    Args:
        pairs: `folder.FolderPairs` or `listed.ListedPairs`; a bootstrap member sees a part of the
            images of a folder, or of the pairs of a list.
        licence: of the images, for the model's provenance.
        validation: `listed.ListedPairs` that no step sees, see `validation.validate`; or None.

    Raises:
        ValueError, FloatingPointError, Paused: see `run_steps`.
    """
    out = Path(out)
    classes = pairs.label_values()
    values = (0, *classes) if classes else ()
    if config.ensemble == "bootstrap":
        weights = {}
        with fixed_threads():
            for m in range(config.members):
                rng = numpy_generator(config.seed, "images of a member", m)
                count = max(2, round(config.share * len(pairs)))
                seen = np.sort(rng.choice(len(pairs), count, replace=False))
                network, _, threads = _train_one(
                    config,
                    pairs.only(seen),
                    values,
                    seed_of(config.seed, "member", m),
                    out / f"member-{m}",
                    progress,
                    on_step,
                    validation,
                )
                weights[f"member-{m}"] = network.state_dict()
                torch.set_num_threads(threads)  # the other members as the first one
    else:
        network, snapshots, threads = _train_one(
            config, pairs, values, config.seed, out, progress, on_step, validation
        )
        weights = {"member-0": network.state_dict()}
        if config.ensemble == "snapshot":
            rng = numpy_generator(config.seed, "choice of snapshots")
            late = np.arange(config.first_cycle, len(snapshots.taken))
            chosen = np.sort(rng.choice(late, config.members, replace=False))
            weights = {f"cycle-{c}": snapshots.taken[c] for c in chosen.tolist()}
    loss = f"-NLCC {config.window}^3 + {config.smoothness} smoothness"
    loss += " - soft Dice" * bool(classes)
    loss += f" + {config.uncertainty_weight} Laplace NLL" * config.predictive
    made_of = provenance(
        pairs.files,
        steps=config.steps,
        seed=config.seed,
        threads=threads,
        loss=loss,
        licence=licence,
        labels=list(classes),
        settings=asdict(config),
    )
    return save_model(
        out,
        config.kind,
        network.settings,
        weights,
        pairs.shape,
        pairs.spacing_mm,
        pairs.intensity,
        made_of,
        pairs.axes,
    )


def _train_one(
    config: GongTraining,
    pairs,
    values: tuple[int, ...],
    seed: int,
    out: Path,
    progress: bool,
    on_step,
    validation,
) -> tuple[DisplacementNet, Snapshots, int]:
    """One network, and its threads; ``values`` are the labels with the background, or nothing."""
    keep_freed_memory()
    with torch_seeded(seed, "initial weights"):
        network = DisplacementNet(
            **config.network,
            dropout=config.dropout if config.ensemble == "dropout" else 0.0,
            ndim=2 if pairs.shape[0] == 1 else 3,
            classes=max(len(values), 1) if config.predictive else 0,
            refine=config.predictive and bool(values),
        ).to(config.device)
    cyclic, snapshots = config.ensemble == "snapshot", Snapshots()
    optimiser = (
        torch.optim.SGD(network.parameters(), config.snapshot_rate)
        if cyclic
        else torch.optim.Adam(network.parameters(), config.learning_rate)
    )
    length = math.ceil(config.steps / config.cycles)

    def step(n: int) -> dict:
        drawn = [
            pairs.pair(seed_of(seed, "training pair", n * config.batch + i), config.device)
            for i in range(config.batch)
        ]
        moving, fixed = (
            torch.cat([getattr(pair, name) for pair in drawn]) for name in ("moving", "fixed")
        )
        moving_labels, truth = (
            one_hot(torch.cat([getattr(pair, name) for pair in drawn]), values) if values else None
            for name in ("moving_labels", "fixed_labels")
        )
        if cyclic:
            rate = cyclic_rate(n, config.steps, config.cycles, config.snapshot_rate)
            optimiser.param_groups[0]["lr"] = rate
        with mixed_precision(config.device):
            found = network.predict(moving, fixed, moving_labels)
        loss, log = gong_loss(config, found, fixed, truth, _inside(drawn))
        log["loss"] = descend(loss, optimiser)
        if values and n + 1 == config.steps:
            before = float(soft_dice(moving_labels, truth))
            if log["dice"] < LOST * before:
                log["warning"] = (
                    f"The training was lost: in its last step structures overlap in {log['dice']:.2f}, "
                    f"and in {before:.2f} where the images lie. Lower the learning rate (of snapshots: "
                    "--snapshot-rate), or take another seed."
                )
        if cyclic and ((n + 1) % length == 0 or n + 1 == config.steps):
            snapshots.take(network)
        return log

    def on_held_out() -> dict:
        network.eval()  # dropout is all that it changes
        found = validate(network, validation, config.device)
        network.train()
        return found

    free = [name for name in MAY_CHANGE if not (cyclic and name == "steps")]
    settings = {k: v for k, v in asdict(config).items() if k not in free and k != "seed"}
    state = {"network": network, "optimiser": optimiser, "snapshots": snapshots}
    threads = run_steps(
        step,
        state,
        config.steps,
        out,
        {**settings, **pairs.record(), "labels": list(values)},
        seed=seed,
        save_every=config.save_every,
        stop_after=config.stop_after,
        validate=None if validation is None else on_held_out,
        validate_every=config.validate_every,
        progress=progress,
        on_step=on_step,
    )
    return network, snapshots, threads


def _inside(drawn: list[Pair]) -> Tensor | None:
    """Where the pairs of a step are not padded; None: everywhere."""
    if all(pair.inside is None for pair in drawn):
        return None
    everywhere = torch.ones_like(drawn[0].fixed, dtype=torch.bool)
    return torch.cat([everywhere if pair.inside is None else pair.inside for pair in drawn])


def nearest_atlas(fixed: Tensor, images: Iterable[Tensor], window: int = 5) -> int:
    """The number of the training image most like a fixed image by NLCC (section 4.2.1).

    Args:
        fixed: (1, 1, Z, Y, X); images: of the same shape, prepared alike.
    """
    return int(np.argmax([float(nlcc(image, fixed, window)) for image in images]))
