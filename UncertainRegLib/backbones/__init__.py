"""Registration methods, one a file, behind one contract: `contracts.Backbone`.

A model that was trained here (``trained``) may have more, as its ``facts.methods`` say: ``members``
and ``register_member(fixed, moving, index)`` of an ensemble.
"""

from .facts import Facts, Weights
from .registry import BackboneError, create, entry, listing

__all__ = ["BackboneError", "Facts", "Weights", "create", "entry", "listing"]
