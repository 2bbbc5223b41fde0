"""What the studies on one image have in common: settings, and the cases still to compute."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..backbones.failures import FAILURES, TooManyFailedError, check_finite, out_of_memory, sentence
from ..backbones.registry import backbone_class, create
from ..contracts import Backbone, Each, OnRegistration, Sampler, Study, one_by_one
from ..environment import choose_device
from ..geometry import DisplacementField, Image, read_image, read_segmentation, warp_labels
from ..geometry.files import check_overlap
from ..geometry.foreground import patient
from ..randomness import numpy_generator
from ..samplers import create_sampler
from .disagreement import Disagreement, disagreement
from .rows import Rows
from .simulate import seen

Unit = tuple[str, dict, list[str]]  # of `ImageStudy.missing`
KEY = ("image", "backbone", "case", "number", "map", "samples", "seed")
GROUP = ("image", "backbone", "case", "map")
RESIDUAL = "image residual"  # the one-pass baseline beside the maps of the families


@dataclass
class ImageStudy(Study):
    """A study that deforms one real image.

    Attributes:
        image: a real image (numpy).
        name: what its rows are called.
        out: folder for rows.csv and what is made of it.
        cases: kinds of simulated pairs; see the study.
        labels: segmentation of the image; its foreground is the region of interest. None takes
            the body (`foreground.patient`).
        backbone, backbone_settings: registration method, as in a job.
        families: perturbation families, see `sampler_of`.
        samples: registrations a map.
        repeats: random pairs of every kind; a kind that is a file counts once.
        seed: of everything random.
        device: "cpu" or "cuda".
        failed: a sentence for each pair that could not be registered, and each map.

    Raises:
        ValueError: too few samples or repeats for any row.
    """

    image: Image
    name: str
    out: Path
    cases: tuple[str, ...]
    labels: Image | None = None
    backbone: str = "demons"
    backbone_settings: dict = field(default_factory=dict)
    families: tuple[str, ...] = ("translation", "scale", "deform")
    samples: int = 16
    repeats: int = 3
    seed: int = 1
    device: str = "cpu"
    failed: list[str] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise ValueError(f"samples is {self.samples}; a study needs at least 2.")
        if self.repeats < 1:
            raise ValueError(f"repeats (--warps) is {self.repeats}; a study needs at least 1.")

    @classmethod
    def add_image_arguments(
        cls, parser: ArgumentParser, option: str, cases: tuple[str, ...], choices: str
    ) -> None:
        """The image, where it is judged, and the cases, which have an option of the study's name.

        Args:
            cases: those taken unless told otherwise; choices: all, in words.
        """
        parser.add_argument("--image", required=True, help="a real image; it is deformed")
        region = parser.add_mutually_exclusive_group()
        region.add_argument(
            "--labels", default="", help="its segmentation: judge inside its labels"
        )
        region.add_argument(
            "--roi",
            default="body",
            choices=("body",),
            help="judge inside the largest component above a threshold [body]",
        )
        parser.add_argument(
            f"--{option}",
            dest="cases",
            nargs="+",
            default=list(cases),
            help=f"{choices} [{' '.join(cases)}]",
        )

    @staticmethod
    def add_repeats(parser: ArgumentParser) -> None:
        """How often each kind of pair is drawn."""
        parser.add_argument("--warps", type=int, default=3, help="random pairs of every kind [3]")

    @classmethod
    def of(cls, options: Namespace, say: Callable[[str], None]) -> ImageStudy:
        """The study that the options describe.

        Raises:
            ValueError: a setting or a file cannot be used.
        """
        image = read_image(options.image, say)
        labels = read_segmentation(options.labels, say).foreground() if options.labels else None
        if labels is not None:
            check_overlap(image.grid, labels.grid, options.image, options.labels)
        return cls(
            image,
            options.name or stem(options.image),
            Path(options.out),
            cls.cases_of(options, image, say),
            labels,
            repeats=options.warps,
            **settings_of(options),
        )

    @classmethod
    def cases_of(
        cls, options: Namespace, image: Image, say: Callable[[str], None]
    ) -> tuple[str, ...]:
        """The cases that were asked for."""
        return tuple(options.cases)

    def rows(self) -> Rows:
        """The rows computed so far.

        Raises:
            ValueError: the folder holds another table.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        return Rows(self.out / "rows.csv", KEY)

    def missing(self, rows: Rows) -> list[Unit]:
        """Pairs that lack a row: the case, the columns that name the pair, and its maps."""
        settings = json.dumps(self.backbone_settings) if self.backbone_settings else ""
        todo = []
        for case in self.cases:
            file = bool(Path(case).suffix)
            for number in range(1 if file else self.repeats):
                pair = {
                    "image": self.name,
                    "backbone": f"{self.backbone} {settings}".strip(),
                    "case": Path(case).stem if file else case,
                    "number": number,
                    "samples": self.samples,
                    "seed": self.seed,
                }
                maps = [
                    name for name in (RESIDUAL, *self.families) if {**pair, "map": name} not in rows
                ]
                if maps:
                    todo.append((case, pair, maps))
        return todo

    def registrations(self) -> int:
        """How many registrations of one pair for every missing map are still to do."""
        return sum(
            1 + self.samples * len(set(maps) - {RESIDUAL})
            for _, _, maps in self.missing(self.rows())
        )

    def run(self, advance: OnRegistration = lambda text: None, each: Each = one_by_one) -> Rows:
        """Compute what is missing; returns all rows of rows.csv, with table.txt beside.

        Raises:
            ValueError: a setting or a file cannot be used.
        """
        rows = self.rows()
        each(self, self.missing(rows), rows.add, advance)
        return self.finish(rows)

    def in_words(self, unit: Unit) -> str:
        """The pair, as in ``failed``."""
        return named(unit[1])

    def made_backbone(self) -> Backbone:
        """The registration method, anew for each unit: what a stochastic one draws depends on how
        often it was asked before."""
        return create(self.backbone, self.device, **self.backbone_settings)

    def generator(self, pair: dict, name: str = "") -> np.random.Generator:
        """The random numbers of a pair, or of one map of it: the same in whatever order."""
        return numpy_generator(self.seed, "study", pair["case"], pair["number"], name)

    def register(
        self, backbone: Backbone, pair: dict, fixed: Image, moving: Image
    ) -> tuple[Image, Image, DisplacementField] | None:
        """The prepared images and their registration; None where it fails, as ``failed`` says."""
        try:
            prepared = backbone.prepare(fixed, moving)
            registration = backbone.register(*prepared)
            check_finite(registration)
        except FAILURES as error:
            if out_of_memory(error):
                raise
            self._fails(pair, f"the pair could not be registered ({sentence(error)})")
            return None
        return *prepared, registration

    def disagreement(
        self, backbone: Backbone, pair: dict, family: str, images: tuple[Image, Image], advance
    ) -> Disagreement | None:
        """The map of a family for prepared images; None where it fails, as ``failed`` says."""
        case = f"{pair['case']} {pair['number']}"
        try:
            return disagreement(
                sampler_of(backbone, family),
                *images,
                self.samples,
                self.generator(pair, family),
                lambda: advance(f"{case}, {family}"),
            )
        except TooManyFailedError as error:
            self._fails(pair, f"there is no map of {family} ({error})")
            return None

    def _fails(self, pair: dict, what: str) -> None:
        self.failed.append(f"{named(pair)}: {what}")

    def finish(self, rows: Rows) -> Rows:
        """Write ``table.txt`` of the rows.

        Raises:
            ValueError: there is none, as every pair failed.
        """
        if self.failed and not rows.all:
            raise ValueError(f"No pair could be judged. {self.failed[-1]}")
        (self.out / "table.txt").write_text(self.table(rows) + "\n", encoding="utf-8")
        return rows

    def region(self, fixed: Image, truth: DisplacementField) -> np.ndarray:
        """Booleans on the grid of ``truth``: the region of interest where the truth is seen.

        Args:
            fixed: the simulated fixed image.
            truth: deformation from it to the image of the study, on the working grid.

        Raises:
            ValueError: nothing is left.
        """
        if self.labels is None:
            region = patient(fixed.resample(truth.grid))
        else:
            region = warp_labels(self.labels, truth).array > 0
        region &= seen(truth, self.image.grid)
        if not region.any():
            raise ValueError(
                f"{self.name}: no voxel of the region of interest is left; give "
                "labels of this image."
            )
        return region


def named(pair: dict) -> str:
    """A pair as people read it."""
    return f"{pair['image']}, {pair['case']} {pair['number']}"


def sampler_of(backbone: Backbone, family: str) -> Sampler:
    """Equivariance under a perturbation family.

    Args:
        family: its name, or its name and settings of its own: ``deform {"fraction": 0.4}``.

    Raises:
        ValueError: no such family or setting, or the settings are no JSON object.
    """
    name, _, text = family.partition(" ")
    try:
        settings = json.loads(text or "{}")
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise ValueError(
            f"{family!r}: after the name of a family comes a JSON object of its settings, such as "
            'deform {"fraction": 0.4}.'
        )
    return create_sampler("equivariance", backbone, name, {"perturbation": settings})


def settings_of(options: Namespace) -> dict:
    """The settings that all studies have, by name."""
    uses_torch = "torch" in backbone_class(options.backbone).facts.packages
    return {
        "backbone": options.backbone,
        "backbone_settings": options.backbone_settings,
        "families": tuple(options.families),
        "samples": options.samples,
        "seed": options.seed,
        "device": choose_device(options.device, uses_torch),
    }


def stem(path: str) -> str:
    """A file name without its endings."""
    return Path(path).name.split(".")[0]
