"""Registration methods, one a file, behind one contract: `contracts.Backbone`.

A model that was trained here (``trained``) may have more, as its ``facts.methods`` say: ``members``
and ``register_member(fixed, moving, index)`` of an ensemble.

================================  ================================================================
registry, facts                   the list of all methods, and what each states of itself
trained, torchscript              networks trained here, and those of one's own, as methods
manifest, network_file            a network of one's own: how to call it, and its file
weights, models                   the store of weights; models and networks of one's own in it
content, prepare, linear          before a classical method: anatomy, intensities, affine start
suited                            before the run: which methods suit the two images
working_grid, brain_network       before a network: its grid, and that of the brain networks
competence, contrast, failures    after it: are shifts followed, contrasts alike; what failed
checks, diagnosis, known_content  `backbones verify`: the checks, their words, what they show
================================  ================================================================

Every other file is a method.
"""

from .facts import Facts, Weights
from .registry import BackboneError, create, entry, listing

__all__ = ["BackboneError", "Facts", "Weights", "create", "entry", "listing"]
