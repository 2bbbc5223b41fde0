"""The list of methods: ways of asking "what else could it be?"."""

from __future__ import annotations

from ..perturbations import family
from .equivariance import Equivariance

METHODS = {"equivariance": "Equivariance under perturbations"}


def create_sampler(method: str, backbone, perturbation: str, parameters: dict):
    """A sampler for a backbone.

    Args:
        method: name from METHODS.
        backbone: see ``backbones``.
        perturbation: name of a family, for methods that perturb.
        parameters: settings: "perturbation" and "method" are dictionaries.

    Raises:
        ValueError: unknown method, family or setting.
    """
    if method not in METHODS:
        raise ValueError(f"Unknown method {method!r}; choose one of {', '.join(METHODS)}.")
    settings = parameters.get("method", {})
    try:
        return Equivariance(backbone, family(perturbation, **parameters.get("perturbation", {})),
                            **settings)
    except TypeError as error:
        raise ValueError(f"Method {method!r}: {error}.") from None
