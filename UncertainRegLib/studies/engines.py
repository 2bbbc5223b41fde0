"""Which registration method suits a pair? Each is tried on known deformations of the pair itself.

A twin of the pair is simulated (`twin`): the moving image carried along what the chosen method
finds, deformed further, with the differences of the two scans that no deformation explains. Every
method that is installed registers the same few twins on one coarse grid, and the pair itself: of
the methods that follow known shifts and do not fold, the one that makes the pair most alike is
recommended. (The errors of twins alone mislead: engines_results.md.) Where the intensities of the
two images do not correspond no twin can be made of them, and likeness tells nothing: then the fixed
image is registered with itself, deformed and with dark and bright exchanged.
"""

from __future__ import annotations

import json
import math
import shutil
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from .. import backbones
from ..backbones.competence import ENOUGH, TOO_MUCH
from ..backbones.registry import listing
from ..backbones.suited import beforehand
from ..contracts import Each, OnRegistration, Study, one_by_one
from ..environment import choose_device
from ..geometry import DisplacementField, Image
from ..jobs import Job
from ..jobs.inputs import Inputs, read_inputs
from ..randomness import numpy_generator
from ..results.atomic import replace
from ..results.reader import read_record
from .engine_trial import Task, tried, write_pair
from .rows import Rows, summary, table
from .simulate import deformed, draw_truth
from .twin import twin
from .validation import check_unchanged, job_of

KEY = ("pair", "engine", "number", "voxels", "seed")
COLUMNS = {
    "error_mm": "mean error",
    "p95_mm": "p95 error",
    "folds": "folded",
    "cpu_s": "CPU s",
    "peak_mb": "MB",
    "followed": "shift followed",
    "alike": "alike",
}
RECOMMENDATION = "recommendation.json"  # beside the rows, for whoever shows it
PAIRS = "pairs"  # folder of the simulated ones, as long as they are needed
VOXELS = 200_000  # of the working grids: quick, and what ranks well there ranks well on finer ones
FINER = 8  # times as many voxels has the pair that is simulated
AS_GOOD = 1.1  # times the smallest error: of such methods the quickest is recommended
AS_ALIKE = 0.01  # of squared correlation: of methods so near to the best, too
FOLDED = 0.01  # share of the anatomy above which likeness is bought by folding


