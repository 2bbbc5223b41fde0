"""What the parts promise each other: backbones, perturbations, samplers, proposals, studies.

Whoever adds one derives from the contract: what must be there is abstract, what need not be has its
default here. So nobody asks whether an object has an attribute, and a misspelt one is noticed.
Each also says its ``place`` in the lists that people see: lower comes first, then by file.
"""

from __future__ import annotations

from abc import abstractmethod
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from .geometry import DisplacementField, Grid, Image, warp
from .geometry.arrays import Array, namespace
from .settings import check_settings, defaults

if TYPE_CHECKING:  # what the contracts speak of, and what is made by those who keep them
    from .backbones.facts import Facts
    from .backbones.trained import PredictedMap
    from .samplers.proposals.proposal import Proposal
    from .samplers.sample import Sample
    from .studies.rows import Rows

LAST = 1000  # place of what does not say one
OnProgress = Callable[[str, int, int], None]  # what is done, how many of it, of how many
OnRegistration = Callable[[str], None]  # called after every registration with what it was for


class Backbone(Protocol):
    """A registration method; a frozen dataclass of its settings, unless it is stochastic.

    Attributes:
        facts: what it says of itself; a class without facts of its own is in no list.
        listed: whether people can choose it; place: where in the list.
        affine: it estimates an affine map first.
        learned: a network gives the answer, and an affine map before it is none of its making.
        voxels: size of its working grid, about, where that is a setting; else 0.
        coarse_samples: `for_samples` gives a coarser method than its own.
        refinement: of what `for_samples` gives, where it registers more coarsely: what the whole
            method adds to its answer for the pair itself, in mm LPS; it is added to each sample.
        one_core: several of its registrations at the same time, a core each, are quicker than all
            cores for one after the other, and none depends on those before it.
        notes: what had to be decided about the images last prepared, in sentences.
        stream, calls: of a stochastic one: which sampling draws, and how often it did.
    """

    facts: Facts
    listed: ClassVar[bool] = True
    place: ClassVar[int] = LAST
    affine: bool = False
    learned: ClassVar[bool] = False
    voxels: int = 0
    coarse_samples: bool = False
    refinement: DisplacementField | None = None
    one_core: ClassVar[bool] = False
    notes: Sequence[str] = ()
    stream: int = 0
    calls: int = 0

    def prepare(self, fixed: Image, moving: Image) -> tuple[Image, Image]:
        """Once a pair: resampled to the working grids, intensities normalised, on the device."""
        return fixed, moving

    @abstractmethod
    def register(self, fixed: Image, moving: Image) -> DisplacementField:
        """The registration of prepared images, of which the moving one may have been perturbed.

        Returns:
            A displacement field in mm LPS, from fixed to moving space, on the working grid.
        """

    def register_many(self, fixed: Image, moving: Sequence[Image]) -> list[DisplacementField]:
        """`register` for several moving images; a network looks at all of them in one pass. A
        subclass that changes how it registers changes this with it, or it is not asked for many.
        """
        return [self.register(fixed, one) for one in moving]

    def for_samples(self, fixed: Image, moving: Image) -> Backbone:
        """The same, to register perturbed copies of a prepared moving image: what does not depend
        on the perturbation is computed once, here."""
        return self

    def maps(
        self, fixed: Image, moving: Image, labels: Image | None = None
    ) -> dict[str, PredictedMap]:
        """Maps that it predicts for prepared images, by name; every run shows them.

        Args:
            labels: of the moving image, on its grid before the preparation.
        """
        return {}

    def refined_labels(self, fixed: Image, moving: Image, labels: Image) -> Image | None:
        """The moving labels on the grid of the prepared fixed image, where it corrects what
        warping alone gives; None where it does not, or not these labels."""
        return None

    @property
    def one_contrast(self) -> bool:
        """Made for two images of one contrast, as its facts and settings say."""
        return self.facts.one_contrast


