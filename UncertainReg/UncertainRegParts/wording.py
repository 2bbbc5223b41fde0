"""Sentences of the library and of the worker in the language of the application."""

from __future__ import annotations

import re

from slicer.i18n import tr as _

# What differs from case to case in a sentence: names in quotation marks, and numbers.
_VALUE = re.compile(r"“[^”]*”|(?<![\w.])[-+±]?\d+(?:\.\d+)?")


def translated(text: str) -> str:
    """A sentence of the library, which knows no languages.

    It is looked up with its values replaced by {0}, {1} and so on: "The expected error is {0} mm on
    average." So a translation may put them in another order. Without one it stays as it is.
    """
    values = _VALUE.findall(text)
    parts = [part.replace("{", "{{").replace("}", "}}") for part in _VALUE.split(text)]
    pattern = parts[0] + "".join(f"{{{n}}}{part}" for n, part in enumerate(parts[1:]))
    found = _(pattern)
    if found == pattern:
        return text
    return found.format(*values)
