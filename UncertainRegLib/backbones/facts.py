"""Facts about a registration method, shown in the list and kept in every result."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Weights:
    """A file of trained weights.

    Attributes:
        file: name in the weights store.
        url: where it can be fetched (with consent), or "" when only offline import is possible.
        size_bytes: size, 0 when unknown.
        sha256: pinned checksum, or "" to record it on first use.
        licence: licence of the weights.
        page: web page where a person finds the file when it has no url.
    """

    file: str
    url: str
    size_bytes: int
    sha256: str
    licence: str
    page: str = ""


@dataclass(frozen=True)
class Facts:
    """Facts about a backbone, shown in the list and stored in every result.

    Attributes:
        name: what the command line calls it; title: what a person reads.
        anatomy, modality: what it was made for.
        any_brightness: of one contrast, but a gamma or a bias field between the images do not matter.
        compares_structure: and not intensities; between contrasts the nearest of what was tried.
        needs_affine: expects affinely aligned images.
        stochastic: two calls on the same pair differ (dropout, sampled velocity).
        equivariant_to: perturbation families under which its disagreement vanishes by
            construction, so that a small value says nothing.
        code_licence: licence of the method's code.
        packages: Python packages it needs beyond what 3D Slicer ships: import name -> what pip
            calls it.
        commands: programs it needs on the PATH: name -> what to install to have it.
        weights: file of trained weights, or None.
        outside: intensity (on prepared images) beyond the field of view; None repeats the border.
        working_grid: the grid it computes on, in words.
        advice: when to choose it, one sentence of what was measured; lists and the panel show it.
        methods: ways of asking for uncertainty that only models like this one have, see
            ``samplers``.
    """

    name: str
    title: str
    anatomy: str = "any"
    modality: str = "any"
    any_brightness: bool = False
    compares_structure: bool = False
    needs_affine: bool = False
    stochastic: bool = False
    equivariant_to: tuple[str, ...] = ()
    code_licence: str = "Apache-2.0"
    packages: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    weights: Weights | None = None
    outside: float | None = None
    working_grid: str = ""
    advice: str = ""
    methods: tuple[str, ...] = ()

    @property
    def one_contrast(self) -> bool:
        """Made for two images of one contrast, as its ``modality`` says."""
        return "same" in self.modality or self.modality == "T1 MRI"

    def as_dict(self) -> dict:
        """Plain dictionary for ``result.json``."""
        return {**asdict(self), "packages": tuple(self.packages), "commands": tuple(self.commands)}

    def missing_commands(self) -> list[str]:
        """Programs that are needed and not on the PATH."""
        return [name for name in self.commands if shutil.which(name) is None]
