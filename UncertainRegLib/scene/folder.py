"""Reading result.json and finding the files it names."""

from __future__ import annotations

import json
from pathlib import Path

SCHEMA = "uncertainreg-result/1"


class ResultError(ValueError):
    """The folder holds no result that can be shown; the message says why."""


class ResultFolder:
    """A result folder that may be incomplete: what is missing becomes a warning.

    Attributes:
        record: content of result.json.
        warnings: one sentence for each file that is named but cannot be used.

    Raises:
        ResultError: no or damaged result.json, or of another schema.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder)
        self.warnings: list[str] = []
        path = self.path / "result.json"
        try:
            self._text = path.read_text(encoding="utf-8")
            self.record = json.loads(self._text)
        except OSError:
            raise ResultError(f"{folder}: has no result.json, it is not a result folder.") from None
        except ValueError:
            raise ResultError(f"{path}: is damaged; run the registration again.") from None
        schema = self.record.get("schema") if isinstance(self.record, dict) else None
        if schema != SCHEMA:
            raise ResultError(f"{path}: has schema {schema!r} but this version of UncertainReg "
                              f"reads {SCHEMA!r}; update it or run the registration again.")

    def is_outdated(self) -> bool:
        """Has the worker written another result.json since?"""
        try:
            return (self.path / "result.json").read_text(encoding="utf-8") != self._text
        except OSError:
            return False

    def file(self, name: str | None) -> Path | None:
        """Where a file named in result.json is; None, with a warning, if it is not there."""
        if not name:
            return None
        for path in (self.path / name, Path(name)):
            if path.exists():  # a file, or the folder of a DICOM series
                return path
        self.warnings.append(f"{name}: named in {self.path / 'result.json'}, but not there.")
        return None

    def input_file(self, name: str) -> Path | None:
        """Where an input is ('fixed', 'moving_labels', ...); None if the run had none."""
        return self.file((self.record.get("inputs", {}).get(name) or {}).get("file"))
