"""The Python door: register one pair and map its uncertainty, with files or images in memory."""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import SimpleITK as sitk

from .geometry import (
    DisplacementField,
    Image,
    Segmentation,
    read_field,
    read_volume,
    write_field,
    write_image,
    write_points,
    write_segmentation,
)
from .jobs import REPORTERS, Job, run
from .posterior.weights import normalised
from .results.reader import read_record
from .results.writer import move_inputs

File = str | PathLike[str]
Volume = File | Image | sitk.Image
Registration = File | Sequence[File] | DisplacementField
Points = File | Mapping[str, Sequence[float]]
INPUTS = "inputs"  # folder of a result for inputs that were given in memory


class Result:
    """A registration, where it can be trusted, and the alternatives.

    Arrays are (Z, Y, X); displacements and points are LPS mm.

    Attributes:
        folder: the result folder, which `map_uncertainty` or the command line wrote.
        record: what its ``result.json`` says.

    Raises:
        ResultError: the folder holds no result.
    """

    def __init__(self, folder: File, temporary: TemporaryDirectory | None = None) -> None:
        self.folder, self.record = Path(folder), read_record(Path(folder))
        self._temporary = temporary  # is removed with this object

    @property
    def status(self) -> str:
        """``complete``, or ``partial`` after Ctrl-C: of the samples that were finished by then."""
        return self.record.status

    @property
    def warnings(self) -> list[str]:
        """What must be known before the result is used, a sentence each."""
        return self.record.warnings

    def _file(self, name: str | None) -> Path:
        if name is None:
            raise ValueError(f"{self.folder}: has no registration; it was stopped before that.")
        return self.folder / name

    @cached_property
    def transform(self) -> DisplacementField:
        """The registration, on the fixed grid: x + d(x) is the moving point of the fixed x."""
        return read_field(self._file(self.record.transform))

    @cached_property
    def warped(self) -> Image:
        """The registered moving image, on the fixed grid."""
        return read_volume(self._file(self.record.warped))

    @cached_property
    def maps(self) -> dict[str, Image]:
        """Maps on the fixed grid by name: ``expected_error_mm`` is the expected length of the error
        in mm (none with two contrasts, or with fewer than four samples), ``uncertainty_mm`` the
        disagreement of the samples in mm.

        Where ``validity`` is below 0.5 most samples leave the moving image, or nothing was
        computed, and the others mean nothing. Units and meanings are in ``record.maps``.
        """
        return {
            name: read_volume(self.folder / entry.file) for name, entry in self.record.maps.items()
        }

    @property
    def structures(self) -> list[dict]:
        """One row for each structure of the moving segmentation, the most uncertain first, with
        its 95 % bounds where they may be stated."""
        return self.record.bounded(self.record.labels)

    @property
    def landmarks(self) -> list[dict]:
        """One row for each landmark of the moving image, with its 95 % bound where one may be
        stated."""
        return self.record.bounded(self.record.landmarks)

    def samples(self) -> Iterator[DisplacementField]:
        """The alternatives, each a registration like `transform`, on a coarser grid."""
        for file in self.record.samples.files:
            yield read_field(self.folder / file)

    @property
    def weights(self) -> np.ndarray:
        """(N,) weights of the samples; their sum is 1."""
        return normalised(self.record.samples.log_weights)

    def save(self, folder: File) -> Path:
        """Copy the result folder to a new folder, which Slicer and ``report`` read too.

        Raises:
            FileExistsError: it is there already.
        """
        target = Path(shutil.copytree(self.folder, folder))
        _renamed_inputs(target, self.folder / INPUTS)
        return target


