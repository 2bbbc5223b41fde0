"""The list of sampling methods: ways of asking "what else could it be?", one a file."""

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
class Entry:
    """One line of the list of sampling methods."""

    name: str
    title: str
    tip: str
    packages: Mapping[str, str]
    trained_by: str  # how one comes by the models that it needs; empty where any backbone will do
    lacks_weights: bool = False  # those that need any are given them as a setting

    @property
    def to_install(self) -> str:
        """What to install before it can run; empty when it can (nothing is imported)."""
        return to_install(self.packages)

    @property
    def available(self) -> bool:
        """Whether it can run here."""
        return not self.to_install


def sampler_class(name: str) -> type[Sampler]:
    """The class of a sampling method.

    Raises:
        ValueError: unknown name.
    """
    if name not in SAMPLERS:
        raise ValueError(f"Unknown sampling method {name!r}; choose one of {', '.join(SAMPLERS)}.")
    return SAMPLERS[name]


def entry(name: str) -> Entry:
    """The list entry of one sampling method.

    Raises:
        ValueError: unknown name.
    """
    cls = sampler_class(name)
    return Entry(cls.name, cls.title, cls.tip, cls.packages, cls.trained_by)


def listing(facts: Facts | None = None) -> list[Entry]:
    """All methods, in order, with availability.

    Args:
        facts: of a backbone; leaves out the methods that do not work with it.
    """
    return [
        entry(name) for name, cls in SAMPLERS.items() if facts is None or not cls.refuses(facts)
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
        ValueError: unknown sampling method, family or setting, a package is missing, or the backbone
            does not work with this method.
    """
    cls, needed = sampler_class(name), entry(name).to_install
    if needed:
        raise ValueError(f"Sampling method {name!r} is not installed: {needed}")
    refusal = cls.refuses(backbone.facts)
    if refusal:
        raise ValueError(refusal)
    tau = family(perturbation, **parameters.get("perturbation", {}))
    return cls.create(backbone, tau, parameters.get("method", {}), device, on_progress)
