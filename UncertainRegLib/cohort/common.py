"""Maps of a whole cohort on the fixed image that its pairs share: an atlas, a template.

By voxel the mean and the 95th percentile over the pairs, of the expected error and of the
disagreement. Files are read one after the other. The mean is a running sum. The percentile is exact,
too: it depends only on the largest twentieth of the values, which are all that is kept; where they
would take more than `MEMORY` bytes, the image is done in slabs, and the files are read once for each.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid, Image, write_image
from ..geometry.errors import InputError
from ..geometry.image import from_sitk
from ..geometry.volume import read_grid
from ..report.overlay import HIDE_INVALID
from ..results.atomic import replace_text
from ..results.maps import DISAGREEMENT, EXPECTED
from ..results.reader import ResultError, read_record
from ..results.schema import FILE

FOLDER = "common"  # in that of the cohort
PERCENT = 95
P = f"p{PERCENT}"  # in the names of files
FEWEST = 2  # pairs
BATCH = 16  # maps that are read before the largest values are sorted out
MEMORY = 256 * 1024**2  # bytes, for the values that are kept


@dataclass
class Common:
    """The maps of a cohort on its common fixed image.

    Attributes:
        fixed: file of that image.
        means, percentiles: by name of the map, mm; NaN where no pair says anything.
        counts: by name of the map: how many pairs.
        left_out: sentences.
    """

    fixed: str
    means: dict[str, Image] = field(default_factory=dict)
    percentiles: dict[str, Image] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def mean_and_percentile(
    read: Callable[[], Iterator[np.ndarray]], shape: Sequence[int], count: int, memory: int = MEMORY
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and 95th percentile of ``count`` arrays by voxel, NaN left out.

    The percentile is linear between values, as that of numpy.

    Args:
        read: gives all arrays anew, each (Z, Y, X) float32.
        shape: of each.
        memory: bytes for the values that are kept; at least those of one slice are.

    Returns:
        Two arrays (Z, Y, X), NaN where every array has none.
    """
    keep = _kept(count)
    slice_bytes = (keep + BATCH) * int(np.prod(shape[1:])) * 4
    height = max(1, memory // slice_bytes)
    parts = [
        _of_slab(read, slice(first, first + height), count) for first in range(0, shape[0], height)
    ]
    mean, percentile = (np.concatenate(part) for part in zip(*parts))
    return mean, percentile


def _kept(count: int) -> int:
    """How many of the largest values the percentile lies among."""
    return min(count, int((1 - PERCENT / 100) * (count - 1)) + 2)


def _of_slab(read, slab: slice, count: int) -> tuple[np.ndarray, np.ndarray]:
    keep = _kept(count)
    largest: np.ndarray | None = None
    total: np.ndarray | float = 0.0
    number: np.ndarray | int = 0
    batch: list[np.ndarray] = []

    def merge() -> None:
        nonlocal largest, batch
        stack = np.stack(batch if largest is None else [*largest, *batch])
        at = max(len(stack) - keep, 0)
        largest, batch = np.partition(stack, at, axis=0)[at:], []

    for array in read():
        part = array[slab]
        known = np.isfinite(part)
        total = total + np.where(known, part, 0.0).astype(float)
        number = number + known
        batch.append(np.where(known, part, -np.inf).astype(np.float32))
        if len(batch) == BATCH:
            merge()
    if batch:
        merge()
    assert largest is not None
    largest = np.sort(largest, axis=0)[::-1]
    number = np.asarray(number)
    with np.errstate(invalid="ignore"):
        mean = np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32)
    place = (1 - PERCENT / 100) * np.maximum(number - 1, 0)  # from the top
    upper = np.floor(place + 1e-9).astype(int)
    lower = np.minimum(upper + 1, np.maximum(number - 1, 0))
    high, low = (np.take_along_axis(largest, one[None], 0)[0] for one in (upper, lower))
    weight = np.clip(place - upper, 0, 1)
    with np.errstate(invalid="ignore"):
        percentile = np.where(number > 0, high + weight * (low - high), np.nan)
    return mean, percentile.astype(np.float32)


@dataclass(frozen=True)
class _Member:
    """What is needed of a pair: a record as a whole is too large to keep a hundred thousand of."""

    pair: str
    sha256: str
    fixed: str
    maps: dict[str, Path]


