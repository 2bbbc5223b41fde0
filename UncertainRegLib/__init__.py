"""Where can a deformable image registration be trusted, in millimetres.

From Python: `map_uncertainty`. Importing this package loads nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .api import Result, map_uncertainty

__version__ = "0.1.0"
__all__ = ["Result", "map_uncertainty"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import api

    return getattr(api, name)
