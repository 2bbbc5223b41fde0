"""What a person decided about a registration: a file of its own beside ``result.json``.

Decisions are added, never replaced: the last one counts, the others remain readable.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from .atomic import replace_text
from .views import known

FILE = "decision.json"
SCHEMA = "uncertainreg-decision/1"
DECISIONS = {"approve": "Approved", "restrict": "Approved with a restriction", "reject": "Rejected"}


@dataclass(frozen=True)
class Decision:
    """One decision.

    Attributes:
        decision: a key of `DECISIONS`.
        reason: in the person's own words; name: who decided, if they want to say.
        time: when, ISO 8601 with the time zone.
        verdict: the state that the table had then; empty if nothing was judged.
    """

    decision: str
    reason: str = ""
    name: str = ""
    time: str = ""
    verdict: str = ""

    def __str__(self) -> str:
        by = f" by {self.name}" if self.name else ""
        on = f" on {self.time[:16].replace('T', ' ')}" if self.time else ""
        why = f": {self.reason}" if self.reason else ""
        then = f" (verdict then: {self.verdict})" if self.verdict else ""
        return f"{DECISIONS[self.decision]}{by}{on}{why}{then}"


def made(decision: str, reason: str, name: str, verdict: str) -> Decision:
    """A decision of now.

    Raises:
        ValueError: no such decision, or a restriction or rejection without a reason.
    """
    if decision not in DECISIONS:
        raise ValueError(f"decision is {decision!r}; choose {', '.join(DECISIONS)}.")
    if decision != "approve" and not reason.strip():
        raise ValueError("A restriction or a rejection needs a reason; say it in a few words.")
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    return Decision(decision, reason.strip(), name.strip(), now, verdict)


def read_decisions(folder: str | Path) -> list[Decision]:
    """The decisions about a result, the latest last; empty without any.

    Raises:
        ValueError: the file is damaged.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = [Decision(**known(Decision, one)) for one in content["decisions"]]
        if content["schema"] != SCHEMA or any(one.decision not in DECISIONS for one in found):
            raise ValueError
    except (OSError, ValueError, TypeError, KeyError):
        raise ValueError(f"{path}: is damaged; move it away to decide anew.") from None
    return found


def add_decision(folder: str | Path, decision: Decision) -> list[Decision]:
    """Add a decision about a result; returns all.

    Raises:
        ValueError: the file there is damaged; it stays as it is.
        OSError: it cannot be written.
    """
    found = [*read_decisions(folder), decision]
    content = {"schema": SCHEMA, "decisions": [asdict(one) for one in found]}
    replace_text(Path(folder) / FILE, json.dumps(content, indent=2, ensure_ascii=False))
    return found
