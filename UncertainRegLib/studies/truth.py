"""Do the stated millimetres hold on real pairs? Errors that are known, against what is expected.

A list of pairs (CSV) names images with segmentations or landmarks of both. Each pair is registered
and sampled as in a run; the distance of registered from true boundaries and landmarks is its real
error, and the error that is expected there stands beside it, with its 95 % bound. What a model is
fitted to (split "development") and what it is judged on (any other) are told apart.
"""

from __future__ import annotations

import csv
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..backbones.failures import FAILURES, out_of_memory, sentence
from ..contracts import Each, OnRegistration, Study, one_by_one
from ..expected_error.fit import KnownErrors, fit
from ..expected_error.model import ErrorModel, checked, shipped
from ..jobs import Job
from .judged import judge
from .known_errors import known_errors, read_known, write_known
from .rows import Rows, summary, table
from .study import settings_of

KEY = ("pair", "backbone", "samples", "seed", "kind", "map")
FILES = (
    "fixed",
    "moving",
    "fixed_mask",
    "moving_mask",
    "fixed_labels",
    "moving_labels",
    "fixed_points",
    "moving_points",
)
COLUMNS = {
    "mean_error": "mean error",
    "within": "within bound",
    "least_within": "least",
    "bound": "mean bound",
    "constant": "best constant",
    "naurc": "nAURC",
    "spearman": "Spearman",
}
DEVELOPMENT = "development"


@dataclass(frozen=True, eq=False)
class Pair:
    """One line of the list.

    Attributes:
        name: of the pair; subjects: whom the fixed and the moving image are of.
        split: what it is for; group: of the pairs that are summed up together.
        files: by the name of the option.
        has_twin: a simulated twin of it is judged as well.
    """

    name: str
    subjects: tuple[str, str]
    split: str
    group: str
    files: dict[str, str]
    has_twin: bool


