"""The list of methods: ways of asking "what else could it be?", one a file."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass

from ..backbones.facts import Facts
from ..contracts import Backbone, OnProgress, Sampler
from ..perturbations import family
from ..plugins import classes_in, to_install
from .sample import ignore

SAMPLERS = {cls.name: cls for cls in classes_in(importlib.import_module(__package__), Sampler)}


@dataclass(frozen=True)
class Method:
    """One line of the list of methods; ``remedy`` says what to install when not available."""

    name: str
    title: str
    tip: str
    packages: Mapping[str, str]

    @property
    def remedy(self) -> str:
        """What to do before this method can run; empty when it can (nothing is imported)."""
        return to_install(self.packages)

    @property
    def available(self) -> bool:
        """Whether it can run here."""
        return not self.remedy


def sampler_class(name: str) -> type[Sampler]:
    """The class of a method.

    Raises:
        ValueError: unknown name.
    """
    if name not in SAMPLERS:
        raise ValueError(f"Unknown method {name!r}; choose one of {', '.join(SAMPLERS)}.")
    return SAMPLERS[name]


def method(name: str) -> Method:
    """The list entry of one method.

    Raises:
        ValueError: unknown name.
    """
    cls = sampler_class(name)
    return Method(cls.name, cls.title, cls.tip, cls.packages)


def listing(facts: Facts | None = None) -> list[Method]:
    """All methods, in order, with availability and remedy.

    Args:
        facts: of a backbone; leaves out the methods that do not work with it.
    """
    return [
        method(name) for name, cls in SAMPLERS.items() if facts is None or not cls.refuses(facts)
    ]


def create_sampler(
    name: str,
    backbone: Backbone,
    perturbation: str,
    parameters: dict,
    device: str = "cpu",
    on_progress: OnProgress = ignore,
) -> Sampler:
    """A sampler for a backbone.

    Args:
        name: of a method.
        backbone: see ``backbones``.
        perturbation: name of a family, for methods that perturb.
        parameters: settings: "perturbation" and "method" are dictionaries.
        device: "cpu" or "cuda", for methods that compute on their own.
        on_progress: told of work before the first sample; what it raises ends the sampling.

    Raises:
        ValueError: unknown method, family or setting, a package is missing, or the backbone
            does not work with this method.
    """
    cls, remedy = sampler_class(name), method(name).remedy
    if remedy:
        raise ValueError(f"Method {name!r} is not installed: {remedy}")
    refusal = cls.refuses(backbone.facts)
    if refusal:
        raise ValueError(refusal)
    tau = family(perturbation, **parameters.get("perturbation", {}))
    return cls.create(backbone, tau, parameters.get("method", {}), device, on_progress)
