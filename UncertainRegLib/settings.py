"""Checks of settings given by name; an error is one sentence."""

from __future__ import annotations

import inspect
import math
from numbers import Real


def defaults(cls, hidden=()) -> dict:
    """The settings that a class takes as keywords, with their defaults; without the ``hidden``."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(cls).parameters.items()
        if name not in hidden
    }


def check_settings(what: str, given: dict, known: dict) -> None:
    """Refuse settings that do not fit.

    A value must be true or false, or a number, where its default is, and not negative where that
    is positive; other defaults tell too little.

    Args:
        what: they are the settings of; begins the sentence.
        given: the settings by name.
        known: the settings that there are, see `defaults`.

    Raises:
        ValueError: no such setting, or a value of a wrong kind.
    """
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(
            f"{what} has no setting {', '.join(unknown)}; it has {', '.join(known) or 'none'}."
        )
    for name, value in given.items():
        if isinstance(known[name], bool):
            fits, kind = isinstance(value, bool), "true or false"
        elif isinstance(known[name], Real):
            fits, kind = _is_number(value), "a number"
            if fits and known[name] > 0 > value:
                fits, kind = False, "a number of 0 or more"
        else:
            continue
        if not fits:
            raise ValueError(f"{what}: {name} is {value!r}; give {kind}.")


def _is_number(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