def common_maps(folder: str | Path, pairs: Iterable[str]) -> Common | None:
    """The maps over the fixed image that more than half of the pairs share; None without one.

    Args:
        folder: of the cohort.
        pairs: identifiers of those with a result.
    """
    members = [one for one in (_member(Path(folder), pair) for pair in pairs) if one is not None]
    images = Counter(one.sha256 for one in members).most_common(1)
    if not images or images[0][1] < FEWEST or 2 * images[0][1] <= len(members):
        return None
    own = [one for one in members if one.sha256 == images[0][0]]
    found = Common(own[0].fixed)
    if len(own) < len(members):
        found.left_out.append(
            f"{len(members) - len(own)} of {len(members)} pairs have another fixed image and are "
            "left out of the common maps."
        )
    for name in (EXPECTED, DISAGREEMENT):
        _add(found, name, [one for one in own if name in one.maps])
    return found if found.means else None


def _member(folder: Path, pair: str) -> _Member | None:
    """A pair with a result and a fixed image; None of any other."""
    where = folder / "pairs" / pair
    try:
        record = read_record(where)
    except ResultError:
        return None
    if "fixed" not in record.inputs:
        return None
    wanted = (EXPECTED, DISAGREEMENT, "validity")
    maps = {name: where / record.maps[name].file for name in wanted if name in record.maps}
    return _Member(pair, record.inputs["fixed"].sha256, record.inputs["fixed"].file, maps)


def _add(found: Common, name: str, members: list[_Member]) -> None:
    """Mean and percentile of one map of all pairs that have it on the grid of the first."""
    grid: Grid | None = None
    used: list[_Member] = []
    other: list[str] = []
    for one in members:
        own = _grid(one.maps[name])
        if own is not None and grid is None:
            grid = own
        same = own is not None and grid is not None and own.shape == grid.shape
        if same and np.allclose(own.affine, grid.affine, atol=1e-4):
            used.append(one)
        else:
            other.append(one.pair)
    if other:
        found.left_out.append(
            f"{', '.join(other[:3])}{', …' if len(other) > 3 else ''}: left out of the common maps, "
            "as the map cannot be read or its grid is another than that of the first pair."
        )
    if grid is None or len(used) < FEWEST:
        return

    def read() -> Iterator[np.ndarray]:
        for one in used:
            yield _values(one, name)

    mean, percentile = mean_and_percentile(read, grid.shape, len(used))
    found.means[name], found.percentiles[name] = Image(mean, grid), Image(percentile, grid)
    found.counts[name] = len(used)


def _grid(path: Path) -> Grid | None:
    """Of the header alone; None if it cannot be read."""
    try:
        return read_grid(path)
    except InputError:
        return None


def _values(one: _Member, name: str) -> np.ndarray:
    """A map (Z, Y, X) in mm, NaN where it says nothing."""
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(one.maps[name]), sitk.sitkFloat32))
    if "validity" in one.maps:
        validity = sitk.GetArrayFromImage(sitk.ReadImage(str(one.maps["validity"])))
        array[validity < HIDE_INVALID] = np.nan
    return array


def up_to_date(folder: str | Path, pairs: Sequence[str]) -> Common | None:
    """The maps as in `common_maps`, and as files: ``common/NAME_mean.nrrd`` and ``…_p95.nrrd``, mm.

    They are made anew only where another pair or a newer result is there.
    """
    out = Path(folder) / FOLDER
    about, state = out / "about.json", _state(Path(folder), pairs)
    try:
        known = json.loads(about.read_text(encoding="utf-8"))
        if known["state"] == state:
            found = Common(known["fixed"], counts=known["counts"], left_out=known["left_out"])
            for name in found.counts:
                found.means[name] = from_sitk(sitk.ReadImage(str(_file(out, name, "mean"))))
                found.percentiles[name] = from_sitk(sitk.ReadImage(str(_file(out, name, P))))
            return found
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        pass  # none yet, or not whole
    about.unlink(missing_ok=True)
    made = common_maps(folder, pairs)
    if made is not None:
        out.mkdir(exist_ok=True)
        for suffix, maps in (("mean", made.means), (P, made.percentiles)):
            for name, image in maps.items():
                write_image(image, _file(out, name, suffix))
        content = {"fixed": made.fixed, "counts": made.counts, "left_out": made.left_out}
        replace_text(about, json.dumps({"state": state, **content}, indent=2, ensure_ascii=False))
    return made


def _file(out: Path, name: str, suffix: str) -> Path:
    return out / f"{name}_{suffix}.nrrd"


def _state(folder: Path, pairs: Sequence[str]) -> str:
    """Changes with the pairs and with any of their results."""
    found = sha256()
    for pair in pairs:
        file = folder / "pairs" / pair / FILE
        written = file.stat().st_mtime_ns if file.exists() else 0
        found.update(f"{pair}\n{written}\n".encode())
    return found.hexdigest()
