"""Blend tiles in bounded memory: first along a row of tiles, then the rows with each other.

Where tiles overlap, sums are taken in the order of the lattice, in double precision; elsewhere a
tile's values are copied. So a pixel does not depend on which part of the scene is computed, or by
which process.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.tiles import Cover, Span

Fine = NDArray[np.float32]
Blended = NDArray[np.floating[Any]]


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
        height, width = ((span.stop - span.start) * scale for span in (row, part))
        self._fine = np.zeros((height, width), np.float32)
        self._sums = {
            seam.start: np.zeros((height, (seam.stop - seam.start) * scale))
            for seam in columns.seams
            if seam.start < part.stop and seam.stop > part.start
        }

    def add(self, column: int, tile: Fine) -> None:
        """Add one tile's core.

        Args:
            column: Its number along the columns.
            tile: The core's fine pixels, kelvin, ``(core rows · scale, core columns · scale)``.
        """
        first = self._columns.spans[column].start
        for piece, seam in self._columns.pieces(column):
            if seam is None:
                start, stop = max(piece.start, self._part.start), min(piece.stop, self._part.stop)
                if start < stop:
                    target = self._fine[:, self._fine_from(self._part.start, start, stop)]
                    target[...] = tile[:, self._fine_from(first, start, stop)]
            elif seam.start in self._sums:
                inside = self._fine_from(first, piece.start, piece.stop)
                shared = self._fine_from(seam.start, piece.start, piece.stop)
                self._sums[seam.start][:, shared] += tile[:, inside] * self._weights[column][inside]

    def fine(self) -> Fine:
        """Return the blended row, kelvin; zero where no tile was added."""
        for first, sums in self._sums.items():
            last = first + sums.shape[1] // self._scale
            start, stop = max(first, self._part.start), min(last, self._part.stop)
            self._fine[:, self._fine_from(self._part.start, start, stop)] = sums[
                :, self._fine_from(first, start, stop)
            ]
        return self._fine

    def _fine_from(self, origin: int, start: int, stop: int) -> slice:
        return slice((start - origin) * self._scale, (stop - origin) * self._scale)


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
        self._top: int | None = None  # first coarse row that was not taken
        self._alone: list[tuple[slice, Blended]] = []  # coarse rows that one row of tiles covers
        self._sums: list[tuple[slice, Blended]] = []  # seams, in double precision

    def add(self, row: int, fine: Fine) -> None:
        """Add a row of tiles; rows must be consecutive.

        Args:
            row: Its number.
            fine: Its fine pixels, kelvin, ``(core rows · scale, width)``; not to be changed after.
        """
        down = self._rows.spans[row]
        if self._top is None:
            self._top = down.start
        for piece, seam in self._rows.pieces(row):
            inside = self._fine_from(down.start, piece)
            if seam is None:
                self._alone.append((piece, fine[inside]))
                continue
            if not self._sums or self._sums[-1][0] != seam:
                height = (seam.stop - seam.start) * self._scale
                self._sums.append((seam, np.zeros((height, fine.shape[1]))))
            sums = self._sums[-1][1][self._fine_from(seam.start, piece)]
            sums += fine[inside] * self._weights[row][inside, None]

    def take(self, stop: int) -> tuple[int, Fine]:
        """Return the rows before ``stop``, which no further tile changes.

        Returns:
            The first coarse row, and the fine rows from there.
        """
        assert self._top is not None
        top, parts = self._top, sorted([*self._alone, *self._sums], key=lambda part: part[0].start)
        width = parts[0][1].shape[1]
        rows = np.empty(((stop - top) * self._scale, width), np.float32)
        for part, values in parts:
            wanted = slice(max(part.start, top), min(part.stop, stop))
            if wanted.start < wanted.stop:
                rows[self._fine_from(top, wanted)] = values[self._fine_from(part.start, wanted)]
        self._top = stop
        self._alone = [part for part in self._alone if part[0].stop > stop]
        self._sums = [part for part in self._sums if part[0].stop > stop]
        return top, rows

    def _fine_from(self, origin: int, coarse: slice) -> slice:
        return slice((coarse.start - origin) * self._scale, (coarse.stop - origin) * self._scale)
