"""Models that were trained here on a list of test pairs: the tables of the learned papers.

Overlap, surface distances and folds of every model on every pair; what its own uncertainty is
worth, by the definition of its paper; and paired comparisons with subjects as the unit. Beside it
stand the images as they lie, and the image residual, which costs no training. Controls such as a
baseline of another smoothness are further models of the list.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from time import perf_counter

import numpy as np

from ..backbones.models import MANIFEST
from ..backbones.trained import TrainedModel, class_of
from ..checksum import sha256_of
from ..contracts import Each, OnRegistration, Study, one_by_one
from ..environment import choose_device
from ..geometry import Image
from ..randomness import numpy_generator
from ..samplers.sample import reseed
from ..training.pairs import FILES, SPLITS, ListedPair, of_split, read_pair_list
from ..training.prepared import SLICES, Source, read_source, slices_of
from .learned_scores import MEASURES, Case, scores
from .learned_tables import NONE, Model, in_words, write_tables
from .rows import Rows

KEY = ("model", "weights", "pair", "files", "labels_from", "slices", "passes", "seed")
PAIR, ATLAS = "the pair", "the nearest atlas"
Unit = tuple[str, str, ListedPair, dict]  # see `Learned.wanted`
PASSES = 8  # members of an ensemble, in Gong et al.


@dataclass
class Learned(Study):
    """Models and pairs.

    Attributes:
        models: name -> model, in the order of the tables; the first is what others are compared to.
        pairs: to judge by.
        out: folder for rows.csv and the tables.
        atlases: images that lend their labels, see `Case`; none: the labels are those of a pair.
        slices: "x", "y" or "z": two-dimensional models see every slice of a volume across that
            axis, and a row is the mean over the slices with labels; empty: see `Preparation`.
        passes: of a model with dropout; seed: of what they draw.
        failed: a sentence for each pair that a model could not be asked about.

    Raises:
        ValueError: no model, or two that are the same training.
    """

    models: dict[str, TrainedModel]
    pairs: list[ListedPair]
    out: Path
    atlases: list[Source] = field(default_factory=list)
    slices: str = ""
    passes: int = PASSES
    seed: int = 1
    device: str = "cpu"
    failed: list[str] = field(default_factory=list, init=False)
    _sums: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    _lenders: dict = field(default_factory=dict, init=False, repr=False)

    command, place = "learned", 4
    question = "how good are trained models, and what is their own uncertainty worth?"
    families = ()
    registers = False

    def __post_init__(self) -> None:
        self.rows_of = {name: Model.of(name, model.manifest) for name, model in self.models.items()}
        seen: dict[tuple, str] = {}
        for name, one in self.rows_of.items():
            other = seen.setdefault((one.key, one.seed), name)
            if other != name:
                raise ValueError(
                    f"{other} and {name} are the same training by all that their {MANIFEST} says; "
                    "leave one out."
                )

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """The models and the list."""
        parser.add_argument(
            "models",
            nargs="+",
            metavar="MODEL",
            help="folders of `train`; the others are compared with the first",
        )
        parser.add_argument(
            "--pairs",
            required=True,
            metavar="CSV",
            help="columns fixed and moving, and of choice fixed_labels and moving_labels, subject, "
            "split, fixed_frame and moving_frame, id",
        )
        parser.add_argument(
            "--split", default="test", choices=SPLITS, help="the lines to judge by [test]"
        )
        parser.add_argument(
            "--atlases",
            action="store_true",
            help="labels come from the training image of the list that is most like the fixed one, "
            "as in Gong et al.",
        )
        parser.add_argument(
            "--slices",
            default="",
            choices=tuple(SLICES),
            help="two-dimensional models see each slice of a volume across this axis",
        )
        parser.add_argument(
            "--passes", type=int, default=PASSES, help=f"of a model with dropout [{PASSES}]"
        )

    @classmethod
    def of(cls, options: Namespace, say: Callable[[str], None]) -> Learned:
        """The study that the options describe.

        Raises:
            ValueError: a model or the list cannot be used.
        """
        if options.passes < 1:
            raise ValueError(f"--passes is {options.passes}; give at least 1.")
        listed = read_pair_list(options.pairs)
        pairs = of_split(listed, options.split)
        if not pairs:
            raise ValueError(f"{options.pairs}: no pair is for {options.split}; see its split.")
        if not any(pair.subject for pair in pairs):
            say(
                f"{options.pairs} names no subject: fixed images count as subjects, so that "
                "intervals are too narrow where several are of one person; give a column subject."
            )
        if not pairs[0].split:
            say(
                f"{options.pairs} has no column split: all its pairs are judged. The lists with the "
                "splits of a training are in its model folder, pairs.csv."
            )
        atlases = []
        if options.atlases:
            atlases = sources([pair for pair in listed if pair.split == "train"])
            if not atlases:
                raise ValueError(
                    f"{options.pairs}: no pair with segmentations is for training; --atlases "
                    "takes its labels from there."
                )
        device = choose_device(options.device, True)
        models = {}
        for name, folder in named([Path(one) for one in options.models]).items():
            models[name] = class_of(folder)(seed=options.seed, device=device)
        if options.slices and all(one.manifest["grid"]["shape"][0] > 1 for one in models.values()):
            raise ValueError(
                f"--slices {options.slices} is for two-dimensional models, and all of these are "
                "three-dimensional; leave it out."
            )
        study = cls(
            models,
            pairs,
            Path(options.out),
            atlases,
            options.slices,
            options.passes,
            options.seed,
            device,
        )
        for name, count in study.seen().items():
            say(
                f"{name} was trained with images of {count} of the {len(pairs)} pairs: what it gets "
                "there says nothing of others; judge by pairs of other subjects."
            )
        return study

    def seen(self) -> dict[str, int]:
        """Of how many pairs each model knows an image from its training; those that know none are
        left out."""
        found = {}
        for name, model in self.models.items():
            known = {one["sha256"] for one in model.manifest["provenance"].get("data", ())}
            count = sum(
                bool({self._sum(pair.fixed), self._sum(pair.moving)} & known) for pair in self.pairs
            )
            if count:
                found[name] = count
        return found

    def rows(self) -> Rows:
        """The rows computed so far."""
        self.out.mkdir(parents=True, exist_ok=True)
        return Rows(self.out / "rows.csv", KEY)

    def wanted(self) -> Iterator[Unit]:
        """Every row: which model prepares the images, what the row is called, pair, its key."""
        for pair in self.pairs:
            common = {
                "pair": pair.name,
                "files": self._files(pair),
                "labels_from": ATLAS if self.atlases else PAIR,
                "slices": self.slices,
                "passes": self.passes,
                "seed": self.seed,
            }
            prepared = set()
            for name, one in self.rows_of.items():
                if one.grid not in prepared:  # the images as they lie, once a preparation
                    prepared.add(one.grid)
                    yield name, NONE, pair, {"model": NONE, "weights": one.grid, **common}
                yield name, name, pair, {"model": name, "weights": one.weights, **common}

    def registrations(self) -> int:
        """How many rows are still to compute."""
        rows = self.rows()
        return sum(key not in rows for *_, key in self.wanted())

    def run(self, advance: OnRegistration = lambda text: None, each: Each = one_by_one) -> Rows:
        """Compute what is missing; returns all rows of rows.csv, with the tables beside.

        Raises:
            ValueError: a file cannot be read, or no pair could be judged.
        """
        rows = self.rows()
        missing = [unit for unit in self.wanted() if unit[-1] not in rows]
        each(self, missing, rows.add, advance)
        mine = self._mine(rows)
        if not mine:
            raise ValueError(f"No pair could be judged. {(self.failed or [''])[-1]}")
        write_tables(mine, list(self.rows_of.values()), self.out, self._about())
        return rows

    def compute(self, unit: Unit, advance: OnRegistration) -> Iterator[dict]:
        """The row of one model and pair."""
        prepares, name, pair, key = unit
        model, begun = self.models[prepares], perf_counter()
        reseed(model, numpy_generator(self.seed, "learned", pair.name))
        try:
            found = self._mean(model, pair, name != NONE)
        except ValueError as error:
            self.failed.append(f"{name}, {pair.name}: {error}")
            return
        advance(f"{name}, {pair.name}")
        yield {
            **{column: key[column] for column in KEY},
            "subject": person(pair),
            **self.rows_of[prepares].columns(name != NONE),
            **found,
            "seconds": perf_counter() - begun,
        }

    def in_words(self, unit: Unit) -> str:
        """The model and the pair."""
        return f"{unit[1]}, {unit[2].name}"

    def table(self, rows: Rows) -> str:
        """The tables in Markdown."""
        return in_words(self._mine(rows), list(self.rows_of.values()), self._about())

    def _mine(self, rows: Rows) -> list[dict]:
        """Rows of these models, weights, files and settings."""
        keys = {tuple(str(key[name]) for name in KEY) for *_, key in self.wanted()}
        return [row for row in rows.all if tuple(row[name] for name in KEY) in keys]

    def _about(self) -> str:
        return (
            f"Labels are those of {ATLAS if self.atlases else PAIR}"
            + (f"; a row is the mean over the slices across {self.slices}" if self.slices else "")
            + f"; {self.passes} passes of a model with dropout."
        )

    def _mean(self, model: TrainedModel, pair: ListedPair, registered: bool) -> dict:
        """The measures of a pair; over the slices their mean."""
        found = [scores(model, case, self.passes, registered) for case in self._cases(model, pair)]
        if not found:
            raise ValueError("no slice shows a label in both images.")
        if len(found) == 1:
            return found[0]
        values = {name: [one[name] for one in found if one[name] != ""] for name in MEASURES}
        return {name: float(np.mean(v)) if v else "" for name, v in values.items()}

    def _cases(self, model: TrainedModel, pair: ListedPair) -> list[Case]:
        flat = model.manifest["grid"]["shape"][0] == 1
        images, labels = zip(*(read_source(one, flat) for one in sources_of(pair)))
        if self.slices and flat:
            return cases_of_slices(images, labels, SLICES[self.slices])
        atlas = self._nearest(model, images[0], flat) if self.atlases else (None, None)
        return [Case(*images, *labels, *atlas)]

    def _nearest(self, model: TrainedModel, fixed: Image, flat: bool) -> tuple[Image, Image]:
        """The image of the list, and its labels, that is most like a fixed one (NLCC)."""
        from ..training.gong import nearest_atlas

        grid = Model.of("", model.manifest).grid
        if grid not in self._lenders:
            lenders = []
            for one in self.atlases:
                image, labels = read_source(one, flat)
                lenders.append((image, labels, model.prepare(image, image)[1].array))
            self._lenders[grid] = lenders
        lenders = self._lenders[grid]
        prepared, _ = model.prepare(fixed, fixed)
        nearest = nearest_atlas(
            prepared.array[None, None], (array[None, None] for *_, array in lenders)
        )
        return lenders[nearest][:2]

    def _files(self, pair: ListedPair) -> str:
        """A checksum of all that a pair is made of: other files are other rows."""
        files = [getattr(pair, name) for name in FILES]
        frames = [*pair.frames, *(one.frame for one in self.atlases)]
        for one in self.atlases:
            files += [one.file, one.labels]
        parts = [str(frames), *("" if file is None else self._sum(file) for file in files)]
        return sha256(" ".join(parts).encode()).hexdigest()[:12]

    def _sum(self, file: str) -> str:
        if file not in self._sums:
            self._sums[file] = sha256_of(file)
        return self._sums[file]


def sources_of(pair: ListedPair) -> tuple[Source, Source]:
    """Its fixed and its moving image."""
    return (
        Source(pair.fixed, pair.fixed_labels, pair.frames[0]),
        Source(pair.moving, pair.moving_labels, pair.frames[1]),
    )


def sources(pairs: list[ListedPair]) -> list[Source]:
    """The images with labels of a list, each once."""
    found = [one for pair in pairs for one in sources_of(pair) if one.labels is not None]
    return list(dict.fromkeys(found))


def person(pair: ListedPair) -> str:
    """Whom a pair counts for: its (first) subject, or else its fixed image."""
    first = pair.subject.split(";")[0].strip()
    return first or Path(pair.fixed).name


def named(folders: list[Path]) -> dict[str, Path]:
    """Names of model folders: the last part of the path that tells them apart.

    Raises:
        ValueError: a folder is there twice.
    """
    folders = [folder.resolve() for folder in folders]
    if len(set(folders)) < len(folders):
        raise ValueError("A model is there twice; name each once.")
    depth = 1
    while len({folder.parts[-depth:] for folder in folders}) < len(folders):
        depth += 1
    return {"/".join(folder.parts[-depth:]): folder for folder in folders}


def cases_of_slices(
    images: Sequence[Image], labels: Sequence[Image | None], axis: int
) -> list[Case]:
    """A case for each slice across an array axis, of the same number in both images; those without
    a label in one of the segmentations are left out.

    Raises:
        ValueError: the images have different numbers of slices.
    """
    counts = [image.array.shape[axis] for image in images]
    if counts[0] != counts[1]:
        raise ValueError(
            f"the images have {counts[0]} and {counts[1]} slices; slices of the same number are a "
            "pair, so give images of as many."
        )
    parts = [
        [None] * counts[0] if image is None else slices_of(image, axis)
        for image in (*images, *labels)
    ]
    return [
        Case(*part)
        for part in zip(*parts)
        if all(labels is None or labels.array.any() for labels in part[2:])
    ]
