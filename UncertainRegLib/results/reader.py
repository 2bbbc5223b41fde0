"""Reading ``result.json`` and finding the files it names."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from .record import Record
from .schema import FILE, SCHEMA


class ResultError(ValueError):
    """The folder holds no result that can be used; the message says why."""


class ResultFolder:
    """A result folder that may be incomplete: what is missing becomes a warning.

    Attributes:
        path: the folder.
        record: what its result.json says.
        warnings: one sentence for each file that is named but cannot be used.

    Raises:
        ResultError: no or damaged result.json, or of another schema.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder)
        self.warnings: list[str] = []
        self._text = _text(folder)
        self.record = _typed(_checked(self._text, self.path / FILE), self.path / FILE)

    @property
    def written(self) -> datetime:
        """When its result.json was written, local time."""
        return datetime.fromtimestamp((self.path / FILE).stat().st_mtime)

    def is_outdated(self) -> bool:
        """Has the worker written another result.json since?"""
        try:
            return _text(self.path) != self._text
        except ResultError:
            return False

    def file(self, name: str | None) -> Path | None:
        """Where a file named in result.json is; None, with a warning, if it is not there."""
        if not name:
            return None
        for path in (self.path / name, Path(name)):
            if path.exists():  # a file, or the folder of a DICOM series
                return path
        self.warnings.append(f"{Path(name).name}: named in {FILE}, but not there.")
        return None

    def input_file(self, name: str) -> Path | None:
        """Where an input is ('fixed', 'moving_labels', ...); None if the run had none."""
        one = self.record.inputs.get(name)
        return self.file(one.file if one else None)


def read_record(folder: str | Path) -> Record:
    """What the ``result.json`` of a folder says.

    Raises:
        ResultError: as for `ResultFolder`.
    """
    return _typed(read_result(folder), Path(folder) / FILE)


def read_result(folder: str | Path) -> dict:
    """The content of a folder's ``result.json`` as it is.

    Raises:
        ResultError: as for `ResultFolder`.
    """
    return _checked(_text(folder), Path(folder) / FILE)


def _text(folder: str | Path) -> str:
    try:
        return (Path(folder) / FILE).read_text(encoding="utf-8")
    except OSError:
        raise ResultError(f"{folder}: has no {FILE}, it is not a result folder.") from None
    except ValueError:  # no UTF-8
        raise _damaged(Path(folder) / FILE) from None


def _checked(text: str, path: Path) -> dict:
    try:
        content = json.loads(text)
    except ValueError:
        raise _damaged(path) from None
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise ResultError(
            f"{path}: has schema {schema!r} but this version of UncertainReg "
            f"reads {SCHEMA!r}; update it or run the registration again."
        )
    if "samples" not in content:  # made with the folder; the schema alone is no result
        raise _damaged(path)
    return content


def _typed(content: dict, path: Path) -> Record:
    try:
        record = Record.from_dict(content)
        _ = record.without_strays
    except (TypeError, AttributeError, KeyError, ValueError):  # not what the schema says
        raise _damaged(path) from None
    return record


def _damaged(path: Path) -> ResultError:
    return ResultError(f"{path}: is damaged; run the registration again.")
