"""The list of backbones: one file each, found in this folder when they are first asked for.

Every file can be imported without the packages of its backbone (torch comes inside its methods), so
that listing them is cheap and never fails.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from ..contracts import Backbone
from ..plugins import classes_in, to_install
from ..settings import check_settings, defaults
from .facts import Facts
from .models import folder_of, models, own_manifest
from .trained import class_of as trained_class
from .weights import how_to_get, is_stored

FEWEST_VOXELS = 1000  # of a working grid: on fewer no method can be expected to work


@dataclass(frozen=True)
class Entry:
    """One line of the list of backbones; ``to_install`` says what, when not available."""

    name: str
    title: str
    available: bool
    to_install: str
    facts: Facts

    @property
    def packages(self) -> Mapping[str, str]:
        """Python packages it needs: import name -> what pip calls it."""
        return self.facts.packages

    @property
    def lacks_weights(self) -> bool:
        """Whether `backbones install` has not been run for its trained weights yet."""
        return self.facts.weights is not None and not is_stored(self.facts.weights)


class BackboneError(ValueError):
    """A backbone is unknown, or cannot run here; the message says what to do."""


@cache
def known() -> dict[str, type[Backbone]]:
    """The backbones of this folder by name, in the order of their lists; tests' own too."""
    found = classes_in(importlib.import_module(__package__), Backbone, says="facts")
    return {cls.facts.name: cls for cls in found}


def backbone_class(name: str) -> type[Backbone]:
    """The class of a backbone.

    Args:
        name: as in the list, the manifest (.json) of a network of one's own, or the folder of a
            model that was trained here; either may be in the store, under its name there.

    Raises:
        BackboneError: unknown name, or a manifest that cannot be used.
    """
    folder = None if name in known() else folder_of(name)
    if folder is not None:
        return trained_class(folder)
    manifest = None if name in known() else own_manifest(name)
    if manifest is not None:
        from .torchscript import class_of

        return class_of(str(manifest))
    if name.endswith((".pt", ".pth", ".pt2", ".onnx")):
        raise BackboneError(
            f"{name} is the file of a network: give its manifest (.json), see Docs/own-network.md."
        )
    if name not in known():
        raise BackboneError(
            f"Unknown backbone {name!r}; choose one of {', '.join(_listed())}, the "
            "manifest (.json) of a network of your own, or the folder of a model "
            "that you trained."
        )
    return known()[name]


def listing() -> list[Entry]:
    """All backbones a user can choose, in order, with availability.

    The models of the store come last; one that cannot be read is left out.
    """
    found = [entry(name) for name in _listed()]
    for name in models():
        with contextlib.suppress(ValueError):
            found.append(entry(name))
    return found


def _listed() -> list[str]:
    return [name for name, cls in known().items() if cls.listed]


def entry(name: str) -> Entry:
    """The list entry of one backbone."""
    facts = backbone_class(name).facts
    needed = _needs(facts)
    return Entry(name, facts.title, not needed, needed, facts)


def create(name: str, device: str = "cpu", **parameters) -> Backbone:
    """A backbone ready to use.

    Args:
        name: as in the list.
        device: "cpu" or "cuda"; passed on to backbones that have a ``device``.
        parameters: settings of the backbone's class.

    Raises:
        BackboneError: unknown name or setting, a setting of a wrong kind or with too few voxels,
            or a package or weights are missing.
    """
    cls = backbone_class(name)
    needed = _needs(cls.facts, bool(parameters.get("weights")))
    if needed:
        raise BackboneError(f"Backbone {name!r} is not installed: {needed}")
    settings = defaults(cls)
    try:
        check_settings(f"Backbone {name!r}", parameters, settings)
    except ValueError as error:
        raise BackboneError(str(error)) from None
    if parameters.get("voxels", FEWEST_VOXELS) < FEWEST_VOXELS:
        raise BackboneError(
            f"Backbone {name!r}: voxels is {parameters['voxels']}; give the size "
            f"of the working grid, {FEWEST_VOXELS} voxels or more."
        )
    if "device" in settings:
        parameters.setdefault("device", device)
    return cls(**parameters)


def _needs(facts: Facts, has_weights: bool = False) -> str:
    """What to do before this backbone can run; empty when it can."""
    packages = to_install(facts.packages)
    if packages:
        return packages
    missing = facts.missing_commands()
    if missing:
        return f"the program {missing[0]} is not on the PATH: install {facts.commands[missing[0]]}."
    if facts.weights is not None and not has_weights and not is_stored(facts.weights):
        return f"install its weights: {how_to_get(facts.weights, facts.name)}"
    return ""
