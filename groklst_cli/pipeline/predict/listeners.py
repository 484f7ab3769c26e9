"""Listeners of a run."""

from collections.abc import Callable

Note = Callable[[str], None]
"""Called with messages about what was chosen."""

Progress = Callable[[int, int], None]
"""Called with tiles done and tiles in all; with 0 and 0 until it is known how many there are."""


def silent(text: str) -> None:
    """Ignore a message."""


def unwatched(done: int, total: int) -> None:
    """Ignore the progress."""