@dataclass
class TruthStudy(Study):
    """Settings of the study.

    Attributes:
        pairs: see `read_pairs`.
        out: folder for rows.csv, table.txt and known/, the errors of each pair.
        fit_to: where to write a model fitted to the development pairs; None judges the one that
            comes with the library.
        fitted_on: what those pairs are, one sentence.
        backbone, backbone_settings, families, samples, seed, device: as in the other studies; the
            first family is taken.
        failed: a sentence for each pair that is left out.
    """

    pairs: list[Pair]
    out: Path
    fit_to: Path | None = None
    fitted_on: str = ""
    backbone: str = "demons"
    backbone_settings: dict = field(default_factory=dict)
    families: tuple[str, ...] = ("deform",)
    samples: int = 16
    seed: int = 1
    device: str = "cpu"
    failed: list[str] = field(default_factory=list, init=False)

    command, place = "truth", 4
    question = "do the stated bounds hold on real pairs with known structures or landmarks?"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """The list, and what to do with the development pairs."""
        parser.add_argument(
            "pairs",
            metavar="PAIRS.csv",
            help="columns: pair, fixed_subject, moving_subject, split, group, twin (1: judge a "
            f"simulated twin, too), and files relative to the list: {', '.join(FILES)}",
        )
        parser.add_argument(
            "--fit",
            default="",
            metavar="MODEL.json",
            help="fit a model to the pairs whose split is development, write it, and judge it",
        )
        parser.add_argument(
            "--fitted-on", default="", metavar="TEXT", help="what those pairs are, for the model"
        )

    @classmethod
    def of(cls, options: Namespace, say: Callable[[str], None]) -> TruthStudy:
        """The study that the options describe.

        Raises:
            ValueError: the list cannot be used.
        """
        return cls(
            read_pairs(Path(options.pairs)),
            Path(options.out),
            Path(options.fit) if options.fit else None,
            options.fitted_on,
            **settings_of(options),
        )

    def missing(self) -> list[Pair]:
        """Pairs whose errors are not known yet."""
        return [pair for pair in self.pairs if not self._files(pair)[0].exists()]

    def registrations(self) -> int:
        """How many are still to do: each pair once, its samples, and once the other way round; the
        same for its twin."""
        return sum((2 + self.samples) * (1 + pair.has_twin) for pair in self.missing())

    def run(self, advance: OnRegistration = lambda text: None, each: Each = one_by_one) -> Rows:
        """Compute what is missing, fit if asked to, and judge all pairs.

        Raises:
            ValueError: a file or a setting cannot be used, or too few development pairs to fit.
        """
        each(self, self.missing(), self._keep, advance)
        known = {
            pair: [read_known(file) for file in self._files(pair) if file.exists()]
            for pair in self.pairs
            if pair not in self.missing()
        }
        if not known:
            raise ValueError(f"No pair could be registered. {self.failed[-1]}")
        model = shipped()
        if self.fit_to is not None:
            mine = [one for pair, of in known.items() if pair.split == DEVELOPMENT for one in of]
            model = fit(mine, self.fitted_on, checked(self.backbone, self.families[0]))
            model.write(self.fit_to)
        rows = self._judged(known, model)
        (self.out / "table.txt").write_text(self.table(rows) + "\n", encoding="utf-8")
        return rows

    def compute(
        self, unit: Pair, advance: OnRegistration
    ) -> Iterator[tuple[Pair, list[KnownErrors]]]:
        """A pair with its errors, and those of its twin; nothing where it cannot be registered."""
        job = Job(
            **unit.files,
            backbone=self.backbone,
            perturbation=self.families[0],
            samples=self.samples,
            seed=self.seed,
            device=self.device,
            parameters={"backbone": self.backbone_settings},
        )
        try:
            found = known_errors(job, unit.subjects, unit.has_twin, lambda: advance(unit.name))
        except FAILURES as error:
            if out_of_memory(error):
                raise
            self.failed.append(
                f"{unit.name} is left out, it could not be registered: {sentence(error)}"
            )
            return
        yield unit, found

    def in_words(self, unit: Pair) -> str:
        """Its name."""
        return unit.name

    def _keep(self, found: tuple[Pair, list[KnownErrors]]) -> None:
        pair, errors = found
        (self.out / "known").mkdir(parents=True, exist_ok=True)
        for one, file in reversed([*zip(errors, self._files(pair))]):
            write_known(one, file)  # the pair's own last: it says that both are there

    def _files(self, pair: Pair) -> tuple[Path, Path]:
        """What is known of a pair, and of its twin."""
        folder = self.out / "known"
        return folder / f"{pair.name}.npz", folder / f"{pair.name}-twin.npz"

    def _judged(self, known: dict[Pair, list[KnownErrors]], model: ErrorModel) -> Rows:
        """One row a pair, kind of error and map, in a new rows.csv."""
        file = self.out / "rows.csv"
        file.unlink(missing_ok=True)
        rows = Rows(file, KEY)
        for pair, each in known.items():
            common = {
                "split": pair.split,
                "group": pair.group,
                "subject": pair.subjects[0],
                "pair": pair.name,
                "backbone": self.backbone,
                "samples": self.samples,
                "seed": self.seed,
            }
            for errors in each:
                for row in judge(errors, model, self.samples):
                    rows.add({**common, **row})
        return rows

    @staticmethod
    def table(rows: Rows) -> str:
        """Means over the fixed subjects of each group, with 95 % bootstrap intervals over them."""
        group = ("split", "group", "kind", "map")
        return "\n".join(
            [
                table(over_subjects(rows.all, group), group, COLUMNS),
                "",
                "Errors and bounds in mm (volumes in mL); within: share of the errors within the "
                "stated 95 % bound; least: of the worst pair; best constant: the bound that holds "
                "95 % of the errors of a pair when it is the same everywhere, known only "
                "afterwards; the bound of the disagreement is that of a further sample, by Student's "
                "distribution; nAURC: 0 is the order of the error itself, 1 is chance; intervals: "
                "95 % bootstrap over subjects.",
            ]
        )


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a list.

    Raises:
        ValueError: a column is missing, a file is not there, or a name occurs twice.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            lines = list(csv.DictReader(stream))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}.") from None
    needed = ("pair", "fixed_subject", "moving_subject", "split", "fixed", "moving")
    lacking = [name for name in needed if not lines or name not in lines[0]]
    if lacking:
        raise ValueError(f"{path}: needs the columns {', '.join(needed)}; lacks {lacking[0]}.")
    pairs, problems = [], []
    for line in lines:
        files = {  # in whatever folder a worker is
            name: str(path.parent.absolute() / line[name]) for name in FILES if line.get(name)
        }
        problems += [
            f"{line['pair']}: no such file {f}" for f in files.values() if not Path(f).exists()
        ]
        subjects = (line["fixed_subject"], line["moving_subject"])
        has_twin = line.get("twin", "") not in ("", "0")
        pairs.append(
            Pair(line["pair"], subjects, line["split"], line.get("group", ""), files, has_twin)
        )
    names = [pair.name for pair in pairs]
    problems += [f"{name}: occurs twice" for name in set(names) if names.count(name) > 1]
    if problems:
        raise ValueError(f"{path}: {'; '.join(problems)}.")
    return pairs


def over_subjects(rows: list[dict], group: tuple[str, ...]) -> list[dict]:
    """Means of every group, each subject counting once, and of the worst pair."""
    means = tuple(name for name in COLUMNS if name != "least_within")
    entries = summary(summary(rows, (*group, "subject"), means), group, means)
    for entry in entries:
        mine = [row for row in rows if all(row[name] == entry[name] for name in group)]
        within = [float(row["within"]) for row in mine if row["within"] != ""]
        entry |= {
            "pairs": len(mine),
            "least_within": min(within, default=float("nan")),
            "least_within_interval": None,
        }
    return entries
