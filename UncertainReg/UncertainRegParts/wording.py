"""What the library and the worker say, in the language of the application."""

from __future__ import annotations

import re
from functools import cache

from slicer.i18n import translate

CONTEXT = (
    "UncertainRegLib"  # in the files of the translators; `sentences` lists what they find there
)
_SENTENCE = re.compile(r"(?<=\.) (?=[A-Z“])")  # between two of them
_VALUE = re.compile(r"(?<!\{)\{\d+\}(?!\})")


def translated(text: str) -> str:
    """A name, or one or more sentences, of the library, which knows no languages.

    Values in a sentence are {0}, {1} and so on for the translators, who may put them in another
    order. What nobody translated stays as it is.
    """
    found = _found(text)
    if found is None:
        return " ".join(_found(one) or one for one in _SENTENCE.split(text))
    return found


def _found(text: str) -> str | None:
    """The translation of one sentence of the list; None if it is not in there."""
    for pattern, longest, literal in _patterns():
        match = longest in text and re.fullmatch(literal, text, re.DOTALL)
        if match:
            words = translate(CONTEXT, pattern)
            if words == pattern:
                return text
            return words.format(*(_found(value) or value for value in match.groups()))
    return None


@cache
def _patterns() -> list[tuple[str, str, str]]:
    """(sentence with {0}, {1}, …; its longest part between them; as a regular expression), the most
    certain first."""
    from .sentences import SENTENCES

    found = []
    for pattern in SENTENCES:
        parts = [part.replace("{{", "{").replace("}}", "}") for part in _VALUE.split(pattern)]
        literal = "(.+?)".join(map(re.escape, parts))
        found.append((len("".join(parts)), pattern, max(parts, key=len), literal))
    return [one[1:] for one in sorted(found, reverse=True)]
