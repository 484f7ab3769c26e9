"""Who is told how a run goes."""

from collections.abc import Callable

Note = Callable[[str], None]
"""Told, for people, what was chosen and what is worth knowing."""

Progress = Callable[[int, int], None]
"""Called with tiles done and tiles in all; with 0 and 0 until it is known how many there are."""


def silent(text: str) -> None:
    """Be told something and say nothing."""


def unwatched(done: int, total: int) -> None:
    """Be told how far it is and show nothing."""
