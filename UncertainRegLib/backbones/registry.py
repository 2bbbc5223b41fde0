"""The list of backbones: one file each, imported only when asked for.

Every backbone module can be imported without its packages (torch comes inside its methods), so
that listing them is cheap and never fails.
"""

from __future__ import annotations

import contextlib
import importlib
from dataclasses import dataclass

from ..settings import check_settings, defaults
from .facts import Facts
from .trained import class_of as trained_class
from .trained import folder_of, models
from .weights import is_stored, remedy

# name -> "module:class" in this package
BACKBONES = {
    "demons": "demons:Demons",
    "bspline": "bspline:BSpline",
    "convexadam": "convexadam:ConvexAdam",
    "unigradicon": "unigradicon:UniGradICON",
    "multigradicon": "unigradicon:MultiGradICON",
    "clapirn": "clapirn:ConditionalLapIRN",
    "voxelmorph": "voxelmorph:VoxelMorph",
    "transmorph": "transmorph:TransMorph",
    "transmorph-bayes": "transmorph:TransMorphBayes",
    "synthmorph": "synthmorph:SynthMorphCommand",
    "synthmorph-brains": "synthmorph:SynthMorphBrains",
    "synthmorph-shapes": "synthmorph:SynthMorphShapes",
    "elastix": "elastix:Elastix",
    "ants": "ants:AntsSyN",
    "known-field": "known_field:KnownField",
}
FOR_TESTS = {"known-field"}
# import name -> what pip calls it, where they differ
PIP_NAMES = {"itk": "itk-elastix", "ants": "antspyx"}
FEWEST_VOXELS = 1000  # of a working grid: on fewer no method can be expected to work


@dataclass(frozen=True)
class Entry:
    """One line of the list of backbones; ``remedy`` says what to install when not available."""

    name: str
    title: str
    available: bool
    remedy: str
    facts: Facts


class BackboneError(ValueError):
    """A backbone is unknown, or cannot run here; the message says what to do."""


def backbone_class(name: str):
    """The class of a backbone.

    Args:
        name: as in the list, the manifest (.json) of a network of one's own, or the folder of a
            model that was trained here.

    Raises:
        BackboneError: unknown name, or a manifest that cannot be used.
    """
    folder = None if name in BACKBONES else folder_of(name)
    if folder is not None:
        return trained_class(folder)
    if name.endswith(".json"):
        from .torchscript import class_of

        return class_of(name)
    if name.endswith((".pt", ".pth", ".pt2", ".onnx")):
        raise BackboneError(f"{name} is the file of a network: give its manifest (.json), see "
                            "Docs/own-network.md.")
    if name not in BACKBONES:
        known = ", ".join(n for n in BACKBONES if n not in FOR_TESTS)
        raise BackboneError(f"Unknown backbone {name!r}; choose one of {known}, the manifest "
                            "(.json) of a network of your own, or the folder of a model that you "
                            "trained.")
    module, cls = BACKBONES[name].split(":")
    return getattr(importlib.import_module(f".{module}", __package__), cls)


def listing() -> list[Entry]:
    """All backbones a user can choose, in order, with availability and remedy.

    The models of the store come last; one that cannot be read is left out.
    """
    found = [entry(name) for name in BACKBONES if name not in FOR_TESTS]
    for name in models():
        with contextlib.suppress(ValueError):
            found.append(entry(name))
    return found


def entry(name: str) -> Entry:
    """The list entry of one backbone."""
    facts = backbone_class(name).facts
    needed = _remedy(facts)
    return Entry(name, facts.title, not needed, needed, facts)


def create(name: str, device: str = "cpu", **parameters):
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
    needed = _remedy(cls.facts, bool(parameters.get("weights")))
    if needed:
        raise BackboneError(f"Backbone {name!r} is not installed: {needed}")
    known = defaults(cls)
    try:
        check_settings(f"Backbone {name!r}", parameters, known)
    except ValueError as error:
        raise BackboneError(str(error)) from None
    if parameters.get("voxels", FEWEST_VOXELS) < FEWEST_VOXELS:
        raise BackboneError(f"Backbone {name!r}: voxels is {parameters['voxels']}; give the size "
                            f"of the working grid, {FEWEST_VOXELS} voxels or more.")
    if "device" in known:
        parameters.setdefault("device", device)
    return cls(**parameters)


def _remedy(facts: Facts, has_weights: bool = False) -> str:
    """What to do before this backbone can run; empty when it can."""
    missing = [PIP_NAMES.get(name, name) for name in facts.missing_packages()]
    if missing:
        return f"install the Python package{'s' * (len(missing) > 1)} {' and '.join(missing)}."
    missing = facts.missing_commands()
    if missing:
        return f"the program {missing[0]} is not on the PATH: install FreeSurfer."
    if facts.weights is not None and not has_weights and not is_stored(facts.weights):
        return f"install its weights: {remedy(facts.weights, facts.name)}"
    return ""