def map_uncertainty(
    fixed: Volume,
    moving: Volume,
    out: File | None = None,
    *,
    backbone: str = "demons",
    method: str = "equivariance",
    perturbation: str = "deform",
    samples: int = 16,
    agreement: float = 0.0,
    seed: int = 1,
    device: str = "auto",
    fixed_mask: Volume | None = None,
    moving_mask: Volume | None = None,
    moving_labels: Volume | Segmentation | None = None,
    fixed_labels: Volume | Segmentation | None = None,
    label_names: Mapping[int, str] | None = None,
    moving_points: Points | None = None,
    fixed_points: Points | None = None,
    transform: Registration | None = None,
    inverse: Registration | None = None,
    inverse_consistency: bool = False,
    parameters: Mapping[str, Mapping] | None = None,
    competence: bool = False,
    progress: str = "none",
) -> Result:
    """Register ``moving`` to ``fixed`` and map where the registration can be trusted.

    The same as ``python -m UncertainRegLib run``, with the same defaults and results.

    Args:
        fixed, moving: files, images of ``UncertainRegLib.geometry`` or SimpleITK images.
        out: new folder for the result; without it, one that is removed with the result.
        backbone: registration method, a name of ``backbones list``, the manifest of a network or
            the folder of a trained model.
        method: way of sampling, a name of ``methods list``.
        perturbation: family of perturbations, for methods that perturb.
        samples: how many registrations.
        agreement: make fewer as soon as the map of as many others would rank places alike to this,
            such as 0.9; 0 makes all.
        seed: of everything random.
        device: "auto", "cpu" or "cuda".
        fixed_mask, moving_mask: above 0 where the images may be used; an image of
            ``UncertainRegLib.geometry`` may have its own.
        moving_labels, fixed_labels: segmentations; the fixed one only judges.
        label_names: names of label values, such as {10: "Thalamus"}.
        moving_points, fixed_points: landmark files, or {name: (x, y, z)} in LPS mm; the fixed
            ones only judge.
        transform: a registration that is there already, to be judged: a file, several in the order
            of antsApplyTransforms, or a DisplacementField; the backbone gives the samples around it.
        inverse: of the transform, in the same way: is it one?
        inverse_consistency: also register the other way round (one more registration).
        parameters: settings, such as {"backbone": {"voxels": 500_000}}.
        competence: first check that the backbone follows known shifts.
        progress: "none" says warnings on stderr, "bar" the progress too, "json" events on stdout.

    Raises:
        ValueError: an input or a setting cannot be used; the message says what to do.
        TypeError: an input is of a kind that cannot be read.
    """
    temporary = None
    if out is None:
        temporary = TemporaryDirectory(prefix="uncertainreg-")
        out = temporary.name
    folder = Path(out)
    with TemporaryDirectory(prefix="uncertainreg-inputs-") as written, _handlers_kept():
        given = {
            "fixed": fixed,
            "moving": moving,
            "fixed_mask": fixed_mask,
            "moving_mask": moving_mask,
            "moving_labels": moving_labels,
            "fixed_labels": fixed_labels,
            "moving_points": moving_points,
            "fixed_points": fixed_points,
        }
        for name, image in (("fixed_mask", fixed), ("moving_mask", moving)):
            if given[name] is None and isinstance(image, Image) and image.mask is not None:
                given[name] = Image(image.mask, image.grid)
        job = Job(
            out=str(folder),
            backbone=backbone,
            method=method,
            perturbation=perturbation,
            samples=samples,
            agreement=agreement,
            seed=seed,
            device=device,
            competence=competence,
            inverse_consistency=inverse_consistency,
            label_names={str(label): name for label, name in (label_names or {}).items()},
            parameters={name: dict(value) for name, value in (parameters or {}).items()},
        )
        for name, value in given.items():
            if value is not None:
                setattr(job, name, _file(name, value, Path(written)))
        for name, one in (("transform", transform), ("inverse", inverse)):
            setattr(job, name, _files(name, one, Path(written)))
        run(job, REPORTERS[progress]())
        if any(Path(written).iterdir()):
            shutil.copytree(written, folder / INPUTS)
            _renamed_inputs(folder, Path(written))
    return Result(folder, temporary)


def _file(name: str, value: object, folder: Path) -> str:
    """The file of an input; one that was given in memory is written into ``folder``."""
    if isinstance(value, (str, PathLike)):
        return str(value)
    if isinstance(value, Mapping):
        path = folder / f"{name}.csv"
        write_points(list(value), np.array(list(value.values()), np.float64), path)
    elif isinstance(value, Segmentation):
        path = folder / f"{name}.seg.nrrd"
        write_segmentation(value, path)
    elif isinstance(value, (Image, sitk.Image)):
        path = folder / f"{name}.nrrd"
        if isinstance(value, Image):
            write_image(value, path)
        else:
            sitk.WriteImage(value, str(path))
    else:
        raise TypeError(
            f"{name} is of the type {type(value).__name__}; give a file"
            + (
                " or a dictionary {name: (x, y, z)}."
                if name.endswith("_points")
                else ", an image of UncertainRegLib.geometry or a SimpleITK image."
            )
        )
    return str(path)


def _files(name: str, value: object, folder: Path) -> list[str]:
    """The files of a registration; one that was given in memory is written into ``folder``."""
    if value is None:
        return []
    if isinstance(value, DisplacementField):
        write_field(value, folder / f"{name}.nrrd")
        return [str(folder / f"{name}.nrrd")]
    if isinstance(value, (str, PathLike)):
        return [str(value)]
    if isinstance(value, Sequence) and all(isinstance(one, (str, PathLike)) for one in value):
        return [str(one) for one in value]
    raise TypeError(
        f"{name} is of the type {type(value).__name__}; give a file, several files or a "
        "DisplacementField of UncertainRegLib.geometry."
    )


def _renamed_inputs(folder: Path, before: Path) -> None:
    """Inputs of a result that were in the folder ``before`` are in its own now."""

    def moved(file: str) -> str:
        if Path(file).parent != before.resolve():
            return file
        return str((folder / INPUTS / Path(file).name).resolve())

    move_inputs(folder, moved)


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """A run listens to Ctrl-C and SIGTERM; afterwards they do what they did before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
