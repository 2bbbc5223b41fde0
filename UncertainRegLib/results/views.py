"""What a typed view takes from the content of ``result.json``."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints


def known(view: type, content: dict) -> dict:
    """The entries of ``content`` that a view has, without a None that has a default.

    Raises:
        TypeError: an entry is of another type than the view says.
    """
    hints = _hints(view)
    found = {
        one.name: content[one.name]
        for one in fields(view)
        if one.name in content and (content[one.name] is not None or not _has_default(one))
    }
    for name, one in found.items():
        if one is not None and not _fits(one, hints[name]):
            raise TypeError(f"{name}: {type(one).__name__} instead of {hints[name]}")
    return found


def _has_default(one) -> bool:
    return one.default is not MISSING or one.default_factory is not MISSING


@cache
def _hints(view: type) -> dict[str, Any]:
    hints = get_type_hints(view)
    return {one.name: hints[one.name] for one in fields(view)}


def _fits(value, hint) -> bool:
    """Is a JSON value what a view asks for? Views themselves come as objects."""
    origin, inner = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Any:
        return True
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(one, i) for i in inner[1:] for one in value.values()
        )
    if origin in (list, tuple):
        return isinstance(value, (list, tuple)) and all(
            _fits(one, i) for i in inner[:1] for one in value
        )
    if is_dataclass(hint):
        return isinstance(value, dict) or type(value) is hint
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    return isinstance(value, (int, float) if hint is float else hint)
