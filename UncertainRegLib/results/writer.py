"""A result folder, written so that a reader never meets a half-written result.

Files of a snapshot carry the number of samples in their names; ``result.json`` is replaced at the
end, in one step, and only then are the files of the snapshot before removed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from pathlib import Path

from .atomic import replace_text
from .reader import ResultError, read_result
from .record import Record, Samples
from .schema import FILE


class ResultWriter:
    """The folder of one run, from its first file to its last.

    Args:
        path: a new or empty folder.
        record: the content of ``result.json`` to begin with, see `schema.new_record`.
        may_hold: names of files that may be there already.

    Attributes:
        record: the content of ``result.json`` so far.

    Raises:
        ResultError: the folder holds something already, or cannot be made.
    """

    def __init__(self, path: str | Path, record: dict, may_hold: tuple[str, ...] = ()) -> None:
        self.path, self.record = Path(path), record
        if self.path.exists() and (
            not self.path.is_dir() or any(item.name not in may_hold for item in self.path.iterdir())
        ):
            raise ResultError(f"{path}: is not empty; choose a new folder for the result.")
        try:
            for folder in ("maps", "samples"):
                (self.path / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResultError(f"{path}: the folder cannot be made ({error.strerror}).") from None
        self._snapshot: set[str] = set()

    @property
    def file(self) -> Path:
        """``result.json``."""
        return self.path / FILE

    @property
    def view(self) -> Record:
        """What the record says by now."""
        return Record.from_dict(self.record)

    @property
    def samples(self) -> Samples:
        """The samples by now."""
        return Samples.from_dict(self.record["samples"])

    @property
    def timings(self) -> dict[str, float]:
        """Seconds by name; what is added is in the record."""
        return self.record["timings"]

    def update(self, **entries) -> None:
        """Set entries of the record."""
        self.record.update(entries)

    def warn(self, sentence: str) -> None:
        """Add a warning."""
        self.record["warnings"].append(sentence)

    def update_samples(self, **entries) -> None:
        """Set entries of the samples: "asked", "effective" or "agreement"."""
        self.record["samples"].update(entries)

    def mark_strays(self, strays_mm: dict[int, float]) -> None:
        """Name the samples far from all others: number from 0 -> distance in mm from their median."""
        for number, distance in strays_mm.items():
            self.record["samples"]["status"][number].update(stray=True, from_median_mm=distance)

    def add_sample(
        self,
        file: str,
        log_weight: float,
        facts: dict,
        of_all: dict,
        voxel_log_weights: str | None = None,
    ) -> None:
        """Name a sample whose file is written; the next commit has it.

        Args:
            file: relative to the folder.
            facts: of this sample; of_all: of the sampling as a whole.
            voxel_log_weights: file of its log-weights by voxel, where it has any.
        """
        samples = self.record["samples"]
        index = len(samples["files"])
        samples["files"].append(file)
        samples["log_weights"].append(log_weight)
        if voxel_log_weights is not None:
            samples.setdefault("voxel_log_weights", []).append(voxel_log_weights)
        samples["status"].append({"index": index, **facts})
        samples.update(finished=index + 1, **of_all)

    def commit(self, snapshot: set[str] | None = None) -> None:
        """Replace ``result.json``; then remove the files of the snapshot before.

        Args:
            snapshot: names of the files of a new one, where there is one.
        """
        _write(self.file, self.record)
        if snapshot is not None:
            for old in self._snapshot - snapshot:
                (self.path / old).unlink(missing_ok=True)
            self._snapshot = snapshot


def extend(folder: str | Path, record: Record, **entries) -> Record:
    """Add entries to the ``result.json`` of a folder, in one step; returns what it says then.

    Args:
        record: what it says now.
        entries: by name; plain JSON, or views.

    Raises:
        TypeError: an entry that nobody could read again; the file stays as it is.
    """
    content = {
        **record.content,
        **{
            name: asdict(one) if is_dataclass(one) and not isinstance(one, type) else one
            for name, one in entries.items()
        },
    }
    found = Record.from_dict(content)
    _write(Path(folder) / FILE, content)
    return found


def move_inputs(folder: str | Path, moved: Callable[[str], str]) -> None:
    """Say in the ``result.json`` of a folder where its inputs are now.

    Args:
        moved: the path that was -> the path that is.
    """
    content = read_result(folder)
    for one in content["inputs"].values():
        one["file"] = moved(one["file"])
    _write(Path(folder) / FILE, content)


def _write(file: Path, content: dict) -> None:
    replace_text(file, json.dumps(content, indent=2, default=_plain, allow_nan=False))


def _plain(value):
    """numpy numbers and arrays as JSON."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} does not belong into {FILE}")
