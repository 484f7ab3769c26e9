"""Blending tiles into rows of the fine grid, in bounded memory."""

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.tiles import Cover


class Mosaic:
    """Collects the tiles of some columns, a row of tiles at a time, and hands out finished rows.

    A pixel's sum is taken in the lattice's order, in double precision, so it does not depend on
    which part of the scene is being made.
    """

    def __init__(self, rows: Cover, columns: Cover, scale: int, part: slice) -> None:
        """Begin with nothing.

        Args:
            rows: How tiles cover the scene's rows.
            columns: How tiles cover its columns.
            scale: Fine pixels along a coarse one.
            part: The coarse columns to collect; tiles may reach beyond.
        """
        self._rows, self._columns, self._scale, self._part = rows, columns, scale, part
        self._row_weights = rows.weights(scale)
        self._column_weights = columns.weights(scale)
        self._top: int | None = None  # first coarse row in the buffer
        self._sum = np.empty((0, (part.stop - part.start) * scale))

    def add(self, row: int, column: int, tile: NDArray[np.float32]) -> None:
        """Add one tile's core.

        Args:
            row: The tile's number along the rows.
            column: Its number along the columns.
            tile: The core's fine pixels, kelvin, ``(core rows · scale, core columns · scale)``.
        """
        s, across, down = self._scale, self._columns.spans[column], self._rows.spans[row]
        self._reach(down.start, down.stop)
        assert self._top is not None
        left, right = max(across.start, self._part.start), min(across.stop, self._part.stop)
        if left >= right:
            return  # computed only because it shares a batch with a tile that is wanted
        inside = slice((left - across.start) * s, (right - across.start) * s)
        target = self._sum[
            (down.start - self._top) * s : (down.stop - self._top) * s,
            (left - self._part.start) * s : (right - self._part.start) * s,
        ]
        weighted = tile[:, inside] * self._column_weights[column][inside]
        weighted *= self._row_weights[row][:, None]
        target += weighted

    def take(self, stop: int) -> tuple[int, NDArray[np.float32]]:
        """Hand out the rows before ``stop``, which no tile will touch any more.

        Returns:
            The first coarse row, and the fine rows from there.
        """
        assert self._top is not None
        top, count = self._top, (stop - self._top) * self._scale
        rows = self._sum[:count].astype(np.float32)
        self._sum, self._top = self._sum[count:], stop
        return top, rows

    def _reach(self, start: int, stop: int) -> None:
        if self._top is None:
            self._top = start
        missing = (stop - self._top) * self._scale - len(self._sum)
        if missing > 0:
            self._sum = np.concatenate([self._sum, np.zeros((missing, self._sum.shape[1]))])
