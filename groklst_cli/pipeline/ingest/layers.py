"""Bands of delivered files as they are stored: their grids, and reading a part of them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from groklst_cli.errors import InputError
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import UNREADABLE, check_band, damage, grid_of, open_raster
from groklst_cli.geo.raster import read_stored
from groklst_cli.geo.stored_band import StoredBand

Stored = tuple[NDArray[np.generic], NDArray[np.bool_]]
"""Stored values, and where they mean something."""

Read = Callable[[slice, slice], Stored]
"""Reads rows and columns."""

Place = Callable[[str, int, int], Grid]
"""Returns the grid of a file with this number of rows and columns."""


class Layer(Protocol):
    """A band that was delivered."""

    @property
    def name(self) -> str:
        """Its name in messages."""

    @property
    def grid(self) -> Grid:
        """Where its pixels lie."""

    @property
    def dtype(self) -> str:
        """Numpy's name of the stored type."""

    @property
    def fill(self) -> float | None:
        """The stored fill value, if its type can hold it, or None."""

    def opened(self) -> AbstractContextManager[Read]:
        """Open it to read parts."""


@dataclass(frozen=True)
class FileLayer:
    """A band of a raster file.

    Attributes:
        name: The file.
        band: The band's number.
        grid: Where its pixels lie.
        dtype: Numpy's name of the stored type.
        fill: The stored fill value.
        fills: Other fill values of the product, in addition to what the file declares.
        placed: Whether its position is known from elsewhere, because the file does not state it.
        masked: Whether what the file declares as missing is missing.
    """

    name: str
    band: int
    grid: Grid
    dtype: str
    fill: float | None
    fills: tuple[float, ...]
    placed: bool = False
    masked: bool = True

    @classmethod
    def of(
        cls,
        path: str,
        band: int = 1,
        fills: tuple[float, ...] = (),
        place: Place | None = None,
        *,
        masked: bool = True,
    ) -> Self:
        """Look at a file.

        Args:
            path: What GDAL opens.
            band: Which band.
            fills: Stored fill values that the file may not declare.
            place: Returns the grid of a file without a geotransform.
            masked: Whether what the file declares as missing is missing.

        Raises:
            InputError: If it cannot be used.
        """
        with open_raster(path, placed=place is not None) as dataset:
            check_band(dataset, path, band)
            dtype = dataset.dtypes[band - 1]
            declared = dataset.nodatavals[band - 1] if masked else None
            held = [fill for fill in (declared, *fills) if fill is not None and _holds(dtype, fill)]
            fill = held[0] if held else None
            placed = place is not None and dataset.crs is None
            grid = grid_of(dataset)
            if place is not None and placed:
                grid = place(path, dataset.height, dataset.width)
            return cls(path, band, grid, dtype, fill, tuple(held[1:]), placed, masked)

    @contextmanager
    def opened(self) -> Iterator[Read]:
        """Open the file to read parts."""
        with open_raster(self.name, placed=self.placed) as dataset:
            yield lambda rows, columns: self._read(dataset, rows, columns)

    def _read(self, dataset: DatasetReader, rows: slice, columns: slice) -> Stored:
        window = Window(
            columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start
        )
        band = StoredBand(self.band, self.dtype)
        try:
            raw, valid = read_stored(dataset, band, window)
        except UNREADABLE as error:
            raise damage(self.name, f"row {rows.start}", error) from error
        known = np.ones(raw.shape, bool)
        if self.masked and valid is not None:
            known = valid
        return raw, known & _present(raw, (self.fill, *self.fills))


@dataclass(frozen=True, eq=False)
class ArrayLayer:
    """A band in memory, for files without a position in GDAL.

    Attributes:
        name: What it was read from.
        grid: Where its pixels lie.
        values: ``(rows, columns)``, as stored.
        fill: The stored fill value.
    """

    name: str
    grid: Grid
    values: NDArray[np.generic]
    fill: float | None

    @property
    def dtype(self) -> str:
        """Numpy's name of the stored type."""
        return self.values.dtype.name

    @contextmanager
    def opened(self) -> Iterator[Read]:
        """Return the values."""
        yield self._read

    def _read(self, rows: slice, columns: slice) -> Stored:
        raw = self.values[rows, columns]
        return raw, _present(raw, (self.fill,))


