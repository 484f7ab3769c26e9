"""Blend tiles in bounded memory: first along a row of tiles, then the rows with each other.

Sums are taken in the order of the lattice, in double precision, so a pixel does not depend on which
part of the scene is computed, or by which process.
"""

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.tiles import Cover, Span


class TileRow:
    """Collects the tiles of one row, over some columns of the scene."""

    def __init__(self, row: Span, columns: Cover, scale: int, part: slice) -> None:
        """Start empty.

        Args:
            row: The coarse rows that the tiles make.
            columns: How tiles cover the scene's columns.
            scale: Fine pixels along a coarse pixel.
            part: The coarse columns to collect; tiles may reach beyond.
        """
        self._columns, self._scale, self._part = columns, scale, part
        self._weights = columns.weights(scale)
        self._sum = np.zeros(((row.stop - row.start) * scale, (part.stop - part.start) * scale))

    def add(self, column: int, tile: NDArray[np.float32]) -> None:
        """Add one tile's core.

        Args:
            column: Its number along the columns.
            tile: The core's fine pixels, kelvin, ``(core rows · scale, core columns · scale)``.
        """
        s, across = self._scale, self._columns.spans[column]
        left, right = max(across.start, self._part.start), min(across.stop, self._part.stop)
        if left >= right:
            return  # computed only because it is in the same batch as a tile that is needed
        inside = slice((left - across.start) * s, (right - across.start) * s)
        target = self._sum[:, (left - self._part.start) * s : (right - self._part.start) * s]
        target += tile[:, inside] * self._weights[column][inside]

    def fine(self) -> NDArray[np.float32]:
        """Return the blended row, kelvin; zero where no tile was added."""
        return self._sum.astype(np.float32)


class Mosaic:
    """Blends consecutive rows of tiles and returns the rows that are final."""

    def __init__(self, rows: Cover, scale: int) -> None:
        """Start empty.

        Args:
            rows: How tiles cover the scene's rows.
            scale: Fine pixels along a coarse pixel.
        """
        self._rows, self._scale = rows, scale
        self._weights = rows.weights(scale)
        self._top = 0  # first coarse row in the buffer
        self._sum: NDArray[np.float64] | None = None

    def add(self, row: int, fine: NDArray[np.float32]) -> None:
        """Add a row of tiles; rows must be consecutive.

        Args:
            row: Its number.
            fine: Its fine pixels, kelvin, ``(core rows · scale, width)``.
        """
        down = self._rows.spans[row]
        if self._sum is None:
            self._top, self._sum = down.start, np.empty((0, fine.shape[1]))
        missing = (down.stop - self._top) * self._scale - len(self._sum)
        self._sum = np.concatenate([self._sum, np.zeros((missing, self._sum.shape[1]))])
        self._sum[(down.start - self._top) * self._scale :] += fine * self._weights[row][:, None]

    def take(self, stop: int) -> tuple[int, NDArray[np.float32]]:
        """Return the rows before ``stop``, which no further tile changes.

        Returns:
            The first coarse row, and the fine rows from there.
        """
        assert self._sum is not None
        top, count = self._top, (stop - self._top) * self._scale
        rows = self._sum[:count].astype(np.float32)
        self._sum, self._top = self._sum[count:], stop
        return top, rows
