"""Opening rasters: bands by name, values in physical units, NaN where there are none."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.grid import Grid

Units = Literal["K", "C"]

CELSIUS_ZERO = 273.15
"""0 °C in kelvin (BIPM SI brochure)."""

_KELVIN_RANGE = (150.0, 600.0)  # from the coldest cloud tops to fires
_CELSIUS_RANGE = (-110.0, 120.0)
_UNIT_WORDS: dict[str, Units] = {
    **dict.fromkeys(("k", "kelvin", "kelvins", "degk", "deg_k", "deg k"), "K"),
    **dict.fromkeys(
        ("c", "°c", "celsius", "degc", "deg_c", "deg c", "degree_celsius", "degrees celsius"), "C"
    ),
    **dict.fromkeys(("degrees_celsius", "degree celsius", "degreecelsius"), "C"),
}


@dataclass(frozen=True)
class BandSource:
    """Where a band comes from, as a user writes it: ``[NAME=]FILE[,band=N]``.

    Attributes:
        path: Anything GDAL opens.
        name: The band's name, or None for the file's own.
        band: The band's number from 1, or None for all.
    """

    path: str
    name: str | None = None
    band: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``[NAME=]FILE[,band=N]``; a text that is an existing file is only that.

        Raises:
            UsageError: If the band's number is below 1 or the file's name is empty.
        """
        if Path(text).exists():
            return cls(text)
        name, path, band = None, text, None
        if named := re.match(r"([A-Za-z]\w*)=(.+)$", path):
            name, path = named.groups()
        if numbered := re.match(r"(.+),band=(-?\d+)$", path):
            path, band = numbered[1], int(numbered[2])
        if not path or (band is not None and band < 1):
            raise UsageError(f"{text!r} names no band; write [NAME=]FILE[,band=N] with N from 1")
        return cls(path, name, band)


def open_raster(path: str) -> DatasetReader:
    """Open a raster for reading.

    Raises:
        InputError: If it cannot be read, has no pixels, no CRS or no usable transform.
    """
    try:
        dataset = rasterio.open(path)
    except (RasterioIOError, RasterioError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} cannot be read as a raster: {reason}") from error
    problem = None
    if dataset.count == 0:
        problem = "holds no band; if it is a container, name one of its subdatasets"
    elif dataset.crs is None:
        problem = "has no CRS; set the right one with: rio edit-info --crs EPSG:… " + path
    elif dataset.transform.is_degenerate or dataset.transform.is_identity:
        problem = "has no usable geotransform; give it one before downscaling"
    if problem:
        dataset.close()
        raise InputError(f"{path} {problem}")
    return dataset


def grid_of(dataset: DatasetReader) -> Grid:
    """Return the grid that a dataset's pixels lie on."""
    return Grid(dataset.crs, dataset.transform, dataset.height, dataset.width)


def data_bands(dataset: DatasetReader) -> list[int]:
    """List the numbers of the bands that hold values, leaving out alpha."""
    return [i for i, c in enumerate(dataset.colorinterp, 1) if c != ColorInterp.alpha]


def alpha_band(dataset: DatasetReader) -> int | None:
    """Return the number of the alpha band, if there is one."""
    found = [i for i, c in enumerate(dataset.colorinterp, 1) if c == ColorInterp.alpha]
    return found[0] if found else None


def check_band(dataset: DatasetReader, path: str, band: int) -> None:
    """Refuse a band that does not exist or holds no measured values.

    Raises:
        InputError: If it is not there, complex, or colours of a palette.
    """
    if band > dataset.count:
        raise InputError(f"{path} has {dataset.count} band(s), not a band {band}")
    if dataset.dtypes[band - 1].startswith("complex"):
        raise InputError(f"{path} band {band} is complex; it must hold real values")
    if dataset.colorinterp[band - 1] == ColorInterp.palette:
        raise InputError(f"{path} band {band} holds colours of a palette, not measured values")


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


def units_of(word: str) -> Units | None:
    """Tell what a tag's word for a unit means; None if it means neither kelvin nor °C."""
    return _UNIT_WORDS.get(word.strip().lower())


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
            summary = self._summarize() if summary is None else summary
            self.units, self.units_from = self._find_units(units, summary)
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

    def _find_units(self, asked: Units | None, values: Summary) -> tuple[Units, str]:
        low, high = values.low, values.high
        if asked is not None:
            _refuse_outside(self.path, low, high, asked, "--lst-units")
            return asked, "option"
        tagged = self._tagged_units()
        if tagged is not None:
            _refuse_outside(self.path, low, high, tagged, "its unit tag")
            return tagged, "tags"
        if low >= _KELVIN_RANGE[0] and high <= _KELVIN_RANGE[1]:
            return "K", "values"
        if low >= _CELSIUS_RANGE[0] and high <= _CELSIUS_RANGE[1]:
            return "C", "values"
        raise InputError(
            f"{self.path} holds values from {low:g} to {high:g}, which is neither kelvin nor °C "
            "for sure; add --lst-units K or C, or set the file's nodata, scale and offset"
        )

    def _tagged_units(self) -> Units | None:
        tags = {**self._dataset.tags(), **self._dataset.tags(self._band)}
        words = [self._dataset.units[self._band - 1]]
        words += [value for key, value in tags.items() if key.lower() in ("unit", "units")]
        found = {units for word in words if (units := units_of(word or "")) is not None}
        return found.pop() if len(found) == 1 else None

    def _summarize(self) -> Summary:
        """Find range and mean of the values, some rows at a time."""
        found = Summary()
        for rows in summary_rows(self.grid):
            window = Window(0, rows.start, self.grid.width, rows.stop - rows.start)
            found += Summary.of(_read_or_explain(self._dataset, self._band, window))
        if found.count == 0:
            raise InputError(f"{self.path} has no valid pixel; every one is nodata")
        return found


def _refuse_outside(path: str, low: float, high: float, units: Units, says: str) -> None:
    allowed = _KELVIN_RANGE if units == "K" else _CELSIUS_RANGE
    if low < allowed[0] or high > allowed[1]:
        raise InputError(
            f"{path} holds values from {low:g} to {high:g}, but {says} says {units}, "
            f"which allows {allowed[0]:g} to {allowed[1]:g}; "
            "set the file's nodata, scale and offset, or give --lst-units"
        )


def _read_or_explain(dataset: DatasetReader, band: int, window: Window) -> NDArray[np.float32]:
    try:
        return read_physical(dataset, band, window)
    except (RasterioIOError, RasterioError) as error:
        raise InputError(
            f"{dataset.name} is damaged near row {int(window.row_off)}: "
            f"{str(error).splitlines()[0]}"
        ) from error
