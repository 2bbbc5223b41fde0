"""What a run writes into its result folder, and under which names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..geometry import (
    DisplacementField,
    Grid,
    Image,
    read_field,
    write_field,
    write_image,
    write_segmentation,
)
from ..geometry.field_file import MEANING
from ..geometry.image import set_geometry
from ..geometry.written import write_sitk
from ..results.maps import DISAGREEMENT
from ..results.writer import ResultWriter
from ..samplers import Sample
from . import products
from .cancel import CANCEL_FILE
from .landmarks import landmark_rows
from .summary import FEWEST, OF_REGISTRATION, Summary


class RunWriter(ResultWriter):
    """Writes one run's results, see `results.writer`."""

    def __init__(self, path: str | Path, record: dict) -> None:
        # A cancel file may be there already: someone changed their mind at once.
        super().__init__(path, record, (CANCEL_FILE,))

    def write_registration(self, summary: Summary) -> None:
        """The unperturbed registration, the warped moving image and its labels; then commit."""
        fixed = summary.inputs.fixed.grid
        registration = summary.registration.to_numpy()
        on_fixed = registration.resample(fixed)
        write_field(on_fixed, self.path / "transform.nrrd")
        warped = products.warped_moving(summary, on_fixed)
        write_image(warped, self.path / "warped_moving.nrrd")
        self.update(
            transform="transform.nrrd", transform_meaning=MEANING, warped="warped_moving.nrrd"
        )
        if _is_coarser(registration.grid, fixed):
            write_field(registration, self.path / "transform_working.nrrd")
            self.update(transform_working="transform_working.nrrd")
        if summary.inputs.moving_labels is not None:
            labels = products.warped_labels(summary, fixed)
            name = "warped_labels.nrrd" if len(labels.layers) == 1 else "warped_labels.seg.nrrd"
            write_segmentation(labels, self.path / name)
            self.update(warped_labels=name)
        self.commit()

    def write_sample(self, index: int, field: DisplacementField, sample: Sample) -> None:
        """Keep one sample, ``field`` (mm LPS, animation grid); named in the next commit."""
        name = f"samples/sample-{index:04d}.nrrd"
        write_field(field, self.path / name)
        weights = None
        if sample.voxel_log_weight is not None:
            weights = f"samples/sample-{index:04d}-log-weights.nrrd"
            write_image(sample.voxel_log_weight.to_numpy(), self.path / weights)
        self.add_sample(name, sample.log_weight, sample.facts, sample.of_all, weights)

    def write_summary(self, summary: Summary, final: bool) -> None:
        """Maps and tables of the samples so far; then commit."""
        suffix = "" if final else f"-{summary.stream.count:04d}"
        entries, names = self._write(summary, suffix, final)
        self.update(**entries)
        self.update_samples(effective=summary.stream.effective(), agreement=summary.agreement())
        self.commit(names)

    def write_without(self, summary: Summary, strays: list[int]) -> Summary:
        """Maps and tables without some of the samples, as the entry "without_strays"; returns
        what they were made of. They are computed from the samples that are kept, so on the
        animation grid.
        """
        samples = self.samples
        kept = [index for index in range(summary.stream.count) if index not in strays]
        others = Summary(summary.inputs, summary.registration, summary.parts)
        others.before_after = summary.before_after  # of the registration: the same
        others.expecting, others.warped = summary.expecting, summary.warped
        for index in kept:
            facts = samples.status[index]
            others.add(
                Sample(
                    read_field(self.path / samples.files[index]),
                    samples.log_weights[index],
                    facts.get("group", 0),
                    facts,
                )
            )
        entries, _ = self._write(others, "-without-strays", True, kept)
        self.update(without_strays={"left_out": strays, **entries})
        return others

    def _write(
        self, summary: Summary, suffix: str, final: bool, numbers: list[int] | None = None
    ) -> tuple[dict, set[str]]:
        """Write maps, tables and mean; returns their entries and the names of the files.

        Args:
            suffix: what the names of the files end in.
            numbers: those of the samples of ``summary``, if it has not all of them; maps of the
                registration alone are then left out.
        """
        names = set()

        def new(name: str) -> Path:
            names.add(name)
            return self.path / name

        maps, fixed = products.maps(summary, final), summary.inputs.fixed.grid
        listed, entries = {}, {}
        for name, values in maps.items():
            if name in OF_REGISTRATION and numbers is not None:
                continue
            file = f"maps/{name}{suffix}.nrrd"
            write_image(Image(values, fixed), new(file), compress=final)
            listed[name] = {"file": file, **dict(zip(("unit", "meaning"), summary.meaning(name)))}
        mean, mean_field = f"mean_transform{suffix}.nrrd", summary.stream.mean()
        write_field(mean_field.resample(fixed), new(mean))
        if _is_coarser(mean_field.grid, fixed):
            working = f"mean_transform_working{suffix}.nrrd"
            write_field(mean_field, new(working))
            entries.update(mean_transform_working=working)
        entries.update(maps=listed, mean_transform=mean)
        if summary.expected_error is not None:
            entries.update(expected_error=summary.expected_error.said.as_dict())
        if final:
            entries.update(over_anatomy=products.over_anatomy(summary, maps))
        if final or summary.stream.count >= FEWEST:  # of two samples a table says nothing
            rows = products.label_rows(summary, maps.get(DISAGREEMENT), maps["validity"], final)
            entries.update(labels=rows, landmarks=landmark_rows(summary))
        if summary.stream.has_spread:
            covariance = f"covariance_mm2{suffix}.nrrd"
            values, grid = products.covariance(summary)
            write_sitk(
                set_geometry(sitk.GetImageFromArray(values, isVector=True), grid), new(covariance)
            )
            if final and numbers is None:
                moving = "uncertainty_moving_mm.nrrd"
                write_image(products.uncertainty_moving(summary), new(moving))
                entries.update(uncertainty_moving=moving)
            entries.update(
                covariance=covariance,
                **summary.coarse.representatives(numbers),
                oracle_sample=summary.truth.nearest(numbers),
            )
        return entries, names


def _is_coarser(grid: Grid, fixed: Grid) -> bool:
    """Is a field on ``grid`` worth keeping as it is? Resampling it back from the fixed grid would
    smooth it (0.28 mm were seen), and a scene with fields on the fixed grid is huge."""
    return np.prod(grid.shape) < np.prod(fixed.shape)
