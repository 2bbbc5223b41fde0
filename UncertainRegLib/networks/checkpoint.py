"""Reading files of trained weights, never executing what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

WRAPPERS = ("state_dict", "model_state", "model_state_dict", "model")


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a torch checkpoint; optimiser states and counters are left behind.

    Raises:
        ValueError: the file is damaged, holds more than tensors, or holds no state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} does not exist.")
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty; copy or download it again.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, zip and unpickling each raise errors of their own
        reason = (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0]
        raise ValueError(
            f"{path} cannot be read as a file of weights (it is damaged, of another program, or "
            f"holds more than plain tensors): {reason}"
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{path} holds no state dict.")
    tensors = {
        name.removeprefix("module."): value
        for name, value in content.items()
        if isinstance(value, Tensor)
    }
    if len(tensors) != len(content):
        raise ValueError(f"{path} holds other things than named tensors.")
    return tensors


def load_state(network: nn.Module, state: dict[str, Tensor], what: str) -> None:
    """Give a network its weights.

    Raises:
        ValueError: names or shapes are not those of the network; the sentence names the first
            layer that differs, and ``what`` the weights should have been.
    """
    wanted = network.state_dict()
    for name in sorted(wanted.keys() | state.keys()):
        if name not in state:
            problem = f"the layer {name} is missing"
        elif name not in wanted:
            problem = f"there is no layer {name} in that network"
        elif wanted[name].shape != state[name].shape:
            problem = (
                f"the layer {name} has the shape {tuple(state[name].shape)}, not "
                f"{tuple(wanted[name].shape)}"
            )
        else:
            continue
        raise ValueError(f"These are not the weights of {what}: {problem}.")
    network.load_state_dict(state)


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """The file whose content does not fit is named in the sentence of the error."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