class Perturbation(Protocol):
    """One drawn map tau of the moving space; ``facts``: what was drawn, for the record."""

    facts: dict

    @abstractmethod
    def points(self, points: Array) -> Array:
        """tau of LPS mm points (..., 3), exact."""

    @abstractmethod
    def field(self, grid: Grid, like: Array | None = None) -> DisplacementField:
        """tau(x) − x in mm on ``grid``, to warp the moving image with; an array like ``like``."""

    @abstractmethod
    def push(self, field: DisplacementField) -> DisplacementField:
        """tau after phi: the registration ``field`` of the perturbed image, in original space."""

    def perturbed(self, image: Image, outside: float | None) -> Image:
        """The moving ``image`` after tau, on its own grid.

        Args:
            outside: value of places that tau takes out of the image; None repeats its border.
        """
        array, mask = namespace(image.array).empty_like(image.array), None
        if image.mask is not None:
            mask = namespace(image.mask).empty_like(image.mask)
        for here, grid in image.grid.slabs(image.array):
            slab = warp(image, self.field(grid, image.array), outside)
            array[here] = slab.array
            if mask is not None:
                mask[here] = slab.mask
        return Image(array, image.grid, mask)


class Family(Protocol):
    """A family of perturbations; a frozen dataclass of its settings.

    The few numbers of a draw come from a numpy generator, so that one seed gives the same
    perturbations on every device.

    Attributes:
        name: on the command line and in jobs; title, tip: what people read.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    tip: ClassVar[str]
    place: ClassVar[int] = LAST

    @abstractmethod
    def draw(self, grid: Grid, generator: np.random.Generator) -> Perturbation:
        """One perturbation for a moving image on ``grid``."""

    def draws(self, grid: Grid, generator: np.random.Generator) -> Iterator[Perturbation]:
        """Perturbations without end."""
        while True:
            yield self.draw(grid, generator)


class Sampler(Protocol):
    """A way of asking "what else could it be?"; a frozen dataclass of its settings.

    Attributes:
        name: on the command line and in jobs; title, tip: what people read.
        packages: what it needs beyond the backbone: import name -> what pip calls it.
        trained_by: how one comes by the models that it needs; empty where any backbone will do.
        backbone: the registration that is asked.
        family: the perturbations that it uses, or None.
        draws_per_perturbation: samples of one group, see `Sample`.
        parts: with several of them, maps of the disagreement within groups, and between them.
        at_most: samples that there are; None without end.
        memory_mb: what it takes beyond the backbone.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    tip: ClassVar[str]
    place: ClassVar[int] = LAST
    packages: ClassVar[Mapping[str, str]] = {}
    trained_by: ClassVar[str] = ""
    backbone: Backbone
    family: Family | None = None
    draws_per_perturbation: int = 1
    parts: ClassVar[tuple[str, str]] = ("spread_mm", "jitter_mm")
    at_most: int | None = None
    memory_mb: int = 0

    @classmethod
    def refuses(cls, facts: Facts) -> str:
        """Why a backbone cannot be asked this way, in one sentence; empty when it can."""
        if cls.trained_by and cls.name not in facts.methods:
            return (
                f"{facts.title} was not trained for the method {cls.name}; choose a model made "
                f"by {cls.trained_by}."
            )
        return ""

    @classmethod
    def perturbs(cls, settings: Mapping) -> bool:
        """Whether the family of perturbations matters, with these settings."""
        return False

    @classmethod
    def create(
        cls,
        backbone: Backbone,
        family: Family,
        settings: dict,
        device: str,
        on_progress: OnProgress,
    ) -> Sampler:
        """A sampler from the settings that a person gave.

        Args:
            family: to perturb with; device: "cpu" or "cuda", to compute on; on_progress: told of
                work before the first sample. Who does not need them leaves them.

        Raises:
            ValueError: no such setting, or a value that does not fit.
        """
        check_settings(
            f"Sampling method {cls.name!r}", settings, defaults(cls, hidden=("backbone",))
        )
        return cls(backbone, **settings)  # type: ignore[call-arg]  # a dataclass

    def beside_mb(self, voxels: int) -> float:
        """Memory of registrations at the same time, beside one on a grid of so many voxels."""
        return 0.0

    @abstractmethod
    def expected_seconds(self, n: int, register_s: float) -> float:
        """Rough time of n samples, from the time of one registration."""

    @abstractmethod
    def sample(
        self, fixed: Image, moving: Image, n: int, generator: np.random.Generator
    ) -> Iterator[Sample]:
        """n samples (or ``at_most``) for two images that the backbone prepared, one at a time."""


