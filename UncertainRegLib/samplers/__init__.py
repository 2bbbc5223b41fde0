"""Ways of asking "what else could it be?": each yields samples of the registration."""

from .equivariance import Equivariance
from .sample import Sample

__all__ = ["Equivariance", "Sample"]
