"""What a list of pairs asks for, from the headers of its files, before hours are spent."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from .. import backbones, samplers
from ..backbones.registry import backbone_class
from ..geometry import Grid, read_landmarks
from ..geometry.errors import InputError
from ..geometry.files import check_overlap
from ..geometry.transform_file import read_transform
from ..geometry.volume import read_grid
from ..jobs import Job
from ..jobs.preflight import predict_memory_mb
from .pairs_file import Pair

IMAGES = ("fixed", "moving")
LABELS = ("fixed_mask", "moving_mask", "moving_labels", "fixed_labels")
POINTS = ("moving_points", "fixed_points")


@dataclass(frozen=True)
class Needs:
    """Of a list: how many pairs, the memory in MB of the largest, and whether a network may want a
    GPU."""

    pairs: int
    memory_mb: float
    may_use_gpu: bool


def needs(pairs: Iterable[Pair]) -> Needs:
    """What pairs will need; files that cannot be read count nothing: their pairs will say so."""
    count, memory, gpu = 0, 0.0, False
    for pair in pairs:
        count += 1
        gpu = gpu or _may_use_gpu(pair.job.backbone, pair.job.method, pair.job.device)
        fixed, moving = (_grid(getattr(pair.job, name)) for name in ("fixed", "moving"))
        if isinstance(fixed, Grid) and isinstance(moving, Grid):
            working = math.prod(fixed.shape)
            asked = pair.job.parameters.get("backbone", {}).get("voxels") or _voxels(
                pair.job.backbone
            )
            working = min(working, asked) if asked else working
            memory = max(memory, predict_memory_mb(fixed.shape, moving.shape, working))
    return Needs(count, memory, gpu)


def problems_of_files(pair: Pair) -> Iterator[str]:
    """All that is wrong with the files and the method of a pair, as far as headers say."""
    grids = {}
    for name in (*IMAGES, *LABELS):
        file = getattr(pair.job, name)
        found = _grid(file, name in LABELS) if file else None
        if isinstance(found, str):
            yield found
        elif found is not None:
            grids[name] = found
    for one, other in (
        ("fixed", "moving"),
        ("fixed", "fixed_mask"),
        ("moving", "moving_mask"),
        ("fixed", "fixed_labels"),
        ("moving", "moving_labels"),
    ):
        if one in grids and other in grids:
            try:
                check_overlap(
                    grids[one], grids[other], getattr(pair.job, one), getattr(pair.job, other)
                )
            except InputError as error:
                yield str(error)
    for name in POINTS:
        if getattr(pair.job, name):
            yield from _landmarks(getattr(pair.job, name))
    for files in (pair.job.transform, pair.job.inverse):
        if files:
            yield from _transform(tuple(files))
    yield from _method(json.dumps(pair.job.settings()))


@lru_cache(maxsize=4096)
def _grid(file: str, may_have_layers: bool = False) -> Grid | str:
    """The grid of a volume from its header; or what is wrong with it."""
    try:
        return read_grid(file, may_have_layers)
    except (InputError, OSError) as error:
        return str(error)


@lru_cache(maxsize=4096)
def _landmarks(file: str) -> tuple[str, ...]:
    try:
        read_landmarks(file)
    except (InputError, OSError) as error:
        return (str(error),)
    return ()


@lru_cache(maxsize=64)
def _transform(files: tuple[str, ...]) -> tuple[str, ...]:
    try:
        read_transform(files)
    except (InputError, OSError) as error:
        return (str(error),)
    return ()


@lru_cache(maxsize=64)
def _method(settings: str) -> tuple[str, ...]:
    """What is wrong with the registration method and the way of sampling, on this machine."""
    job = Job(**json.loads(settings))
    try:
        backbone = backbones.create(job.backbone, "cpu", **job.parameters.get("backbone", {}))
        samplers.create_sampler(job.method, backbone, job.perturbation, job.parameters)
    except (ValueError, OSError, RuntimeError) as error:
        return (str(error),)
    return ()


@lru_cache(maxsize=64)
def _voxels(backbone: str) -> int:
    try:
        return backbone_class(backbone).voxels
    except ValueError:
        return 0


@lru_cache(maxsize=64)
def _may_use_gpu(backbone: str, method: str, device: str) -> bool:
    try:
        packages = {*backbone_class(backbone).facts.packages, *samplers.entry(method).packages}
    except ValueError:
        return False
    return device != "cpu" and "torch" in packages
