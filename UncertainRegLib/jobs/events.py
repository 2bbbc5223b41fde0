"""Reporters for run events: a progress bar, JSON lines, or only warnings and refusals.

Events (one JSON object a line on stdout): started, stage, preflight, competence, sample, snapshot,
warning, refused, finished, failed; of a cohort also pair.
"""

from __future__ import annotations

import json
import sys


class Silent:
    """Ignores every event."""

    def __call__(self, event: str, **facts) -> None:
        """Take one event with its facts."""


class Quiet:
    """Only warnings and refusals, on stderr."""

    def __call__(self, event: str, **facts) -> None:
        """Say the event, if it is one of them."""
        sentence = _in_words(event, facts)
        if sentence:
            print(sentence, file=sys.stderr, flush=True)


class JsonLines:
    """One JSON object a line on stdout, flushed at once."""

    def __call__(self, event: str, **facts) -> None:
        """Print the event."""
        print(json.dumps({"event": event, **facts}), flush=True)


class Bar:
    """A progress bar (tqdm where installed) and sentences on stderr."""

    def __init__(self) -> None:
        self._bar = None

    def __call__(self, event: str, **facts) -> None:
        """Show the event."""
        if event == "preflight":
            self._say(preflight_in_words(facts))
        elif event == "stage":
            self._say(facts["text"])
        elif event in ("warning", "refused"):
            self._say(_in_words(event, facts))
        elif event == "sample":
            self._advance(facts)
        elif event == "pair":
            self._advance_cohort(facts)
        elif event in ("finished", "failed") and self._bar is not None:
            self._bar.close()
            self._bar = None

    def _advance(self, facts: dict) -> None:
        finished, asked = facts["finished"], facts["asked"]
        agreement = facts.get("agreement")  # of a run; a study has none
        steady = "" if agreement is None else f"map agrees to {agreement:.2f}"
        try:
            from tqdm import tqdm
        except ImportError:
            left = f"about {facts['eta_s']:.0f} s left"
            self._say(", ".join(filter(None, (f"sample {finished} of {asked}", left, steady))))
            return
        if self._bar is None:
            self._bar = tqdm(total=asked, desc="samples", file=sys.stderr)
        self._bar.set_postfix_str(steady, refresh=False)
        self._bar.update(finished - self._bar.n)

    def _advance_cohort(self, facts: dict) -> None:
        if facts["failed_because"]:
            self._say(f"{facts['id']} failed: {facts['failed_because']}")
        state = cohort_in_words(facts)
        finished = facts["done"] + facts["failed"]
        try:
            from tqdm import tqdm
        except ImportError:
            self._say(f"{finished} of {facts['total']} pairs: {state}")
            return
        if self._bar is None:
            self._bar = tqdm(
                total=facts["total"],
                file=sys.stderr,
                bar_format="{n_fmt} of {total_fmt} pairs |{bar}| {postfix}",
            )
        self._bar.set_postfix_str(state, refresh=False)
        self._bar.update(finished - self._bar.n)

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)


def preflight_in_words(facts: dict) -> str:
    """What a run will need: "device", "minutes" and "memory_mb"."""
    return (
        f"Running on {facts['device']}; about {facts['minutes']:.1f} minutes and "
        f"{facts['memory_mb']:.0f} MB of memory."
    )


def cohort_in_words(facts: dict) -> str:
    """How far a cohort is: "done", "failed", "running", "eta_s" and "per_hour"."""
    text = f"{facts['done']} done, {facts['failed']} failed, {facts['running']} running"
    if facts["eta_s"] is None:
        return text
    hours, minutes = divmod(round(facts["eta_s"] / 60), 60)
    return f"{text}, {hours} h {minutes:02d} min left, {facts['per_hour']:.0f} pairs/h"


def _in_words(event: str, facts: dict) -> str:
    """A warning or a refusal as a sentence; empty for other events."""
    return {"warning": "Warning: {text}", "refused": "Refused: {text}"}.get(event, "").format(
        **facts
    )


REPORTERS = {"bar": Bar, "json": JsonLines, "none": Quiet}
