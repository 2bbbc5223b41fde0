"""What a reader of files says: why it cannot use one, or what it had to decide."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]  # takes a sentence about what was guessed, dropped or converted


class InputError(ValueError):
    """A file cannot be used; the message names the file and says what to do."""


def unsaid(sentence: str) -> None:
    """The `Say` of a caller who has nobody to tell."""


def last_line(error: Exception) -> str:
    """The end of an error's message: ITK puts the reason there."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:160] if lines else type(error).__name__
