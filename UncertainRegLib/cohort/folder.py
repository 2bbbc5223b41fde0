"""What lies where in a cohort folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..results.atomic import replace_text
from ..results.schema import FILE

SCHEMA = "uncertainreg-cohort/1"


@dataclass(frozen=True)
class CohortFolder:
    """A cohort folder; nothing is made before it is written to."""

    path: Path

    @property
    def about(self) -> Path:
        """What the cohort is, and how far it came."""
        return self.path / "cohort.json"

    @property
    def pairs_file(self) -> Path:
        """A copy of the list of pairs."""
        return self.path / "pairs.csv"

    @property
    def csv(self) -> Path:
        """The long table as CSV."""
        return self.path / "cohort.csv"

    @property
    def parquet(self) -> Path:
        """The long table as Parquet."""
        return self.path / "cohort.parquet"

    @property
    def dashboard(self) -> Path:
        """The page about all pairs."""
        return self.path / "index.html"

    @property
    def pairs(self) -> Path:
        """Where the result folders are."""
        return self.path / "pairs"

    def result(self, name: str) -> Path:
        """The result folder of a pair."""
        return self.pairs / name

    def failure(self, name: str) -> Path:
        """The file that says why a pair has no result."""
        return self.path / "failed" / f"{name}.json"

    def why_failed(self, name: str) -> str:
        """Why a pair has no result, one sentence; empty where it did not fail."""
        try:
            return json.loads(self.failure(name).read_text(encoding="utf-8"))["sentence"]
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, KeyError, TypeError):
            return f"{self.failure(name)}: is damaged; run the cohort again."

    def fail(self, name: str, sentence: str) -> None:
        """Keep why a pair has no result."""
        file = self.failure(name)
        file.parent.mkdir(exist_ok=True)
        replace_text(file, json.dumps({"sentence": sentence}, ensure_ascii=False))

    def describe(self, **entries) -> None:
        """Replace entries of ``cohort.json``."""
        content = {"schema": SCHEMA, **self.description(), **entries}
        replace_text(self.about, json.dumps(content, indent=2, ensure_ascii=False))

    def description(self) -> dict:
        """What ``cohort.json`` says; empty where there is none.

        Raises:
            ValueError: it is damaged, or of another schema; or the folder is none, or of one pair.
        """
        if self.path.is_file():
            raise ValueError(f"{self.path}: is a file; choose a folder for the cohort.")
        if (self.path / FILE).is_file():
            raise ValueError(
                f"{self.path}: is the result of one pair; choose another folder for the cohort."
            )
        try:
            content = json.loads(self.about.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            raise ValueError(f"{self.about}: is damaged; move it away.") from None
        schema = content.get("schema") if isinstance(content, dict) else None
        if schema != SCHEMA:
            raise ValueError(
                f"{self.about}: has schema {schema!r}, but this version of UncertainReg reads "
                f"{SCHEMA!r}; choose another folder."
            )
        return content
