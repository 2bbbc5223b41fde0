"""JSON that people write."""

from __future__ import annotations


def each_once(pairs: list[tuple]) -> dict:
    """The ``object_pairs_hook`` of ``json.loads`` that drops no entry in silence.

    Raises:
        ValueError: a key is there twice; Python would take the last one.
    """
    keys = [key for key, _ in pairs]
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise ValueError(f"the key {twice[0]!r} is there twice")
    return dict(pairs)
