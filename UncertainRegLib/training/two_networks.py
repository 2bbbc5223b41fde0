"""What the trainings of two networks in turn share: optimisers, checkpoint, model folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from ..memory import keep_freed_memory
from ..randomness import seed_of
from .loop import run_steps
from .model_folder import provenance, save_model
from .validation import validate

# between a checkpoint and going on
MAY_CHANGE = ("steps", "seed", "save_every", "validate_every", "stop_after", "device")


def both_ways(moving: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
    """A batch, and after it the same pairs the other way round: a mean over it is that of both."""
    return torch.cat((moving, fixed)), torch.cat((fixed, moving))


def check_both_ways(wanted: bool, network: dict) -> None:
    """Refuse it where one pass has no way back.

    Raises:
        ValueError: the network is DiffuseMorph.
    """
    if wanted and network.get("backbone") == "diffusemorph":
        raise ValueError(
            "DiffuseMorph steers by the fixed image and has no way back; train it one way."
        )


class TwoNetworks:
    """A displacement network and one that makes a map, each with its own Adam.

    Args:
        kind: of the model folder.
        config: settings, a dataclass with ``learning_rate``, ``batch`` and MAY_CHANGE.
        nets: the networks by name, "displacement" first.
    """

    def __init__(self, kind: str, config, nets: dict[str, nn.Module]) -> None:
        keep_freed_memory()
        self.kind, self.config, self.nets = kind, config, nets
        self.optimisers = {
            name: torch.optim.Adam(net.parameters(), config.learning_rate)
            for name, net in nets.items()
        }

    def draw(self, pairs, n: int) -> tuple[Tensor, Tensor]:
        """Moving and fixed images of step n, (B, 1, Z, Y, X)."""
        config = self.config
        drawn = [
            pairs.pair(seed_of(config.seed, "training pair", n * config.batch + i), config.device)
            for i in range(config.batch)
        ]
        return torch.cat([p.moving for p in drawn]), torch.cat([p.fixed for p in drawn])

    def train(
        self,
        step: Callable[[int], dict],
        pairs,
        out: str | Path,
        loss: str,
        progress: bool,
        on_step,
        licence: str,
        validation=None,
        **state,
    ) -> dict[str, nn.Module]:
        """Run the steps (see `run_steps`), write the model folder, return the networks.

        Args:
            pairs: their files, grid and intensity rule are written into the model.
            loss: in words; licence: of the images, for the model's provenance.
            validation: `listed.ListedPairs` that no step sees, or None.
            state: what else a step changes, by name.
        """
        parts = {**self.nets, **{f"{name}_optimiser": o for name, o in self.optimisers.items()}}
        settings = {k: v for k, v in asdict(self.config).items() if k not in MAY_CHANGE}
        settings |= pairs.record()
        threads = run_steps(
            step,
            {**parts, **state},
            self.config.steps,
            out,
            settings,
            seed=self.config.seed,
            save_every=self.config.save_every,
            stop_after=self.config.stop_after,
            validate=None if validation is None else lambda: self._on_held_out(validation),
            validate_every=self.config.validate_every,
            progress=progress,
            on_step=on_step,
        )
        made_of = provenance(
            pairs.files,
            steps=self.config.steps,
            seed=self.config.seed,
            threads=threads,
            loss=loss,
            licence=licence,
            settings=asdict(self.config),
        )
        save_model(
            out,
            self.kind,
            {name: net.settings for name, net in self.nets.items()},
            {name: net.state_dict() for name, net in self.nets.items()},
            pairs.shape,
            pairs.spacing_mm,
            pairs.intensity,
            made_of,
            pairs.axes,
        )
        return self.nets

    def _on_held_out(self, validation) -> dict:
        return validate(self.nets["displacement"], validation, self.config.device)
