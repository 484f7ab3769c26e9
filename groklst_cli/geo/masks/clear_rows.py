"""A cache of the clear shares of coarse rows, which are expensive to read and often needed."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

Shares = NDArray[np.float32]

_KEPT: Final = 2**22  # pixels


class ClearRows:
    """Clear shares of coarse rows, read in chunks of which the latest are kept."""

    def __init__(self, read: Callable[[slice], Shares], step: int, height: int) -> None:
        """Read nothing yet.

        Args:
            read: Returns the shares of some rows, ``(rows, width)``.
            step: Rows of a chunk.
            height: Of the LST.
        """
        self._read, self._step, self._height = read, step, height
        self._chunks: OrderedDict[int, Shares] = OrderedDict()
        self._lock = Lock()

    def read(self, rows: slice) -> Shares:
        """Return the shares of some rows; may be called from any thread."""
        first, last = rows.start // self._step, max(rows.start, rows.stop - 1) // self._step
        whole = np.concatenate([self._chunk(number) for number in range(first, last + 1)])
        start = first * self._step
        return whole[rows.start - start : rows.stop - start]

    def _chunk(self, number: int) -> Shares:
        with self._lock:
            if number in self._chunks:
                self._chunks.move_to_end(number)
                return self._chunks[number]
        start = number * self._step
        made = self._read(slice(start, min(self._height, start + self._step)))
        with self._lock:
            self._chunks[number] = made
            while len(self._chunks) > 2 and len(self._chunks) * made.size > _KEPT:
                self._chunks.popitem(last=False)
        return made
