"""Reading rasters: values in physical units, NaN where there are none; the LST among them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window

from groklst_cli.errors import InputError
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import (
    UNREADABLE,
    BandSource,
    alpha_band,
    check_band,
    damage,
    data_bands,
    grid_of,
    open_raster,
)
from groklst_cli.geo.units import CELSIUS_ZERO, Units, settle_units, without_factor

_LARGEST_SIDE: Final = 2**20
_LARGEST_AREA: Final = 2**32
"""Pixels of an LST; the world at a pixel of 350 m. A sparse file of a few bytes can claim more."""


def read_physical(
    dataset: DatasetReader,
    band: int,
    window: Window | None,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Read a band with its scale and offset applied, NaN where nodata, masked or infinite.

    Args:
        dataset: Open.
        band: Its number.
        window: Pixels of the dataset; None for all.
        out: An array of the window's shape to fill and return, instead of a new one.
    """
    raw = dataset.read(band, window=window)
    values = to_physical(raw, dataset.scales[band - 1], dataset.offsets[band - 1], out)
    valid = _valid(dataset, band, window)
    if raw.dtype.kind == "f":
        valid = np.isfinite(values) if valid is None else valid & np.isfinite(values)
    if valid is not None and not valid.all():
        values[~valid] = np.nan
    return values


def _valid(dataset: DatasetReader, band: int, window: Window | None) -> NDArray[np.bool_] | None:
    """Mark the pixels that hold a value; None where the file marks none as missing."""
    alpha = alpha_band(dataset)
    if alpha is None and dataset.mask_flag_enums[band - 1] == [MaskFlags.all_valid]:
        return None
    valid: NDArray[np.bool_] = dataset.read_masks(band, window=window) != 0
    if alpha is not None:  # GDAL takes it for a mask only where it is 8 or 16 bits wide
        valid &= dataset.read(alpha, window=window) != 0
    return valid


def to_physical(
    raw: NDArray[np.generic], scale: float, offset: float, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Apply scale and offset in double precision and return float32, in ``out`` where given."""
    values = np.empty(raw.shape, np.float32) if out is None else out
    if scale == 1.0 and offset == 0.0:
        np.copyto(values, raw, casting="unsafe")
    elif offset == 0.0:
        np.multiply(raw, scale, out=values, dtype=np.float64, casting="unsafe")
    else:
        np.add(raw.astype(np.float64) * scale, offset, out=values, casting="unsafe")
    return values


@dataclass(frozen=True)
class Summary:
    """What is known of all valid values of a raster, in the raster's own unit.

    Attributes:
        low: The least.
        high: The greatest.
        total: Their sum.
        count: How many there are.
    """

    low: float = math.inf
    high: float = -math.inf
    total: float = 0.0
    count: int = 0

    @classmethod
    def of(cls, values: NDArray[np.float32]) -> Self:
        """Sum up values; those that are not finite do not count."""
        values = values[np.isfinite(values)]
        if not values.size:
            return cls()
        total = float(values.sum(dtype=np.float64))
        return cls(float(values.min()), float(values.max()), total, values.size)

    @property
    def mean(self) -> float:
        """Mean of the values; NaN where there are none."""
        return self.total / self.count if self.count else math.nan

    def __add__(self, other: "Summary") -> "Summary":
        return Summary(
            min(self.low, other.low),
            max(self.high, other.high),
            self.total + other.total,
            self.count + other.count,
        )


def summary_rows(grid: Grid) -> Iterator[slice]:
    """Cut a raster into rows that are summed up one after another, so that sums have one order."""
    step = max(1, 2**22 // grid.width)
    for start in range(0, grid.height, step):
        yield slice(start, min(grid.height, start + step))


class LstSource:
    """A coarse LST raster: its grid, and its rows in kelvin.

    Attributes:
        path: The file.
        grid: Its coarse grid.
        units: The unit of its values after scale and offset, which is the output's unit too.
        units_from: How the unit became known: ``"option"``, ``"tags"`` or ``"values"``.
        valid: How many pixels hold a value.
        mean: Their mean, kelvin.
    """

    def __init__(
        self, source: BandSource, units: Units | None = None, *, summary: Summary | None = None
    ) -> None:
        """Open a file.

        Args:
            source: The file, and its band where it has several.
            units: The unit of the values, or None to find out.
            summary: Of the values where it is known, so that they are not read for it.

        Raises:
            InputError: If it cannot be used: unreadable, several bands, no valid pixel, or of a
                unit that neither tags nor values tell.
        """
        self.path = source.path
        self._lock = Lock()
        self._dataset = open_raster(source.path)
        try:
            self._band = self._choose_band(source.band)
            self.grid = grid_of(self._dataset)
            _refuse_huge(self.path, self.grid)
            summary = self._summarize() if summary is None else summary
            self.units, self.units_from = settle_units(
                self.path, units, self._unit_words(), summary.low, summary.high
            )
            self.valid = summary.count
            self.mean = summary.mean + (CELSIUS_ZERO if self.units == "C" else 0.0)
        except BaseException:
            self._dataset.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    def read(self, rows: slice) -> NDArray[np.float32]:
        """Read whole rows in kelvin, ``(rows, width)``, NaN where there is no value.

        May be called from any thread.

        Raises:
            InputError: If the file breaks off or is damaged there.
        """
        window = Window(0, rows.start, self.grid.width, rows.stop - rows.start)
        with self._lock:
            values = _read_or_explain(self._dataset, self._band, window)
        if self.units == "C":
            values += np.float32(CELSIUS_ZERO)
        return values

    def _choose_band(self, band: int | None) -> int:
        bands = data_bands(self._dataset)
        if band is None and len(bands) != 1:
            raise InputError(
                f"{self.path} has {len(bands)} bands; say which one is the LST, "
                f"as in {self.path},band=1"
            )
        chosen = band or bands[0]
        check_band(self._dataset, self.path, chosen)
        return chosen

    def _unit_words(self) -> list[str]:
        """Collect what band and file say of the unit that scale and offset lead to."""
        dataset, band = self._dataset, self._band
        heights = self.grid.height_units  # which GDAL takes for the band's unit
        words = [word for word in (dataset.units[band - 1],) if word and word not in heights]
        for tags in (dataset.tags(band), dataset.tags()):
            words += [word for key, word in tags.items() if key.lower() in ("unit", "units")]
        scaled = (dataset.scales[band - 1], dataset.offsets[band - 1]) != (1.0, 0.0)
        return [without_factor(word) for word in words] if scaled else words

    def _summarize(self) -> Summary:
        """Find range and mean of the values, some rows at a time."""
        found = Summary()
        for rows in summary_rows(self.grid):
            window = Window(0, rows.start, self.grid.width, rows.stop - rows.start)
            found += Summary.of(_read_or_explain(self._dataset, self._band, window))
        if found.count == 0:
            raise InputError(f"{self.path} has no valid pixel; every one is nodata")
        return found


def _refuse_huge(path: str, grid: Grid) -> None:
    if max(grid.shape) > _LARGEST_SIDE or grid.height * grid.width > _LARGEST_AREA:
        raise InputError(
            f"{path} claims {grid.height} × {grid.width} pixels, more than the {_LARGEST_SIDE} "
            f"along a side and {_LARGEST_AREA} in all that an LST may have; "
            "cut it first with: gdal_translate -projwin"
        )


def _read_or_explain(dataset: DatasetReader, band: int, window: Window) -> NDArray[np.float32]:
    try:
        return read_physical(dataset, band, window)
    except UNREADABLE as error:
        raise damage(dataset.name, f"row {int(window.row_off)}", error) from error
