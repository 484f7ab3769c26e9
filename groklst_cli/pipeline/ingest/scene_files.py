"""Writing a scene folder's rasters: strip by strip, so that memory is bounded by the width."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from groklst_cli.data.scenes import CLEAR, LST
from groklst_cli.errors import GroklstError, InputError
from groklst_cli.geo.conserve import known_means
from groklst_cli.geo.grid import Grid
from groklst_cli.pipeline.ingest.layers import Read
from groklst_cli.pipeline.ingest.parts import Part, read_under
from groklst_cli.pipeline.ingest.product import Check, Guide, Product, Thermal

_LAYOUT: Final = {
    "driver": "GTiff",
    "count": 1,
    "tiled": True,
    "blockxsize": 256,
    "blockysize": 256,
    "compress": "deflate",
    "BIGTIFF": "IF_SAFER",
    "NUM_THREADS": "ALL_CPUS",
}


class NothingClearError(InputError):
    """No pixel of a temperature can be used."""


@dataclass
class Tally:
    """Numbers of pixels of a temperature: all, usable, and excluded by reason.

    Attributes:
        pixels: All of them.
        valid: Those with a temperature.
        clear: Those that can be used.
        reasons: Pixels with a temperature that a reason excludes; several reasons may apply.
        kinds: Usable pixels of a kind that may be masked too.
    """

    pixels: int = 0
    valid: int = 0
    clear: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def shares(self) -> dict[str, float]:
        """Shares of the pixels with a temperature that each reason excludes."""
        return {name: round(n / self.valid, 6) for name, n in sorted(self.reasons.items()) if n}

    def told(self) -> str:
        """Describe the shares, the largest first."""
        largest = sorted(self.shares.items(), key=lambda item: -item[1])
        return ", ".join(f"{name} {100 * share:.3g} %" for name, share in largest)


def write_temperature(
    folder: Path, product: Product, part: Part, factor: int, unwanted: Sequence[str] = ()
) -> Tally:
    """Write ``lst.tif``, and ``clear.tif`` if there is a quality band.

    Args:
        folder: Where to.
        product: With a thermal part.
        part: Of its grid, whole blocks of ``factor × factor``.
        factor: Pixels along a block; the LST is the mean of a block's clear pixels.
        unwanted: Kinds of clear pixels that are not wanted: water, snow.

    Returns:
        The numbers of pixels.

    Raises:
        NothingClearError: If none can be used.
    """
    thermal = product.thermal
    assert thermal is not None
    coarse = part.grid.coarsen(factor)
    tally = Tally()
    with ExitStack() as stack:
        reads = [stack.enter_context(layer.opened()) for layer in thermal.layers]
        wanted = [check.without(unwanted) for check in thermal.checks]
        checks = [(c, stack.enter_context(c.layer.opened())) for c in wanted]
        lst = stack.enter_context(_lst_file(folder / LST, coarse, thermal))
        clear_file = None
        if checks:
            clear_file = stack.enter_context(_clear_file(folder / CLEAR, part.grid))
        for rows in part.strips(factor):
            kelvin = _kelvin(thermal, reads, rows, part.columns)
            clear = _count(kelvin, checks, part, rows, tally)
            if factor > 1:  # the mask holds the share of a block's pixels in its mean
                kelvin = known_means(np.where(clear, kelvin, np.nan), factor)
            _write(lst, kelvin.astype(np.float32), (rows.start - part.rows.start) // factor)
            if clear_file is not None:
                _write(clear_file, clear.astype(np.uint8), rows.start - part.rows.start)
    _refuse_none(product, tally)
    return tally


def write_guide(folder: Path, guide: Guide, part: Part) -> float:
    """Write a guidance band as it is stored, with its scale and offset; fill where it is not clear.

    Returns:
        The share of the band's pixels that can be used.
    """
    layer = guide.layer
    dtype = np.dtype(layer.dtype)
    fill = layer.fill if layer.fill is not None else np.iinfo(dtype).min
    grid, used = part.grid, 0
    profile = _LAYOUT | {"dtype": dtype.name, "nodata": fill, "predictor": 2}
    with ExitStack() as stack:
        read = stack.enter_context(layer.opened())
        checks = [(c, stack.enter_context(c.layer.opened())) for c in guide.checks]
        file = stack.enter_context(_file(folder / f"{guide.name}.tif", grid, profile))
        file.scales, file.offsets = (guide.scale,), (guide.offset,)
        file.set_band_description(1, guide.name)
        file.update_tags(QUANTITY=guide.quantity)
        for rows in part.strips():
            raw, known = read(rows, part.columns)
            for check, read_quality in checks:
                values, there = read_under(check.layer, read_quality, part, rows)
                known = known & check.clear(values, there)
            used += int(known.sum())
            _write(file, np.where(known, raw, dtype.type(fill)), rows.start - part.rows.start)
    return used / (grid.height * grid.width)


def _kelvin(
    thermal: Thermal, reads: Sequence[Read], rows: slice, columns: slice
) -> NDArray[np.float64]:
    stored = [read(rows, columns) for read in reads]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        kelvin = thermal.kelvin([raw for raw, _ in stored])
    known = np.logical_and.reduce([there for _, there in stored])
    return np.where(known & np.isfinite(kelvin), kelvin, np.nan)


def _count(
    kelvin: NDArray[np.float64],
    checks: Sequence[tuple[Check, Read]],
    part: Part,
    rows: slice,
    tally: Tally,
) -> NDArray[np.bool_]:
    """Tell which pixels are clear, and count what the others are."""
    valid = np.isfinite(kelvin)
    clear, told = valid.copy(), ~valid
    seen = []
    for check, read in checks:
        values, there = read_under(check.layer, read, part, rows)
        seen.append((check, values))
        clear &= check.clear(values, there)
        for reason, against in check.against(values):
            spoken = valid & there & against
            tally.reasons[reason] += int(spoken.sum())
            told |= spoken
        missing = valid & ~there
        tally.reasons[check.missing] += int(missing.sum())
        told |= missing
    for check, values in seen:
        for kind, rule in check.kinds.items():
            tally.kinds[kind] += int((clear & ~rule.clear(values)).sum())
    tally.reasons["other"] += int((~clear & ~told).sum())
    tally.pixels += valid.size
    tally.valid += int(valid.sum())
    tally.clear += int(clear.sum())
    return clear


def _refuse_none(product: Product, tally: Tally) -> None:
    if not tally.valid:
        raise NothingClearError(
            f"{product.identifier} has no temperature in any of its {tally.pixels} pixels; name "
            "another product, or other bounds"
        )
    if not tally.clear:
        raise NothingClearError(
            f"no pixel of {product.identifier} is clear: of {tally.valid} pixels with a "
            f"temperature, {tally.told()}; name another product, or other bounds"
        )


@contextmanager
def _lst_file(path: Path, grid: Grid, thermal: Thermal) -> Iterator[DatasetWriter]:
    profile = _LAYOUT | {"dtype": "float32", "nodata": float("nan"), "predictor": 3}
    with _file(path, grid, profile) as file:
        file.set_band_unit(1, "K")
        file.set_band_description(1, "LST" if thermal.quantity[0] == "l" else "BT")
        file.update_tags(QUANTITY=thermal.quantity)
        yield file


@contextmanager
def _clear_file(path: Path, grid: Grid) -> Iterator[DatasetWriter]:
    with _file(path, grid, _LAYOUT | {"dtype": "uint8"}) as file:
        file.set_band_description(1, "clear")
        yield file


@contextmanager
def _file(path: Path, grid: Grid, profile: Mapping[str, Any]) -> Iterator[DatasetWriter]:
    """Open a new raster to write.

    Raises:
        GroklstError: If a file cannot be written.
    """
    place = {
        "height": grid.height, "width": grid.width, "crs": grid.crs, "transform": grid.transform,
    }  # fmt: skip
    try:
        with rasterio.open(path, "w", **profile, **place) as file:
            yield file
    except RasterioError as error:
        raise GroklstError(
            f"{path.name} could not be written: {error}; is the disk full?"
        ) from error


def _write(file: DatasetWriter, values: NDArray[np.generic], row: int) -> None:
    file.write(values, 1, window=Window(0, row, values.shape[1], values.shape[0]))
