"""Having torch's threads to oneself."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from groklst_models.threads import threads

_PROCESSOR: Final = Lock()


@contextmanager
def processor() -> Iterator[int]:
    """Have torch's threads to oneself in this process; their number is put back afterwards.

    The number is one for the whole process, and a network's last bits may depend on it.

    Yields:
        The number.
    """
    with _PROCESSOR, threads(None) as count:
        yield count
