"""Read rasters, among them the LST: values in physical units, NaN where they are missing."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window

from groklst_cli.errors import InputError
from groklst_cli.geo.band_source import declaring_the_first, typed
from groklst_cli.geo.fills import fill_of_lst
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
from groklst_cli.geo.stored_band import StoredBand, written
from groklst_cli.geo.summary import ValueSummary
from groklst_cli.geo.unit_names import Units
from groklst_cli.geo.units import CELSIUS_ZERO, UnitEvidence, settle_units, without_factor

_LEAST_SCALE: Final = 0.5
"""Tags with a smaller scale would make values that vary like temperatures almost constant."""

_LARGEST_STEP: Final = 0.05
"""Whole numbers of a few hundred may be unscaled tenths of °C, but hardly finer steps."""

_LARGEST_SIDE: Final = 2**20
_LARGEST_AREA: Final = 2**32
"""Largest number of pixels of an LST: the world at 350 m. A sparse file of a few bytes can claim
more."""


def read_physical(
    dataset: DatasetReader,
    band: StoredBand,
    window: Window | None,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Read a band with its scale and offset applied, NaN where nodata, masked or infinite.

    Args:
        dataset: Open.
        band: Which, and what its stored values mean.
        window: Pixels of the dataset; None for all.
        out: An array of the window's shape to fill and return, instead of a new one.
    """
    raw, valid = read_stored(dataset, band, window)
    values = to_physical(raw, band.scale, band.offset, out)
    if raw.dtype.kind == "f":
        valid = np.isfinite(values) if valid is None else valid & np.isfinite(values)
    if valid is not None and not valid.all():
        values[~valid] = np.nan
    return values


def read_stored(
    dataset: DatasetReader, band: StoredBand, window: Window | None
) -> tuple[NDArray[np.generic], NDArray[np.bool_] | None]:
    """Read a band as it is stored, and mark the pixels that hold a value; None for all."""
    raw = dataset.read(band.number, window=window)
    valid = _valid(dataset, band.number, window)
    present = band.present(raw)
    if valid is None or present is None:
        return raw, present if valid is None else valid
    return raw, valid & present


def _valid(dataset: DatasetReader, band: int, window: Window | None) -> NDArray[np.bool_] | None:
    """Mark the pixels that hold a value; None where the file marks none as missing."""
    alpha = alpha_band(dataset)
    if alpha is None and dataset.mask_flag_enums[band - 1] == [MaskFlags.all_valid]:
        return None
    valid: NDArray[np.bool_] = dataset.read_masks(band, window=window) != 0
    if alpha is not None:  # GDAL takes it for a mask only where it is 8 or 16 bits wide
        valid &= dataset.read(alpha, window=window) != 0
    return valid


@np.errstate(over="ignore")  # values too large for float32 become infinite, and so missing
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


