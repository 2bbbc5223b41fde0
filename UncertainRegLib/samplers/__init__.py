"""Ways of asking "what else could it be?": each yields samples of the registration."""

from .dropout import Dropout
from .ensemble import Ensemble
from .equivariance import Equivariance
from .predictive import Predictive
from .registry import METHODS, create_sampler, listing, method, misfit
from .sample import Sample

__all__ = ["METHODS", "Dropout", "Ensemble", "Equivariance", "Predictive", "Sample",
           "create_sampler", "listing", "method", "misfit"]
