"""One registration method on known deformations, in a process of its own: only so its memory and
its computing time are its own.

    python -m UncertainRegLib.studies.engine_trial TASK.json
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from .. import backbones
from ..backbones.competence import probe
from ..backbones.failures import FAILURES, check_finite, sentence
from ..backbones.registry import backbone_class
from ..contracts import Backbone
from ..environment import peak_memory_mb
from ..geometry import (
    DisplacementField,
    Image,
    jacobian_determinant,
    read_field,
    read_image,
    read_segmentation,
    warp,
    write_field,
    write_image,
)
from ..geometry.errors import unsaid
from ..metrics.similarity import local_ncc
from ..settings import defaults
from .calibration import region_of
from .simulate import error_mm, seen

SHIFTS_MM = (1.0, 4.0)  # a crop of an organ may not be wide enough for more
LIBRARY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Task:
    """What is tried.

    Attributes:
        engine: name of the method; settings: of its class.
        voxels: of its working grid, where that is a setting of it.
        pair: folder of the simulated pair, see `write_pair`.
        device: "cpu" or "cuda".
        competence: also find which known shifts it follows.
        real: folder of the pair itself, registered as well to see how alike it becomes; "" where
            that is known already, or intensities do not tell.
    """

    engine: str
    settings: dict
    voxels: int
    pair: str
    device: str
    competence: bool
    real: str = ""


def tried(task: Task, file: Path) -> dict:
    """The numbers of `measured`, from a new process; "failed" says why where there are none.

    Args:
        file: for the task; it is there only meanwhile.
    """
    file.write_text(json.dumps(asdict(task)), encoding="utf-8")
    path = os.pathsep.join(filter(None, (str(LIBRARY), os.environ.get("PYTHONPATH"))))
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, str(file)],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "PYTHONPATH": path},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            check=False,
        )
    finally:
        file.unlink()
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    last = done.stderr.strip().splitlines()[-1:] or [f"it ended with code {done.returncode}"]
    return {"failed": last[0][:500]}


def measured(task: Task) -> dict:
    """Register one simulated pair and compare with its truth.

    Returns:
        "error_mm" and "p95_mm" in the region of interest, "folds" (the share of it that folds),
        "cpu_s" of this process and of the programs that it ran, "peak_mb", "followed", the
        part of a known shift that it follows, of several the worst, and "alike", see `alike`; or
        "failed".
    """
    fixed, moving, truth = read_pair(Path(task.pair))
    settings = dict(task.settings)
    if "voxels" in defaults(backbone_class(task.engine)):
        settings.setdefault("voxels", task.voxels)
    try:
        backbone = backbones.create(task.engine, task.device, **settings)
        begun, since = sum(os.times()[:4]), perf_counter()
        prepared = backbone.prepare(fixed, moving)
        registration = backbone.register(*prepared)
        check_finite(registration)
        found = {"cpu_s": sum(os.times()[:4]) - begun, "wall_s": perf_counter() - since}
        if task.competence:
            parts = probe(backbone, *prepared, SHIFTS_MM, registration).followed.values()
            found["followed"] = max(parts, key=lambda part: abs(part - 1.0), default=0.0)
        if task.real:
            found["alike"] = alike(backbone, *_images(Path(task.real)))
    except FAILURES as error:
        return {"failed": sentence(error)}
    registration = registration.to_numpy()
    truth = truth.resample(registration.grid)
    region = region_of(fixed.resample(registration.grid)) & seen(truth, moving.grid)
    error = error_mm(registration, truth)[region]
    folded = np.asarray(jacobian_determinant(registration))[region] <= 0
    return found | {
        "error_mm": float(error.mean()),
        "p95_mm": float(np.percentile(error, 95)),
        "folds": float(folded.mean()),
        "peak_mb": peak_mb(),
    }


def alike(backbone: Backbone, fixed: Image, moving: Image) -> float:
    """How alike a registration makes two images: mean squared local correlation in the region of
    interest, 0 to 1."""
    prepared = backbone.prepare(fixed, moving)
    found = backbone.register(*prepared).to_numpy()
    here, there = (image.to_numpy() for image in prepared)
    here = here.resample(found.grid)
    moved = warp(there, found, outside=None)
    return local_ncc(here.array, moved.array, region_of(here))


def peak_mb() -> float:
    """Peak memory in MB of this process, or of a program that it ran; NaN where it is not known."""
    own = peak_memory_mb()
    if own is None:
        return float("nan")
    try:
        import resource
    except ImportError:  # Windows
        return own
    unit = 2**20 if sys.platform == "darwin" else 1024
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit)


def write_pair(folder: Path, fixed: Image, moving: Image, truth: DisplacementField) -> None:
    """Write a simulated pair; the truth last: with it the pair is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in (("fixed", fixed), ("moving", moving)):
        write_image(Image(image.array, image.grid), folder / f"{name}.nrrd")
        if image.mask is not None:
            mask = Image((image.mask > 0).astype(np.uint8), image.grid)
            write_image(mask, folder / f"{name}_mask.nrrd")
    write_field(truth, folder / "truth.nrrd")


def read_pair(folder: Path) -> tuple[Image, Image, DisplacementField]:
    """What `write_pair` wrote."""
    return (*_images(folder), read_field(folder / "truth.nrrd"))


def _images(folder: Path) -> Iterator[Image]:
    for name in ("fixed", "moving"):
        image, mask = read_image(folder / f"{name}.nrrd", unsaid), None
        file = folder / f"{name}_mask.nrrd"
        if file.exists():
            mask = read_segmentation(file, unsaid).foreground().array
        yield Image(image.array, image.grid, mask)


if __name__ == "__main__":
    given = Task(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print(json.dumps(measured(given)))
