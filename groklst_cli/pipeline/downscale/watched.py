"""What pictures and pages show besides files, collected while they are written.

The residual is what the method's own means lack of the LST: where coarse means are restored, before
that is done, for afterwards there is next to nothing to see.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from groklst_cli.geo.conserve import block_means
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.units import CELSIUS_ZERO
from groklst_cli.pipeline.predict.plan import Plan

Values = NDArray[np.floating[Any]]

SIDE: Final = 1200
"""Longest side of a picture, pixels."""

_AT_ONCE: Final = 2**22
"""Fine pixels of a finished file that are read at a time."""


class MeansOf:
    """A raster that comes in rows, as means of square blocks of it.

    Attributes:
        block: Pixels along a block.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.block = max(1, -(-max(shape) // SIDE))
        small = tuple(-(-side // self.block) for side in shape)
        self._sum, self._count = np.zeros(small), np.zeros(small, np.int64)

    def add(self, row: int, values: Values) -> None:
        """Take whole rows from ``row`` on, NaN where there is no value."""
        starts = np.arange(0, values.shape[1], self.block)
        into = (row + np.arange(len(values))) // self.block
        known = np.isfinite(values)
        np.add.at(self._sum, into, np.add.reduceat(np.where(known, values, 0.0), starts, axis=1))
        np.add.at(self._count, into, np.add.reduceat(known.astype(np.int64), starts, axis=1))

    @property
    def values(self) -> Values:
        """The means, NaN where no value came."""
        means = np.full(self._sum.shape, np.nan)
        np.divide(self._sum, self._count, out=means, where=self._count > 0)
        return means


class Watched:
    """What a picture shows besides files, collected while they are written."""

    def __init__(self, plan: Plan, scene: Scene) -> None:
        """Watch over a plan's strip."""
        strip = plan.strip
        shape = strip.rows.stop - strip.rows.start, strip.columns.stop - strip.columns.start
        self._plan, self._scene = plan, scene
        self.lst = MeansOf(shape)
        self._left, self._lacking = MeansOf(shape), MeansOf(shape)
        self.left, self.lacking = Spread(), Spread()

    @classmethod
    def again(cls, plan: Plan, scene: Scene, result: Path) -> Self:
        """Look at a result that an earlier run has made; what its method left is not known."""
        watched = cls(plan, scene)
        if plan.target is None:
            for _ in watched.rows(_finished(result, plan)):
                pass
        else:
            strip = plan.strip
            step = max(1, _AT_ONCE // (strip.columns.stop - strip.columns.start))
            for first in range(strip.rows.start, strip.rows.stop, step):
                rows = slice(first, min(first + step, strip.rows.stop))
                watched.lst.add(first - strip.rows.start, scene.read_lst(rows, strip.columns))
        return watched

    def add_residual(self, rows: slice, columns: slice, values: NDArray[np.float64]) -> None:
        """Take what conserving had to restore; the part in the strip counts."""
        strip = self._plan.strip
        top, bottom = max(rows.start, strip.rows.start), min(rows.stop, strip.rows.stop)
        if top < bottom:
            left = strip.columns.start - columns.start
            across = slice(left, left + strip.columns.stop - strip.columns.start)
            part = values[top - rows.start : bottom - rows.start, across]
            known = self._scene.read_known(slice(top, bottom), strip.columns)
            part = np.where(known, part, np.nan)
            self._left.add(top - strip.rows.start, part)
            self.left.add(part)

    def rows(
        self, finished: Iterable[tuple[int, NDArray[np.float32]]]
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Pass finished rows on, and compare their means with the LST."""
        strip = self._plan.strip
        for first, fine in finished:
            rows = slice(first, first + len(fine) // self._plan.scale)
            lst = self._scene.read_lst(rows, strip.columns).astype(np.float64)
            lacking = lst - block_means(fine, self._plan.scale)
            self.lst.add(first - strip.rows.start, lst)
            self._lacking.add(first - strip.rows.start, lacking)
            self.lacking.add(lacking)
            yield first, fine

    @property
    def residual(self) -> Values:
        """What the method left of the LST, kelvin; where that is not known, what the result did."""
        known = self._plan.conserve and self.left.is_known
        return (self._left if known else self._lacking).values


class Spread:
    """The root mean square of numbers that come one after another."""

    def __init__(self) -> None:
        self._squares, self._count = 0.0, 0

    def add(self, values: NDArray[np.float64]) -> None:
        """Take some numbers; what is none does not count."""
        known = values[np.isfinite(values)]
        self._squares += float(np.square(known).sum())
        self._count += known.size

    @property
    def is_known(self) -> bool:
        """Whether there is any."""
        return self._count > 0

    def __str__(self) -> str:
        """Say it to people, kelvin."""
        return f"{math.sqrt(self._squares / self._count):.3f} K" if self._count else "unknown"


def _finished(result: Path, plan: Plan) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Read a finished file's rows, kelvin."""
    strip, scale = plan.strip, plan.scale
    step = max(1, _AT_ONCE // (plan.grid.width * scale))
    with gdal_environment(), rasterio.open(result) as file:
        zero = CELSIUS_ZERO if plan.units == "C" else 0.0
        for first in range(strip.rows.start, strip.rows.stop, step):
            last = min(first + step, strip.rows.stop)
            top, height = (first - strip.rows.start) * scale, (last - first) * scale
            fine = file.read(1, window=Window(0, top, plan.grid.width, height), masked=True)
            yield first, np.asarray(fine.filled(np.nan)) + np.float32(zero)
