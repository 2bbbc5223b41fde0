"""What a typed view takes from the content of ``result.json``."""

from __future__ import annotations

from dataclasses import MISSING, fields


def known(view: type, content: dict) -> dict:
    """The entries of ``content`` that a view has, without a None that has a default."""
    return {
        one.name: content[one.name]
        for one in fields(view)
        if one.name in content and (content[one.name] is not None or not _has_default(one))
    }


def _has_default(one) -> bool:
    return one.default is not MISSING or one.default_factory is not MISSING
