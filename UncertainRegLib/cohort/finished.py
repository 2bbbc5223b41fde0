"""Is a result there the one that a pair asks for? By its inputs, its settings and the version."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from .. import __version__
from ..backbones.models import checksum_of
from ..jobs.inputs import checksum
from ..results.reader import ResultError, read_record
from .pairs_file import Pair


def is_finished(where: Path, pair: Pair) -> bool:
    """Whether the folder holds a complete result of the same files, settings and version."""
    try:
        record = read_record(where)
    except ResultError:
        return False
    asked = pair.job.settings() | {"model_sha256": checksum_of(pair.job.backbone)}
    if (
        record.status != "complete"
        or record.versions.get("UncertainReg") != __version__
        or record.job != asked
    ):
        return False
    made_of = {name: one.sha256 for name, one in record.inputs.items()}
    try:
        return made_of == {name: _checksum(file) for name, file in pair.job.files().items()}
    except OSError:  # gone since
        return False


def _checksum(file: str) -> str:
    """SHA-256 of an input; that of an image in many pairs is found once."""
    path = Path(file)
    if path.is_dir():
        return checksum(path)
    about = path.stat()
    return _of_file(file, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=4096)
def _of_file(file: str, changed: int, size: int) -> str:
    return checksum(file)
