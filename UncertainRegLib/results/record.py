"""The content of ``result.json`` as typed views; what an older result lacks has its default."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from .acceptance import Acceptance
from .calibration import Calibration
from .expectation import Expectation, with_bounds
from .given import Given
from .improvement import BeforeAfter
from .validation import Validation
from .views import known


@dataclass(frozen=True)
class InputFile:
    """A file that was registered: where it was, the hash of its content, and what people call it
    where that is not the name of the file."""

    file: str
    sha256: str = ""
    name: str = ""

    @property
    def title(self) -> str:
        """What people call it: without its folder, and without what the file name ends in."""
        return self.name or Path(self.file).name.split(".")[0]


@dataclass(frozen=True)
class MapFile:
    """A scalar map on the fixed grid: its file, relative to the folder, and what it says."""

    file: str
    unit: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class BackboneEntry:
    """The registration: its name, its title for people, and its facts (`backbones.facts`)."""

    name: str | None = None
    title: str | None = None
    facts: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Samples:
    """The samples of a run.

    Attributes:
        asked, finished: how many were wanted, and are there.
        effective: number of different ones, with their weights.
        agreement: rank correlation of their disagreement with that of as many others, as halves of
            them foretell it; None of few, or of samples of different weights.
        files: displacement fields, relative to the folder; log_weights, status: of each.
        weighting: of Structured SIR, "voxel" where each sample has a weight of its own at every
            voxel; voxel_log_weights: then their logarithms, scalar images, relative to the folder.
        failed: {"count", "reasons"} of registrations that were drawn again.
        members: of a committee, by name; left_out: name of one that was not admitted -> why.
        source: where Structured SIR took its proposals from; proposals: how many it weighed;
            ess_raw, ess_tempered: their effective number, before and after flattening by
            tempering_exponent. None for the other methods.
    """

    asked: int = 0
    finished: int = 0
    effective: float = 0.0
    agreement: float | None = None
    files: list[str] = field(default_factory=list)
    log_weights: list[float] = field(default_factory=list)
    status: list[dict] = field(default_factory=list)
    weighting: str | None = None
    voxel_log_weights: list[str] = field(default_factory=list)
    failed: dict = field(default_factory=lambda: {"count": 0, "reasons": {}})
    members: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    source: str | None = None
    proposals: int | None = None
    ess_raw: float | None = None
    ess_tempered: float | None = None
    tempering_exponent: float | None = None

    @classmethod
    def from_dict(cls, content: dict | None) -> Samples:
        """The entry "samples"."""
        return cls(**known(cls, content or {}))

    @property
    def strays_mm(self) -> dict[int, float]:
        """Samples far from all others: number from 0 -> distance in mm from the median of all."""
        return {
            number: one["from_median_mm"]
            for number, one in enumerate(self.status)
            if one.get("stray")
        }


@dataclass(frozen=True)
class Competence:
    """Does the backbone follow known shifts? Share followed by shift in mm (text), and warnings."""

    followed: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def from_dict(cls, content: dict | None) -> Competence | None:
        """The entry "competence"; None where it was not checked."""
        return cls(**known(cls, content)) if content else None


@dataclass(frozen=True)
class Mode:
    """A group of samples: its weight, and the number of the sample that stands for it."""

    weight: float
    sample: int


@dataclass(frozen=True)
class Dose:
    """A dose that was seen through the samples.

    Attributes:
        file: the dose; structures: the segmentation that it is judged in.
        side: the image that the dose belongs to, "moving" or "fixed".
        limit_gy: the dose of the columns "above".
        samples: how many it was seen through.
        rows: of the table, under the names of `columns.DOSE`.
        curves: CSV of the dose-volume histograms, relative to the folder.
        warnings: what had to be decided or left out, in sentences.
    """

    file: InputFile
    structures: InputFile
    side: str
    limit_gy: float
    samples: int
    rows: list[dict] = field(default_factory=list)
    curves: str = ""
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def from_dict(cls, content: dict | None) -> Dose | None:
        """The view of the entry; None where there is none."""
        if not content:
            return None
        values = known(cls, content)
        for name in ("file", "structures"):
            values[name] = InputFile(**known(InputFile, values[name]))
        return cls(**values)


@dataclass(frozen=True)
class OverAnatomy:
    """A map in two numbers: its mean and its 95 % quantile over the anatomy, in its unit."""

    mean: float
    p95: float


@dataclass(frozen=True)
class Record:
    """Everything that ``result.json`` says; the names are its keys.

    Attributes:
        content: the same as it was read.
        job: all that was asked beside the files, by the names of `jobs.job`; older ones do not say.
        over_anatomy: maps in two numbers, by name: where the fixed image lies above its mean, or in
            its mask, and most samples stay inside the moving image.
        preflight: {"device", "memory_mb", "minutes"} that were expected.
        labels, landmarks: rows of the tables; their keys are the names of `columns`.
        uncertainty_moving: the disagreement in mm on a grid of the moving image, relative to the
            folder; not a number where it is not known.
        labels_refined: the warped labels are corrected by the network after warping.
        left_out: numbers of samples that the maps and tables are without, see `without_strays`.
    """

    content: dict = field(repr=False)
    status: str = "partial"
    error: str | None = None
    inputs: dict[str, InputFile] = field(default_factory=dict)
    backbone: BackboneEntry = BackboneEntry()
    method: str | None = None
    parameters: dict = field(default_factory=dict)
    seed: int | None = None
    job: dict = field(default_factory=dict)
    samples: Samples = Samples()
    given: Given | None = None
    before_after: BeforeAfter | None = None
    expected_error: Expectation | None = None
    over_anatomy: dict[str, OverAnatomy] = field(default_factory=dict)
    preflight: dict | None = None
    competence: Competence | None = None
    calibration: Calibration | None = None
    validation: Validation | None = None
    acceptance: Acceptance | None = None
    dose: Dose | None = None
    transform: str | None = None
    transform_working: str | None = None
    mean_transform: str | None = None
    mean_transform_working: str | None = None
    maps: dict[str, MapFile] = field(default_factory=dict)
    warped: str | None = None
    warped_labels: str | None = None
    labels_refined: bool = False
    covariance: str | None = None
    uncertainty_moving: str | None = None
    labels: list[dict] = field(default_factory=list)
    landmarks: list[dict] = field(default_factory=list)
    modes: list[Mode] = field(default_factory=list)
    best_sample: int | None = None
    oracle_sample: int | None = None
    left_out: list[int] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def from_dict(cls, content: dict) -> Record:
        """The view of the whole content."""
        values = known(cls, content)
        values |= {
            "inputs": {
                name: InputFile(**known(InputFile, one))
                for name, one in values.get("inputs", {}).items()
            },
            "backbone": BackboneEntry(**known(BackboneEntry, values.get("backbone", {}))),
            "samples": Samples.from_dict(content.get("samples")),
            "given": Given.from_dict(content.get("given")),
            "before_after": BeforeAfter.from_dict(content.get("before_after")),
            "expected_error": Expectation.from_dict(content.get("expected_error")),
            "over_anatomy": {
                name: OverAnatomy(**known(OverAnatomy, one))
                for name, one in values.get("over_anatomy", {}).items()
            },
            "competence": Competence.from_dict(content.get("competence")),
            "calibration": Calibration.from_dict(content.get("calibration")),
            "acceptance": Acceptance.from_dict(content.get("acceptance")),
            "validation": Validation.from_dict(content.get("validation")),
            "dose": Dose.from_dict(content.get("dose")),
            "maps": {
                name: MapFile(**known(MapFile, one)) for name, one in values.get("maps", {}).items()
            },
            "modes": [Mode(**known(Mode, one)) for one in values.get("modes", [])],
        }
        return cls(content, **values)

    @property
    def without_strays(self) -> Record | None:
        """The same run with maps and tables without its stray samples; None where it has none.

        A multiple of the disagreement is a bound for all samples only, so that this record has none;
        what the calibration says about the bound of the expected error stays.
        """
        entry = self.content.get("without_strays")
        if not entry:
            return None
        maps = {**self.content["maps"], **entry["maps"]}
        calibration = self.content.get("calibration") if self.expected_error else None
        return Record.from_dict({**self.content, **entry, "maps": maps, "calibration": calibration})

    def bounded(self, rows: list[dict]) -> list[dict]:
        """Rows of structures or landmarks with their 95 % bounds, see `expectation.with_bounds`."""
        return with_bounds(rows, self.expected_error, self.calibration)

    @property
    def log_weights(self) -> list[float]:
        """Log-weights of the samples; -inf for those left out."""
        return [
            -math.inf if number in self.left_out else weight
            for number, weight in enumerate(self.samples.log_weights)
        ]
