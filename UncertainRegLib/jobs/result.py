"""The result folder: written so that a reader never meets a half-written result.

Files of a snapshot carry the number of samples in their names; ``result.json`` is replaced at
the end, in one step, and only then are the files of the snapshot before removed.
"""

from __future__ import annotations

import json
import os
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
from ..geometry.files import InputError
from ..geometry.image import set_geometry
from ..samplers import Sample
from . import products
from .cancel import CANCEL_FILE
from .summary import OF_REGISTRATION, Summary

SCHEMA = "uncertainreg-result/1"


class ResultFolder:
    """Writes one run's results.

    Args:
        path: a new or empty folder.

    Attributes:
        record: the content of ``result.json`` so far.

    Raises:
        InputError: the folder holds something already, or cannot be made.
    """

    def __init__(self, path: str | Path, record: dict) -> None:
        self.path = Path(path)
        # A cancel file may be there already: someone changed their mind at once.
        if self.path.exists() and (not self.path.is_dir() or any(
                item.name != CANCEL_FILE for item in self.path.iterdir())):
            raise InputError(f"{path}: is not empty; choose a new folder for the result.")
        try:
            for folder in ("maps", "samples"):
                (self.path / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path}: the folder cannot be made ({error.strerror}).") from None
        self.record = {"schema": SCHEMA, "status": "partial", "error": None, **record}
        self._written: set[str] = set()

    def write_registration(self, summary: Summary) -> None:
        """The unperturbed registration, the warped moving image and its labels; then commit."""
        fixed = summary.inputs.fixed.grid
        registration = summary.registration.to_numpy()
        write_field(registration.resample(fixed), self.path / "transform.nrrd")
        write_image(products.warped_moving(summary), self.path / "warped_moving.nrrd")
        self.record.update(transform="transform.nrrd", transform_meaning=MEANING,
                           warped="warped_moving.nrrd")
        if _is_coarser(registration.grid, fixed):
            write_field(registration, self.path / "transform_working.nrrd")
            self.record["transform_working"] = "transform_working.nrrd"
        if summary.inputs.moving_labels is not None:
            labels = products.warped_labels(summary, fixed)
            name = "warped_labels.nrrd" if len(labels.layers) == 1 else "warped_labels.seg.nrrd"
            write_segmentation(labels, self.path / name)
            self.record["warped_labels"] = name
        self.commit()

    def write_sample(self, index: int, field: DisplacementField, sample: Sample) -> None:
        """Keep one sample, ``field`` (mm LPS, animation grid); named in the next commit."""
        name = f"samples/sample-{index:04d}.nrrd"
        write_field(field, self.path / name)
        samples = self.record["samples"]
        samples["files"].append(name)
        samples["log_weights"].append(sample.log_weight)
        samples["status"].append({"index": index, **sample.facts})
        samples.update(finished=index + 1, **sample.of_all)

    def write_summary(self, summary: Summary, final: bool) -> None:
        """Maps and tables of the samples so far; then commit."""
        names = self._update(summary, "" if final else f"-{summary.stream.count:04d}", final)
        self.commit()
        for old in self._written - names:
            (self.path / old).unlink(missing_ok=True)
        self._written = names

    def write_without(self, summary: Summary, strays: list[int]) -> Summary:
        """Maps and tables without some of the samples, as the entry "without_strays"; returns
        what they were made of. They are computed from the samples that are kept, so on the
        animation grid.
        """
        samples = self.record["samples"]
        kept = [index for index in range(summary.stream.count) if index not in strays]
        others = Summary(summary.inputs, summary.registration, summary.stream.nested is not None)
        others.before_after = summary.before_after  # of the registration: the same
        for index in kept:
            facts = samples["status"][index]
            others.add(Sample(read_field(self.path / samples["files"][index]),
                              samples["log_weights"][index], facts.get("group", 0), facts))
        entry = {"left_out": strays}
        self._update(others, "-without-strays", True, entry, kept)
        self.record["without_strays"] = entry
        return others

    def _update(self, summary: Summary, suffix: str, final: bool, record: dict | None = None,
                numbers: list[int] | None = None) -> set[str]:
        """Write maps, tables and mean into files and ``record``; returns the names of the files.

        Args:
            suffix: what the names of the files end in.
            record: the whole one by default.
            numbers: those of the samples of ``summary``, if it has not all of them.
        """
        record = self.record if record is None else record
        names = set()

        def new(name: str) -> Path:
            names.add(name)
            return self.path / name

        maps, fixed = products.maps(summary), summary.inputs.fixed.grid
        listed = {}
        for name, values in maps.items():
            if name in OF_REGISTRATION and record is not self.record:
                continue
            file = f"maps/{name}{suffix}.nrrd"
            write_image(Image(values, fixed), new(file), compress=final)
            listed[name] = {"file": file, **dict(zip(("unit", "meaning"), summary.meaning(name)))}
        mean, mean_field = f"mean_transform{suffix}.nrrd", summary.stream.mean()
        write_field(mean_field.resample(fixed), new(mean))
        if _is_coarser(mean_field.grid, fixed):
            record["mean_transform_working"] = f"mean_transform_working{suffix}.nrrd"
            write_field(mean_field, new(record["mean_transform_working"]))
        record.update(maps=listed, mean_transform=mean)
        if summary.stream.has_spread:
            covariance = f"covariance_mm2{suffix}.nrrd"
            values, grid = products.covariance(summary)
            sitk.WriteImage(set_geometry(sitk.GetImageFromArray(values, isVector=True), grid),
                            str(new(covariance)))
            record.update(
                covariance=covariance,
                labels=products.label_rows(summary, maps["uncertainty_mm"], maps["validity"]),
                landmarks=products.landmark_rows(summary),
                **summary.coarse.representatives(numbers),
                oracle_sample=summary.truth.nearest(numbers))
        if record is self.record:
            record["samples"]["effective"] = summary.stream.effective()
        return names

    def commit(self) -> None:
        """Replace ``result.json`` in one step."""
        target = self.path / "result.json"
        draft = target.with_suffix(".json.tmp")
        text = json.dumps(self.record, indent=2, default=_plain, allow_nan=False)
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, target)


def read_result(folder: str | Path) -> dict:
    """The content of a result folder's ``result.json``.

    Raises:
        InputError: no result there, or one of another schema.
    """
    path = Path(folder) / "result.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{folder}: holds no readable result.json; give a result folder."
                         ) from None
    schema = record.get("schema") if isinstance(record, dict) else None
    if schema != SCHEMA:
        raise InputError(f"{path}: has schema {schema!r}, this version reads {SCHEMA!r}.")
    if "samples" not in record:  # made with the folder; the schema alone is no result
        raise InputError(f"{path}: is damaged; run again.")
    return record


def _is_coarser(grid: Grid, fixed: Grid) -> bool:
    """Is a field on ``grid`` worth keeping as it is? Resampling it back from the fixed grid would
    smooth it (0.28 mm were seen), and a scene with fields on the fixed grid is huge."""
    return np.prod(grid.shape) < np.prod(fixed.shape)


def _plain(value):
    """numpy numbers and arrays as JSON."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} does not belong into result.json")
