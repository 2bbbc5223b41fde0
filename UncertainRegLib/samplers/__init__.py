"""Ways of asking "what else could it be?": each yields samples of the registration; one a file."""

from .dropout import Dropout
from .ensemble import Ensemble
from .equivariance import Equivariance
from .predictive import Predictive
from .registry import create_sampler, entry, listing, sampler_class
from .sample import Sample

__all__ = [
    "Dropout",
    "Ensemble",
    "Equivariance",
    "Predictive",
    "Sample",
    "create_sampler",
    "entry",
    "listing",
    "sampler_class",
]