def summary_rows(grid: Grid) -> Iterator[slice]:
    """Divide a raster into rows that are summed one after another, so that the order is fixed."""
    step = max(1, 2**22 // grid.width)
    for start in range(0, grid.height, step):
        yield slice(start, min(grid.height, start + step))


class LstSource:
    """A coarse LST raster: its grid, and its rows in kelvin.

    Attributes:
        path: The file.
        grid: Its coarse grid.
        units: The unit of its values after scale and offset, which is the output's unit too.
        units_from: The source of the unit: ``"option"``, ``"tags"`` or ``"values"``.
        valid: How many pixels hold a value.
        mean: Their mean, kelvin.
    """

    def __init__(
        self, source: BandSource, units: Units | None = None, *, summary: ValueSummary | None = None
    ) -> None:
        """Open a file.

        Args:
            source: The file, and its band where it has several.
            units: The unit of the values, or None to find out.
            summary: Summary of the values if it is known, so that they are not read again.

        Raises:
            InputError: If it cannot be used: unreadable, several bands, no valid pixel, or a unit
                that neither tags nor values determine.
        """
        self.path, self._source = source.path, source
        self._lock = Lock()
        self._dataset = open_raster(source.path)
        try:
            self._band = self._choose_band(source)
            self.grid = grid_of(self._dataset)
            _refuse_huge(self.path, self.grid)
            summary = self._summarize() if summary is None else summary
            evidence = self._evidence(summary)
            self._refuse_tags_twice(evidence)
            self._refuse_fill(summary)
            self.units, self.units_from = settle_units(units, evidence)
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

    def _choose_band(self, source: BandSource) -> StoredBand:
        bands = data_bands(self._dataset)
        if source.band is None and len(bands) != 1:
            raise InputError(
                f"{self.path} has {len(bands)} bands; say which one is the LST, "
                f"as in {self.path},band=1"
            )
        chosen = source.band or bands[0]
        check_band(self._dataset, self.path, chosen)
        return StoredBand.of(self._dataset, chosen, source)

    def _evidence(self, summary: ValueSummary) -> UnitEvidence:
        """Collect the evidence for the unit."""
        stem = PurePath(self.path.replace("\\", "/")).stem
        names = [self._dataset.descriptions[self._band.number - 1] or "", stem]
        return UnitEvidence(
            self._source,
            self._unit_words(),
            names,
            summary.low,
            summary.high,
            summary.mean,
            is_scaled=self._band.is_scaled,
            is_count=not (self._band.is_scaled or self._band.is_float),
        )

    def _unit_words(self) -> list[str]:
        """Collect the unit tags of band and file, for values after scale and offset."""
        dataset, band = self._dataset, self._band.number
        heights = self.grid.height_units  # GDAL uses it as the unit of the band
        words = [word for word in (dataset.units[band - 1],) if word and word not in heights]
        for tags in (dataset.tags(band), dataset.tags()):
            words += [word for key, word in tags.items() if key.lower() in ("unit", "units")]
        return [without_factor(word) for word in words] if self._band.is_scaled else words

    def _summarize(self) -> ValueSummary:
        """Find range and mean of the values, some rows at a time."""
        found = ValueSummary()
        for rows in summary_rows(self.grid):
            window = Window(0, rows.start, self.grid.width, rows.stop - rows.start)
            found += ValueSummary.of(_read_or_explain(self._dataset, self._band, window))
        if found.count == 0:
            raise InputError(f"{self.path} has no valid pixel; all are nodata")
        return found

    def _refuse_tags_twice(self, scaled: UnitEvidence) -> None:
        """Refuse values that are temperatures before scaling, but not after it."""
        band = self._band
        if not band.trusts_tags:
            return
        low, high = sorted((v - band.offset) / band.scale for v in (scaled.low, scaled.high))
        mean = (scaled.mean - band.offset) / band.scale
        stored = replace(scaled, low=low, high=high, mean=mean)
        fine_after = scaled.is_temperature and abs(band.scale) >= _LEAST_SCALE
        if fine_after or not stored.is_temperature:
            return
        if not band.is_float and (abs(band.scale) > _LARGEST_STEP or not stored.is_likely("K")):
            return
        kind = "floats" if band.is_float else "whole numbers"
        applied, pending = (typed(replace(self._source, scaling=s)) for s in ("none", "tags"))
        raise InputError(
            f"{self.path} holds {kind} from {low:.4g} to {high:.4g}, and its tags scale "
            f"{band.scale:g} and offset {band.offset:g} would make them {scaled.low:.5g} to "
            f"{scaled.high:.5g}; if they are applied already, write "
            f"{applied}, else {pending}"
        )

    def _refuse_fill(self, summary: ValueSummary) -> None:
        """Refuse an undeclared fill value."""
        fill = None if self._band.trusts_values else fill_of_lst(summary)
        if fill is None:
            return
        raise InputError(
            f"{100 * fill.share:.2g} % of the pixels of {self.path} are exactly "
            f"{self._written(fill.value)} and all others lie far from it ({fill.others}); if it "
            f"stands for pixels without a value, {declaring_the_first(self._source)}"
            f"add --src-nodata {self._written(fill.value)}; "
            "if it was measured, add --src-nodata none"
        )

    def _written(self, value: float) -> str:
        """Return a value as it is stored, written so that it reads back exactly."""
        for rows in summary_rows(self.grid):
            window = Window(0, rows.start, self.grid.width, rows.stop - rows.start)
            raw, _ = read_stored(self._dataset, self._band, window)
            found = raw[to_physical(raw, self._band.scale, self._band.offset) == np.float32(value)]
            if found.size:
                return written(found[0])
        return f"{value:.9g}"


def _refuse_huge(path: str, grid: Grid) -> None:
    if max(grid.shape) > _LARGEST_SIDE or grid.height * grid.width > _LARGEST_AREA:
        corner = grid.crop(slice(0, min(grid.height, 5000)), slice(0, min(grid.width, 5000)))
        bounds = " ".join(f"{value:.12g}" for value in corner.bounds)
        raise InputError(
            f"{path} has {grid.height} × {grid.width} pixels; an LST may have at most "
            f"{_LARGEST_SIDE} along a side and {_LARGEST_AREA} in total; cut it first, as in: rio "
            f"clip {shlex.quote(path)} part.tif --bounds '{bounds}'"
        )


def _read_or_explain(
    dataset: DatasetReader, band: StoredBand, window: Window
) -> NDArray[np.float32]:
    try:
        return read_physical(dataset, band, window)
    except UNREADABLE as error:
        raise damage(dataset.name, f"row {int(window.row_off)}", error) from error
