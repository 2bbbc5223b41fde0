"""Ways of asking "what else could it be?": each yields samples of the registration."""

from .dropout import Dropout
from .equivariance import Equivariance
from .registry import METHODS, create_sampler, listing, method
from .sample import Sample

__all__ = ["METHODS", "Dropout", "Equivariance", "Sample", "create_sampler", "listing", "method"]