@dataclass
class EngineStudy(Study):
    """Settings of the study.

    Attributes:
        inputs: the pair, as a run reads it.
        name: what its rows are called.
        out: folder for rows.csv, the recommendation, and the simulated pairs.
        engines: names of the methods to try.
        backbone, backbone_settings: the method whose registration of the pair is deformed further.
        warps: simulated pairs.
        voxels: of the working grids.
        seed, device: as in the other studies.
        failed: a sentence for each registration that failed.
    """

    inputs: Inputs
    name: str
    out: Path
    engines: tuple[str, ...]
    backbone: str = "demons"
    backbone_settings: dict = field(default_factory=dict)
    warps: int = 3
    voxels: int = VOXELS
    seed: int = 1
    device: str = "cpu"
    failed: list[str] = field(default_factory=list)

    command, place = "engines", 5
    question = "which registration method suits this pair?"
    families = ()

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """The pair, or a result that names it, and what is tried."""
        parser.add_argument("--result", default="", metavar="DIR", help="a result folder: its pair")
        for name in ("fixed", "moving", "fixed-mask", "moving-mask"):
            parser.add_argument(f"--{name}", default="", metavar="FILE")
        parser.add_argument(
            "--engines", nargs="+", default=[], help="registration methods [all that are installed]"
        )
        parser.add_argument("--warps", type=int, default=3, help="known deformations [3]")
        parser.add_argument(
            "--voxels", type=int, default=VOXELS, help=f"of the working grids [{VOXELS}]"
        )

    @classmethod
    def of(cls, options: Namespace, say: Callable[[str], None]) -> EngineStudy:
        """The study that the options describe.

        Raises:
            ValueError: a setting or a file cannot be used.
        """
        if bool(options.result) == bool(options.fixed and options.moving):
            raise ValueError("Give either --fixed and --moving, or --result.")
        if options.warps < 1:
            raise ValueError(f"--warps is {options.warps}; give 1 or more.")
        backbone, settings = options.backbone, options.backbone_settings
        if options.result:
            record = read_record(options.result)
            job = job_of(options.result, record)
            backbone, settings = job.backbone, job.parameters.get("backbone", {})
        else:
            files = ("fixed", "moving", "fixed_mask", "moving_mask")
            job = Job(**{name: getattr(options, name) for name in files})
        inputs = read_inputs(job)
        if options.result:
            check_unchanged(options.result, record, inputs.record)
        engines = options.engines or [one.name for one in listing() if one.available]
        for name in engines:
            backbones.create(name)  # or say at once what is missing
        return cls(
            inputs,
            options.name or Path(job.fixed).name.split(".")[0],
            Path(options.out).absolute(),  # in whatever folder a worker is
            tuple(dict.fromkeys(engines)),
            backbone,
            settings,
            options.warps,
            options.voxels,
            options.seed,
            choose_device(options.device, False),
        )

    def rows(self) -> Rows:
        """The rows computed so far.

        Raises:
            ValueError: the folder holds another table.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        return Rows(self.out / "rows.csv", KEY)

    def missing(self, rows: Rows) -> list[dict]:
        """Keys of what is still to do, one twin after the other."""
        keys = [
            {
                "pair": self.name,
                "engine": engine,
                "number": number,
                "voxels": self.voxels,
                "seed": self.seed,
            }
            for number in range(self.warps)
            for engine in self.engines
        ]
        return [key for key in keys if key not in rows]

    def registrations(self) -> int:
        """How many pairs are still to register; the known shifts beside them do not count."""
        return len(self.missing(self.rows()))

    def run(self, advance: OnRegistration = lambda text: None, each: Each = one_by_one) -> Rows:
        """Compute what is missing, row by row, and write the recommendation.

        Raises:
            ValueError: the pair cannot be registered by the chosen method, so it has no twin.
        """
        rows = self.rows()
        missing = self.missing(rows)
        for number in sorted({key["number"] for key in missing}):
            folder = self._pair_folder(number)
            if not (folder / "truth.nrrd").exists():
                if number == 0 and self._registered[2] is not None:
                    write_pair(self._real_folder, *self._registered)
                write_pair(folder, *self.simulated(number))
        each(self, missing, rows.add, advance)
        self._write(recommendation(rows))
        shutil.rmtree(self.out / PAIRS, ignore_errors=True)  # they can be simulated again
        return rows

    def compute(self, unit: dict, advance: OnRegistration) -> Iterator[dict]:
        """The row of a key: one method on one twin, which is there."""
        engine, number = unit["engine"], unit["number"]
        settings = self.backbone_settings if engine == self.backbone else {}
        folder = self._pair_folder(number)
        real = str(self._real_folder) if number == 0 and self._real_folder.exists() else ""
        task = Task(engine, settings, self.voxels, str(folder), self.device, number == 0, real)
        found = tried(task, folder / f"{engine}.json")
        values = {name: found.get(name, "") for name in ("wall_s", *COLUMNS, "failed")}
        if found.get("failed"):
            self.failed.append(f"{engine}, pair {number}: {found['failed']}")
        yield {**unit, **values}
        advance(f"{engine} {number}")

    def in_words(self, unit: dict) -> str:
        """The method, and the number of the twin."""
        return f"{unit['engine']}, pair {unit['number']}"

    def _pair_folder(self, number: int) -> Path:
        return self.out / PAIRS / str(number)

    @property
    def _real_folder(self) -> Path:
        return self.out / PAIRS / "real"

    def simulated(self, number: int) -> tuple[Image, Image, DisplacementField]:
        """The twin of a number: fixed image, moving image, and the truth in mm LPS."""
        generator = numpy_generator(self.seed, "engines", number)
        fixed, moving, found = self._registered
        if found is None:
            truth = draw_truth("elastic", fixed.grid, generator)
            return deformed(fixed, truth), exchanged(fixed), truth
        image, truth = twin(fixed, moving, found, generator)
        return image, moving, truth

    @cached_property
    def _registered(self) -> tuple[Image, Image, DisplacementField | None]:
        """The pair, no finer than is of use, and its registration by the chosen method; None where
        the intensities do not correspond."""
        fixed, moving = (
            image.resample(image.grid.at_most(FINER * self.voxels))
            for image in (self.inputs.fixed, self.inputs.moving)
        )
        found = beforehand(fixed, moving)
        if found is not None and found.words and not found.only_brightness:
            return fixed, moving, None
        backbone = backbones.create(self.backbone, self.device, **self.backbone_settings)
        return fixed, moving, backbone.register(*backbone.prepare(fixed, moving)).to_numpy()

    def _write(self, found: dict) -> None:
        text = json.dumps(found, indent=1)
        replace(self.out / RECOMMENDATION, lambda draft: draft.write_text(text, encoding="utf-8"))

    @staticmethod
    def table(rows: Rows) -> str:
        """The summary table, and the recommendation."""
        entries = summary(rows.all, ("pair", "engine"), tuple(COLUMNS))
        return f"{table(entries, ('pair', 'engine'), COLUMNS)}\n\n{recommendation(rows)['text']}"


def exchanged(image: Image) -> Image:
    """Dark and bright exchanged where the image is no background: another contrast."""
    low, high = np.percentile(image.array, (0.5, 99.5))
    floor = low + 0.05 * (high - low)
    array = np.where(image.array > floor, high + floor - image.array, image.array)
    return Image(array.astype(np.float32), image.grid, image.mask)


def recommendation(rows: Rows) -> dict:
    """What the rows say, in words.

    Returns:
        "engine": the recommended method ("" where none can be), "text", and "table": a row a method,
        the best first, with "engine" and the means of `COLUMNS`, None where one is not known.
    """
    entries = summary(rows.all, ("engine",), tuple(COLUMNS))
    broken = {row["engine"] for row in rows.all if row["failed"]}
    entries.sort(key=lambda one: (one["engine"] in broken, one["error_mm"]))
    lines = [
        {"engine": one["engine"], **{name: _known(one[name]) for name in COLUMNS}}
        for one in entries
    ]
    sound = [one for one in lines if one["engine"] not in broken and _follows(one["followed"])]
    if not sound:
        text = "No method registers these known deformations and follows known shifts: none fits."
        return {"engine": "", "text": text, "table": lines}
    best = min(one["error_mm"] for one in sound)
    seen = [one for one in sound if one["alike"] is not None and one["folds"] <= FOLDED]
    if seen:
        most = max(one["alike"] for one in seen)
        good = [one for one in seen if one["alike"] >= most - AS_ALIKE]
    else:
        good = [one for one in sound if one["error_mm"] <= AS_GOOD * best]
    chosen = min(good, key=lambda one: one["cpu_s"])
    why = ""
    if seen:
        alike = chosen["alike"]
        why = f"it makes the two images most alike (squared local correlation {alike:.2f}); "
    text = (
        f"Of {len(lines)} methods, {chosen['engine']} is recommended: {why}on known deformations of "
        f"this pair it was off by {chosen['error_mm']:.2f} mm on average"
    )
    if not seen and chosen["error_mm"] > best:
        nearest = min(sound, key=lambda one: one["error_mm"])
        text += f" ({nearest['engine']}, the nearest, by {best:.2f} mm in more time)"
    others = [
        f"{one['engine']} " + ("failed" if one["engine"] in broken else f"{one['error_mm']:.2f} mm")
        for one in lines
        if one["engine"] != chosen["engine"]
    ]
    text += f"; {', '.join(others)}." if others else "."
    text += (
        " The deformations are simulated, and such smooth ones suit B-splines; look at the registered "
        "images, too."
    )
    return {"engine": chosen["engine"], "text": text, "table": lines}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _follows(part: float | None) -> bool:
    """Does a method follow known shifts? One that was not asked is not blamed."""
    return part is None or ENOUGH <= part <= TOO_MUCH
