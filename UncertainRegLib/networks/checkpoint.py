"""Reading files of trained weights, never executing what is in them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

WRAPPERS = ("state_dict", "model_state", "model_state_dict", "model")


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a torch checkpoint; optimiser states and counters are left behind.

    Raises:
        ValueError: the file is damaged, holds more than tensors, or holds no state dict.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, zip and unpickling each raise errors of their own
        raise ValueError(
            f"{path} cannot be read as a file of weights (it is damaged, or holds more than "
            f"plain tensors): {str(error).splitlines()[0]}"
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{path} holds no state dict.")
    tensors = {name.removeprefix("module."): value for name, value in content.items()
               if isinstance(value, Tensor)}
    if len(tensors) != len(content):
        raise ValueError(f"{path} holds other things than named tensors.")
    return tensors