@dataclass(frozen=True)
class MosaicLayer:
    """A mosaic of bands of several files; where they overlap, the first one with a value is used.

    Attributes:
        parts: The bands.
        grid: The lattice of the first one, extended over all of them.
        places: The row and the column of each on that grid, to the nearest whole pixel.
        shift: Largest distance of a part from whole pixels, pixels.
    """

    parts: tuple[Layer, ...]
    grid: Grid
    places: tuple[tuple[int, int], ...]
    shift: float

    @classmethod
    def of(cls, parts: tuple[Layer, ...]) -> Self:
        """Make a mosaic of bands.

        Raises:
            InputError: If CRS or pixel differ, or a type.
        """
        first = parts[0]
        lattice, places, shift = first.grid, [], 0.0
        for part in parts:
            between = ~lattice.transform * part.grid.transform
            size = max(part.grid.shape)
            bent = max(abs(between.a - 1), abs(between.e - 1), abs(between.b), abs(between.d))
            if part.grid.crs != lattice.crs or bent * size > 1 or part.dtype != first.dtype:
                raise InputError(
                    f"{part.name} has another CRS, pixel or type than {first.name}, which is next "
                    "to it; name only one of them"
                )
            row, column = round(between.f), round(between.c)
            shift = max(shift, abs(between.f - row), abs(between.c - column))
            places.append((row, column))
        top, left = (min(values) for values in zip(*places, strict=True))
        ends = [
            (row + part.grid.height, column + part.grid.width)
            for part, (row, column) in zip(parts, places, strict=True)
        ]
        bottom, right = (max(values) for values in zip(*ends, strict=True))
        grid = Grid(
            lattice.crs,
            lattice.transform * Affine.translation(left, top),
            bottom - top,
            right - left,
        )
        return cls(parts, grid, tuple((row - top, column - left) for row, column in places), shift)

    @property
    def name(self) -> str:
        """The first file's."""
        return self.parts[0].name

    @property
    def dtype(self) -> str:
        """Numpy's name of the stored type."""
        return self.parts[0].dtype

    @property
    def fill(self) -> float | None:
        """The first file's."""
        return self.parts[0].fill

    @contextmanager
    def opened(self) -> Iterator[Read]:
        """Open all files to read parts."""
        with ExitStack() as stack:
            reads = [stack.enter_context(part.opened()) for part in self.parts]
            yield lambda rows, columns: self._read(reads, rows, columns)

    def _read(self, reads: list[Read], rows: slice, columns: slice) -> Stored:
        shape = rows.stop - rows.start, columns.stop - columns.start
        raw = np.full(shape, 0 if self.fill is None else self.fill, np.dtype(self.dtype))
        known = np.zeros(shape, bool)
        for part, read, (row, column) in zip(self.parts, reads, self.places, strict=True):
            first, last = max(rows.start, row), min(rows.stop, row + part.grid.height)
            start, stop = max(columns.start, column), min(columns.stop, column + part.grid.width)
            if first >= last or start >= stop:
                continue
            values, there = read(
                slice(first - row, last - row), slice(start - column, stop - column)
            )
            into = (
                slice(first - rows.start, last - rows.start),
                slice(start - columns.start, stop - columns.start),
            )
            new = there & ~known[into]
            raw[into][new] = values[new]
            known[into] |= there
        return raw, known


def _present(raw: NDArray[np.generic], fills: tuple[float | None, ...]) -> NDArray[np.bool_]:
    present = np.isfinite(raw) if raw.dtype.kind == "f" else np.ones(raw.shape, bool)
    for fill in fills:
        if fill is not None and not np.isnan(fill):
            present &= raw != raw.dtype.type(fill)
    return present


def _holds(dtype: str, value: float) -> bool:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return True
    limits = np.iinfo(kind)
    return bool(np.isfinite(value)) and value == int(value) and limits.min <= value <= limits.max
