"""What a typed view takes from the content of ``result.json``."""

from __future__ import annotations

from dataclasses import fields


def known(view: type, content: dict) -> dict:
    """The entries of ``content`` that a view has, without those that are None."""
    names = {one.name for one in fields(view)}
    return {name: value for name, value in content.items() if name in names and value is not None}