class ProposalSource(Protocol):
    """Where the proposals of importance resampling come from; a frozen dataclass of its settings.

    Attributes:
        name: in settings; title, tip: what people read.
        backbone: prepares the images.
        family: the perturbations that it uses, or None; perturbs: whether it uses any.
        voxels: size of the images that are compared to weigh a proposal, about.
        device: "cpu" or "cuda".
    """

    name: ClassVar[str]
    title: ClassVar[str]
    tip: ClassVar[str]
    place: ClassVar[int] = LAST
    perturbs: ClassVar[bool] = False
    backbone: Backbone
    family: Family | None = None
    voxels: int
    device: str = "cpu"

    @abstractmethod
    def expected_seconds(self, register_s: float) -> float:
        """Rough time to propose, from the time of one registration."""

    @abstractmethod
    def propose(
        self, fixed: Image, moving: Image, generator: np.random.Generator, on_progress: OnProgress
    ) -> Proposal:
        """The proposal of two prepared images."""


class Each(Protocol):
    """Computes the units of a study and keeps what they found: `one_by_one`, or by workers."""

    def __call__(
        self,
        study: Study,
        units: Sequence[Any],
        keep: Callable[[Any], None],
        advance: OnRegistration,
    ) -> None:
        """Hand all that `Study.compute` finds of each unit to ``keep``, in this process."""


def one_by_one(
    study: Study, units: Sequence[Any], keep: Callable[[Any], None], advance: OnRegistration
) -> None:
    """In this process, one unit after the other; kept as soon as it is found."""
    for unit in units:
        for found in study.compute(unit, advance):
            keep(found)


class Study(Protocol):
    """A study of whether the millimetres can be believed; a dataclass of its settings.

    Attributes:
        command: of ``evaluate``; question: what it asks, one line of help.
        families: of perturbations, by name; none where it makes no maps.
        registers: by a method that is chosen with ``--backbone``.
        device: "cpu" or "cuda".
        failed: a sentence for each row that could not be computed.

    It consists of units that do not depend on each other, so that they can be computed in any
    order, and by other processes: `compute` is one of them, `run` keeps what all of them found.
    """

    command: ClassVar[str]
    question: ClassVar[str]
    place: ClassVar[int] = LAST
    families: tuple[str, ...] = ("deform",)
    registers: ClassVar[bool] = True
    device: str = "cpu"
    failed: list[str]

    @classmethod
    @abstractmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Add its own options; those that all studies have (``--out``, ``--samples``, …) follow."""

    @classmethod
    @abstractmethod
    def of(cls, options: Namespace, say: Callable[[str], None]) -> Study:
        """The study that the options describe.

        Args:
            say: takes sentences about what a reader of files had to decide.

        Raises:
            ValueError: a setting or a file cannot be used.
        """

    @abstractmethod
    def registrations(self) -> int:
        """How many are still to do."""

    @abstractmethod
    def compute(self, unit: Any, advance: OnRegistration) -> Iterator[Any]:
        """What is found of one unit, such as its rows; it writes nothing.

        What it gives depends on the unit and the settings alone. A registration that fails is a
        sentence in ``failed``, and the rows that need it are left out.

        Args:
            unit: of those that ``run`` hands out; can be pickled, as the study can.
        """

    @abstractmethod
    def run(self, advance: OnRegistration = lambda text: None, each: Each = one_by_one) -> Rows:
        """Compute what is missing, unit by unit; returns all rows, those of earlier runs included.

        Args:
            each: what computes the units.
        """

    def in_words(self, unit: Any) -> str:
        """What a unit is called where it fails."""
        return str(unit)

    @staticmethod
    @abstractmethod
    def table(rows: Rows) -> str:
        """The summary in words."""

    def pictures(self, rows: Rows) -> list[Path]:
        """Files that it draws of its rows."""
        return []
