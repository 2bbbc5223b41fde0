"""Registration methods, one a file, behind one contract.

A backbone has ``facts`` and

- ``prepare(fixed, moving) -> (fixed, moving)``: once per pair; resample to the working grids,
  normalise intensities, move to the device;
- ``register(fixed, moving) -> DisplacementField``: on prepared images, of which the moving one may
  have been perturbed; mm LPS, from fixed to moving space, on the working grid.

A model that was trained here (``trained``) may have more, as its ``facts.methods`` say: ``members``
and ``register_member(fixed, moving, index)`` of an ensemble, and ``maps(fixed, moving)`` that its
network predicts, which every run writes beside those of the samples.
"""

from .facts import Facts, Weights
from .registry import BackboneError, create, entry, listing

__all__ = ["BackboneError", "Facts", "Weights", "create", "entry", "listing"]
