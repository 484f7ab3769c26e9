"""How many threads torch may use for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(count: int | None) -> Iterator[int]:
    """Compute on ``count`` threads, or on as many as torch has; the number is restored afterwards.

    Yields:
        How many.
    """
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread.

    Thousands of small operations gain little from more, lose minutes where another program holds a
    core (each operation waits for all its threads), and could differ by the machine's cores.
    """
    with threads(1):
        yield
