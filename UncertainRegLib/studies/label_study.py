"""Label maps of a real pair with segmentations of both images, against their baselines."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from .. import backbones
from ..contracts import Each, OnRegistration, Study, one_by_one
from ..geometry import DisplacementField, Image, Segmentation
from ..geometry.arrays import to_numpy
from ..posterior.label_map import LabelMap, broadened, label_map
from ..posterior.labels import LabelProbabilities
from ..posterior.maps import displacement_entropy
from ..randomness import numpy_generator
from .disagreement import disagreement, image_residual
from .labels import BROADENED_MM, baselines, image_on, judge, mean_dice, pooled, ring_of, stacked
from .rows import Rows, summary, table
from .study import RESIDUAL, sampler_of, settings_of, stem

KEY = ("pair", "backbone", "family", "map", "samples", "seed")
GROUP = ("backbone", "family", "map")
COLUMNS = {
    "auroc": "ring AUROC",
    "ece": "ring ECE",
    "ause": "ring AUSE",
    "mean": "mean score",
    "dice": "Dice",
}
ENTROPY = "label entropy"  # the map of a run
OF_SAMPLES = "label entropy of the samples"
INFORMATION = "label information"
FEW_PAIRS = 8  # below that a correlation over pairs says nothing


@dataclass
class LabelStudy(Study):
    """Settings of the study on one pair.

    Attributes:
        name: what its rows are called.
        out: folder for rows.csv and table.txt.
        fixed, moving: images (numpy), with masks where given.
        fixed_labels, moving_labels: their segmentations, with the same labels in the same layers;
            overlapping structures are judged a layer after the other, in one table.
        backbone, backbone_settings: registration method, as in a job.
        families: perturbation families.
        samples: registrations a map.
        seed: of everything random.
        device: "cpu" or "cuda".
        failed: empty; a pair that cannot be registered ends the study.
    """

    name: str
    out: Path
    fixed: Image
    moving: Image
    fixed_labels: Segmentation
    moving_labels: Segmentation
    backbone: str = "demons"
    backbone_settings: dict = field(default_factory=dict)
    families: tuple[str, ...] = ("deform",)
    samples: int = 16
    seed: int = 1
    device: str = "cpu"
    failed: list[str] = field(default_factory=list, init=False)

    command, place = "labels", 3
    question = "does label entropy find mislabelled voxels?"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """The pair."""
        for name in ("fixed", "moving", "fixed-labels", "moving-labels"):
            parser.add_argument(f"--{name}", required=True)
        for name in ("fixed-mask", "moving-mask"):
            parser.add_argument(f"--{name}", default="")

    @classmethod
    def of(cls, options: Namespace, say: Callable[[str], None]) -> LabelStudy:
        """The study that the options describe.

        Raises:
            ValueError: a setting or a file cannot be used.
        """
        from ..jobs import Job
        from ..jobs.inputs import read_inputs

        files = ("fixed", "moving", "fixed_mask", "moving_mask", "fixed_labels", "moving_labels")
        inputs = read_inputs(Job(**{name: vars(options)[name] for name in files}))
        for text in inputs.notes:
            say(text)
        return cls(
            options.name or f"{stem(options.fixed)} from {stem(options.moving)}",
            Path(options.out),
            inputs.fixed,
            inputs.moving,
            inputs.fixed_labels,
            inputs.moving_labels,
            **settings_of(options),
        )

    def rows(self) -> Rows:
        """The rows computed so far."""
        self.out.mkdir(parents=True, exist_ok=True)
        return Rows(self.out / "rows.csv", KEY)

    def missing(self, rows: Rows) -> list[str]:
        """Families without rows; each begins with the registration, so that none needs another."""
        return [
            name
            for name in self.families
            if {**self.pair(), "family": name, "map": ENTROPY} not in rows
        ]

    def pair(self) -> dict:
        """The columns that name the pair."""
        settings = json.dumps(self.backbone_settings) if self.backbone_settings else ""
        return {
            "pair": self.name,
            "backbone": f"{self.backbone} {settings}".strip(),
            "samples": self.samples,
            "seed": self.seed,
        }

    def registrations(self) -> int:
        """How many registrations are still to do."""
        return (1 + self.samples) * len(self.missing(self.rows()))

    def run(self, advance: OnRegistration = lambda text: None, each: Each = one_by_one) -> Rows:
        """Compute what is missing; returns all rows of rows.csv, with table.txt beside.

        Raises:
            ValueError: a setting cannot be used, or the segmentations share no label.
        """
        rows = self.rows()

        def keep(row: dict) -> None:
            if row not in rows:  # those of the registration alone come with each family
                rows.add(row)

        each(self, self.missing(rows), keep, advance)
        (self.out / "table.txt").write_text(self.table(rows) + "\n", encoding="utf-8")
        return rows

    def compute(self, unit: str, advance: OnRegistration) -> Iterator[dict]:
        """Maps of the registration alone, then those of a family.

        Raises:
            ValueError: the segmentations share no label.
        """
        backbone = backbones.create(self.backbone, self.device, **self.backbone_settings)
        fixed, moving = backbone.prepare(self.fixed, self.moving)
        registration = backbone.register(fixed, moving)
        advance("registration")
        truth, grid = self.fixed_labels, self.fixed_labels.grid
        warped = self.moving_labels.warp(registration.to_numpy().resample(grid))
        if not set(truth.labels) & set(warped.labels):
            raise ValueError(
                f"{self.name}: the two segmentations share no label after registration; "
                "give the same values to the same structures."
            )
        residual = image_on(image_residual(fixed, moving, registration), registration.grid, grid)
        maps = [baselines(layer.array, grid, residual) for layer in warped.layers]
        yield from self._judged("", maps, warped)
        layers = [LabelProbabilities(layer, grid) for layer in self.moving_labels.layers]

        def add(field: DisplacementField, log_weight: float) -> None:
            for probabilities in layers:
                probabilities.add(field, log_weight)

        found = disagreement(
            sampler_of(backbone, unit),
            fixed,
            moving,
            self.samples,
            numpy_generator(self.seed, "label study", unit),
            lambda: advance(unit),
            add,
        )
        of_all = {
            text: LabelMap(image_on(values, registration.grid, grid))
            for text, values in (
                ("u", found.uncertainty_mm),
                ("displacement entropy", to_numpy(displacement_entropy(found.covariance))),
            )
        }
        maps = [
            of_all | _of_samples(probabilities, labels.array)
            for probabilities, labels in zip(layers, warped.layers)
        ]
        yield from self._judged(unit, maps, warped)

    def _judged(
        self, family: str, layers: list[dict[str, LabelMap]], warped: Segmentation
    ) -> Iterator[dict]:
        """A row a map."""
        maps, found, truth = pooled(layers), stacked(warped), stacked(self.fixed_labels)
        dice = mean_dice(found, truth)
        for name, scores in judge(maps, found, truth, ring_of(self.fixed_labels)).items():
            row = {**self.pair(), "family": family, "map": name}
            yield {
                **{column: row[column] for column in KEY},
                **{k: "" if v is None else v for k, v in scores.items()},
                "mean": float(maps[name].score.mean()),
                "dice": dice,
            }

    @staticmethod
    def table(rows: Rows) -> str:
        """The summary table; with enough pairs also the correlation of entropy and Dice."""
        lines = [
            table(summary(rows.all, GROUP, tuple(COLUMNS)), GROUP, COLUMNS),
            "",
            "In the ring around the true label boundaries; mean score over the whole image; "
            f"intervals: 95 % bootstrap over pairs; {RESIDUAL} in intensities.",
        ]
        entropy = [row for row in rows.all if row["map"] == ENTROPY]
        if len(entropy) >= FEW_PAIRS:
            found = spearmanr(*([float(row[name]) for row in entropy] for name in ("mean", "dice")))
            lines.append(
                f"Spearman of mean label entropy and Dice over {len(entropy)} pairs: "
                f"{found.statistic:.2f} (p = {found.pvalue:.2g})."
            )
        return "\n".join(lines)


def _of_samples(probabilities: LabelProbabilities, warped: np.ndarray) -> dict[str, LabelMap]:
    """The maps of label probabilities; the run's own last: its row says that a family is done."""
    return {
        INFORMATION: LabelMap(probabilities.information()),
        OF_SAMPLES: LabelMap(probabilities.entropy(), *probabilities.top_label()),
        **{
            f"{ENTROPY}, broadened {width:g} mm": broadened(probabilities, width)
            for width in BROADENED_MM
        },
        ENTROPY: label_map(probabilities, warped),
    }
