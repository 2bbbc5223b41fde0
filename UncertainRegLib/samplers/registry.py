"""The list of methods: ways of asking "what else could it be?"."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from ..perturbations import family
from ..settings import check_settings, defaults
from .dropout import Dropout
from .ensemble import Ensemble
from .equivariance import Equivariance
from .predictive import Predictive
from .proposals import EquivarianceSeeded, Optimised, Trained
from .sample import OnProgress, ignore
from .sir import SIR

METHODS = {"equivariance": "Equivariance under perturbations", "sir": "Structured SIR",
           "mc-dropout": "Repeated draws (MC dropout)", "ensemble": "Ensemble",
           "predictive": "Predictive", "image-noise": "Image noise",
           "correspondence-score": "Correspondence score"}
# Methods that need a model made for them, and how one comes by it
TRAINED = {"ensemble": "`train bootstrap` or `train snapshot`",
           "predictive": "`train predictive`", "image-noise": "`train heteroscedastic`",
           "correspondence-score": "`train adacs`"}
CLASSES = {"equivariance": Equivariance, "mc-dropout": Dropout, "ensemble": Ensemble,
           **dict.fromkeys(("predictive", "image-noise", "correspondence-score"), Predictive)}
DRAWS_PER_PERTURBATION = 2  # of a stochastic backbone: enough to tell spread and jitter apart
PACKAGES = {"sir": ("torch",)}  # beyond what the backbone needs
SOURCES = {source.name: source for source in (Trained, EquivarianceSeeded, Optimised)}
DEFAULT_SOURCE = Trained.name
NOT_SETTINGS = {"backbone", "proposal", "family", "device", "on_progress"}


@dataclass(frozen=True)
class Method:
    """One line of the list of methods; ``remedy`` says what to install when not available."""

    name: str
    title: str
    packages: tuple[str, ...]

    @property
    def remedy(self) -> str:
        """What to do before this method can run; empty when it can (nothing is imported)."""
        missing = [name for name in self.packages if importlib.util.find_spec(name) is None]
        return f"install the Python package {' and '.join(missing)}." if missing else ""

    @property
    def available(self) -> bool:
        """Whether it can run here."""
        return not self.remedy


def method(name: str) -> Method:
    """The list entry of one method.

    Raises:
        ValueError: unknown name.
    """
    if name not in METHODS:
        raise ValueError(f"Unknown method {name!r}; choose one of {', '.join(METHODS)}.")
    return Method(name, METHODS[name], PACKAGES.get(name, ()))


def listing(facts=None) -> list[Method]:
    """All methods, in order, with availability and remedy.

    Args:
        facts: of a backbone; leaves out the methods that do not work with it.
    """
    return [method(name) for name in METHODS if facts is None or not misfit(name, facts)]


def misfit(name: str, facts) -> str:
    """Why a method does not work with a backbone, in one sentence; empty when it does."""
    if name in TRAINED and name not in facts.methods:
        return (f"{facts.title} was not trained for the method {name}; choose a model made by "
                f"{TRAINED[name]}.")
    if name == "mc-dropout" and not facts.stochastic:
        return (f"{facts.title} gives the same answer every time, so that repeating it shows "
                "nothing; choose a backbone with dropout, or the method equivariance.")
    return ""


def create_sampler(name: str, backbone, perturbation: str, parameters: dict, device: str = "cpu",
                   on_progress: OnProgress = ignore):
    """A sampler for a backbone.

    Args:
        name: method, from METHODS.
        backbone: see ``backbones``.
        perturbation: name of a family, for methods that perturb.
        parameters: settings: "perturbation" and "method" are dictionaries. Those of "sir" are
            "source" (one of SOURCES; default "trained") and the fields of `SIR` and of the source.
        device: "cpu" or "cuda", for methods that compute on their own.
        on_progress: told of work before the first sample; what it raises ends the sampling.

    Raises:
        ValueError: unknown method, family or setting, a package is missing, or the backbone
            does not work with this method.
    """
    remedy = method(name).remedy
    if remedy:
        raise ValueError(f"Method {name!r} is not installed: {remedy}")
    unfit = misfit(name, backbone.facts)
    if unfit:
        raise ValueError(unfit)
    tau = family(perturbation, **parameters.get("perturbation", {}))
    settings = parameters.get("method", {})
    if name == "sir":
        return _sir(backbone, tau, device, on_progress, settings)
    cls = CLASSES[name]
    check_settings(f"Method {name!r}", settings, defaults(cls, hidden=NOT_SETTINGS))
    if cls is not Equivariance:
        return cls(backbone, **settings)
    if backbone.facts.stochastic:
        settings = {"draws_per_perturbation": DRAWS_PER_PERTURBATION, **settings}
    return Equivariance(backbone, tau, **settings)


def _sir(backbone, tau, device: str, on_progress: OnProgress, settings: dict) -> SIR:
    source = settings.get("source", DEFAULT_SOURCE)
    if source not in SOURCES:
        raise ValueError(f"Unknown source {source!r} of proposals; choose one of "
                         f"{', '.join(SOURCES)}.")
    of_source, of_sir = (defaults(cls, hidden=NOT_SETTINGS) for cls in (SOURCES[source], SIR))
    check_settings(f"Method 'sir' with source {source!r}", settings,
                   {"source": DEFAULT_SOURCE, **of_source, **of_sir})
    mine = {name: settings[name] for name in set(of_source) & set(settings)}
    if source == "seeded":
        mine["family"] = tau
    proposal = SOURCES[source](backbone, device=device, **mine)
    rest = {name: settings[name] for name in set(of_sir) & set(settings)}
    return SIR(proposal, device=device, on_progress=on_progress, **rest)
