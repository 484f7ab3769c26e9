"""Exclusive use of torch's threads."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from groklst_models.threads import threads

_PROCESSOR: Final = Lock()


@contextmanager
def processor() -> Iterator[int]:
    """Use torch's threads exclusively in this process, and restore their number afterwards.

    The number applies to the whole process, and the last bits of a network may depend on it.

    Yields:
        The number.
    """
    with _PROCESSOR, threads(None) as count:
        yield count
